"""A site for tests: a cluster, a store and the api engine, with what the runs do around an engine in a few lines."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from fakes.where import CLUSTER, lacking, profile_of

from atlas.configs.catalogue import images
from atlas.errors import ApiRefused, TaskFailed
from atlas.events import Emitter, Event
from atlas.instances import instances
from atlas.leasing import Origin, Terms, choose
from atlas.placement import place
from atlas.plan import Action, Plan
from atlas.ports import Run, Work
from atlas.proxmox.client import Client, lock_timeout
from atlas.proxmox.engine import ApiEngine
from atlas.proxmox.facts import PveCluster
from atlas.sources import find_archive, find_image, find_template
from atlas.spec import Stack
from atlas.state import Observed, State
from atlas.store.sqlite import SqliteStore

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDIhzP0bBbTxAEOuvr6DoaIeyG3Ko6B7gMm1XAKlbVWn atlas"
BOOT_SECONDS = 300.0


class Site:
    """What tests need to plan and apply against a cluster.

    Args:
        home: Where the store lies.
        status: What `where.cluster` says: `url`, `token`, `ca_file`, and a site's own `profile`.
        vmids: The VMIDs to use in a lab; a site's profile says its own.
    """

    def __init__(self, home: Path, status: Mapping[str, Any], vmids: tuple[int, int] = (10_000, 10_999)) -> None:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home, self.status = home, dict(status)
        self.profile = profile_of(status, vmids)
        self.vmids = self.profile.vmids
        self.client = Client(status["url"], status["token"], ca_file=Path(status["ca_file"]))
        self.cluster = PveCluster(CLUSTER, self.client)
        self.store = SqliteStore(home)
        self.engine = ApiEngine(self.cluster, lock_seconds=3)
        self.events: list[Event] = []
        self.ready: list[str] = []

    def work(self, spec: Mapping[str, Any] | None, stack: str = "") -> Work:
        """Return the work of a spec, with leases taken; without a spec that of destroying the stack."""
        destroy = spec is None
        name = stack if spec is None else str(spec["metadata"]["name"])
        parsed = None if spec is None else Stack.model_validate(spec)
        wanted = () if parsed is None else instances(parsed, self.profile.defaults)
        renames = {
            i.key: f"{i.guest.renamed_from}{i.key[len(i.group) :]}" for i in wanted if i.guest.renamed_from is not None
        }
        held = {x.key: x for x in self.store.leases(CLUSTER, name)}
        for new, old in renames.items():
            if old in held:
                one = next(i for i in wanted if i.key == new)
                self.store.rename(CLUSTER, name, {old: (one.group, one.index)})
        held = {x.key: x for x in self.store.leases(CLUSTER, name)}
        state = self.cluster.look(x.vmid for x in held.values())
        if not destroy:
            placed = {x.key: state.guests[x.vmid].node for x in held.values() if x.vmid in state.guests}
            nodes, faults = place(wanted, state, placed=placed, near={})
            assert not faults, faults
            terms = Terms(
                name,
                self.vmids,
                self.profile.pools,
                nodes,
                {i.key: self._origin(i.guest, state, nodes[i.key]) for i in wanted},
                self.cluster.vmid_free,
                {},
                random.Random(1),
            )
            self.store.take_leases(CLUSTER, name, lambda every: choose(wanted, every, state, terms))
        leases = {x.key: x for x in self.store.leases(CLUSTER, name)}
        folder = self.home / name
        applied = self.store.applied(CLUSTER, name)
        own = self.store.installation()
        return Work(name, own, KEY, wanted, leases, applied, state, folder, renames, destroy)

    def _origin(self, guest: Any, state: State, node: str) -> Origin:
        if guest.kind == "container":
            volid = find_archive(state, images()["debian-12"], node)
            if volid is None:
                lacking("archive to make containers from")
            return Origin(str(volid), node)
        template = find_template(state, guest.template) if guest.template else self._image(guest.image, state)
        if template is None:
            lacking(f"template for {guest.template or guest.image}")
        return Origin(str(template.vmid), template.node)

    def _image(self, name: str, state: State) -> Observed | None:
        return find_image(state, images()[name], self.profile.images)

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that are online."""
        return tuple(n.name for n in self.cluster.look().nodes.values() if n.online)

    @cached_property
    def template(self) -> Observed:
        """The template of most tests."""
        found = self._image("debian-12", self.cluster.look())
        return found if found is not None else lacking("template for debian-12")

    @cached_property
    def storages(self) -> tuple[str, ...]:
        """The storages for guests' disks beside the template; the template's own is the first."""
        rows = self.client.get("nodes", self.template.node, "storage", content="images", enabled=1)
        own = str(self.template.attributes["disks[0].storage"])
        return own, *sorted(r["storage"] for r in rows if r["active"] and r["storage"] != own)

    @property
    def other_storage(self) -> str:
        """A storage for guests' disks that is not the template's; the test is skipped where there is none."""
        return self.storages[1] if len(self.storages) > 1 else lacking("second storage for disks beside the template")

    def node(self, number: int) -> str:
        """Return the nth node, counted from 1; the test is skipped where there are not as many."""
        return self.nodes[number - 1] if number <= len(self.nodes) else lacking(f"{number} nodes")

    @cached_property
    def vlan(self) -> dict[str, int]:
        """A tag for a network, where the bridge can carry one: it knows VLANs, or leads out of its node."""
        bridge = self.client.get("nodes", self.nodes[0], "network", "vmbr0")
        return {"vlan": 7} if bridge.get("bridge_vlan_aware") or bridge.get("bridge_ports") else {}

    def alter(self, vmid: int, **values: Any) -> None:
        """Set a guest's options as others do; PVE's own cleaning up after a stop may hold its lock for a while."""
        row = self.cluster.row(vmid)
        assert row is not None
        at = ("nodes", row["node"], row["type"], vmid, "config")
        self.patiently(lambda: self.client.put(*at, **values))

    def patiently(self, call: Callable[[], str | None]) -> None:
        """Make a call, and wait for its task, again where PVE gave up waiting for a guest's lock."""
        for tries_left in (5, 4, 3, 2, 1, 0):
            try:
                self.task(call())
            except (ApiRefused, TaskFailed) as problem:
                said = problem.exitstatus if isinstance(problem, TaskFailed) else problem.reason
                if not tries_left or not lock_timeout(said):
                    raise
            else:
                return

    def containers(self, *guests: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Return these containers of a spec, or none where the site has no archive to make them from."""
        archive = find_archive(self.cluster.look(), images()["debian-12"])
        return tuple({**g, "kind": "container"} for g in guests) if archive else ()

    def clone(self, newid: int, name: str, *, template: bool = False) -> None:
        """Clone the template as others do, not ATLAS; into another template, which is waited for until it shows."""
        node = self.template.node
        self.task(self.client.post("nodes", node, "qemu", self.template.vmid, "clone", newid=newid, name=name, full=0))
        if not template:
            return
        self.task(self.client.post("nodes", node, "qemu", newid, "template"))
        deadline = time.monotonic() + BOOT_SECONDS
        while newid not in {t.vmid for t in self.cluster.look().templates()}:
            assert time.monotonic() < deadline, f"{newid} does not show as a template"
            time.sleep(0.2)

    def plan(self, spec: Mapping[str, Any] | None, stack: str = "") -> tuple[Work, Plan]:
        """Plan a spec, or the end of a stack, and store the plan."""
        work = self.work(spec, stack)
        changes = self.engine.plan(work, Emitter())
        leases = tuple(work.leases.values())
        identity, versions = work.state.identity, self.engine.versions()
        plan = Plan(work.stack, CLUSTER, identity, "api", changes, leases, {}, versions, work.destroy, dict(spec or {}))
        self.store.save_plan(plan)
        return work, plan

    def apply(self, spec: Mapping[str, Any] | None, stack: str = "") -> Plan:
        """Plan and carry out, once the guests that go down for it have booted, as after a run they have."""
        work, plan = self.plan(spec, stack)
        for change in plan.changes:
            if change.reboots or change.action in (Action.DELETE, Action.REPLACE):
                self.booted(change.vmid)
        self.carry_out(work, plan)
        return plan

    def carry_out(self, work: Work, plan: Plan, run: Run | None = None, wrap: Any = None) -> Run:
        """Carry out a plan, or go on with a run; `wrap` may put something around the journal."""
        run = run or self.store.new_run(plan, None)
        journal = self.store.journal(run)
        leases = {x.key: x for x in self.store.leases(CLUSTER, work.stack)}
        now = dataclasses.replace(work, leases=leases, applied=self.store.applied(CLUSTER, work.stack))
        emit = Emitter((self.events.append,))
        self.engine.apply(now, plan, self.home, wrap(journal) if wrap else journal, emit, self.ready.append)
        self.store.update_run(run.id, result="applied")
        return run

    def config(self, vmid: int) -> dict[str, Any]:
        """Return a guest's running configuration as the API has it, `{}` where there is none."""
        row = self.cluster.row(vmid)
        if row is None:
            return {}
        answer: dict[str, Any] = self.client.get("nodes", row["node"], row["type"], vmid, "config", current=1)
        return answer

    def pending(self, vmid: int) -> dict[str, Any]:
        """Return what waits for a reboot."""
        row = self.cluster.row(vmid)
        assert row is not None
        rows = self.client.get("nodes", row["node"], row["type"], vmid, "pending")
        return {r["key"]: r.get("pending", "deleted") for r in rows if "pending" in r or "delete" in r}

    def running(self, vmid: int) -> bool:
        """Tell whether a guest runs."""
        row = self.cluster.row(vmid)
        assert row is not None
        status = self.client.get("nodes", row["node"], row["type"], vmid, "status", "current")
        return bool(status["status"] == "running")

    def all_booted(self) -> None:
        """Wait until every guest of ours that runs has booted."""
        for vmid in self.vmids_there():
            self.booted(vmid)

    def booted(self, vmid: int) -> None:
        """Wait until a running guest's agent answers: before that, nobody in it hears that it shall go down."""
        row = self.cluster.row(vmid)
        if row is None or row["type"] != "qemu" or not self.running(vmid):
            return
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            try:
                self.client.post("nodes", row["node"], "qemu", vmid, "agent", "ping")
            except ApiRefused:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def vmids_there(self) -> set[int]:
        """Return the VMIDs in the tests' range that are taken by guests, not by templates."""
        rows = self.client.get("cluster", "resources", type="vm")
        first, last = self.vmids
        return {int(r["vmid"]) for r in rows if not r.get("template") and first <= int(r["vmid"]) <= last}

    def volumes(self) -> set[str]:
        """Return the volumes for guests' disks on every node that sees them."""
        at = ((node, storage) for node in self.nodes for storage in self.storages)
        return {f"{n} {r['volid']}" for n, s in at for r in self.client.get("nodes", n, "storage", s, "content")}

    def sweep(self) -> None:
        """Delete every guest in the test's range."""
        for vmid in self.vmids_there():
            row = self.cluster.row(vmid)
            assert row is not None
            at = ("nodes", row["node"], row["type"], vmid)
            try:
                if self.config(vmid).get("protection"):
                    self.alter(vmid, protection=0)
                if self.running(vmid):
                    self.patiently(partial(self.client.post, *at, "status", "stop"))
                self.patiently(partial(self.client.delete, *at))
            except ApiRefused as refused:
                if "does not exist" not in refused.reason:
                    raise

    def task(self, upid: str | None) -> None:
        """Wait for a task."""
        from atlas.proxmox import tasks

        if upid:
            tasks.wait(self.client, upid, Emitter())
