"""A site for tests: a lab, a store and the api engine, with what the runs do around an engine in a few lines."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atlas.configs.catalogue import images
from atlas.errors import ApiRefused
from atlas.events import Emitter, Event
from atlas.instances import instances
from atlas.leasing import Origin, Terms, choose
from atlas.placement import place
from atlas.plan import Plan
from atlas.ports import Run, Work
from atlas.proxmox.client import Client
from atlas.proxmox.engine import ApiEngine
from atlas.proxmox.facts import PveCluster
from atlas.settings import AddressPool
from atlas.sources import find_archive, find_template
from atlas.spec import Stack
from atlas.store.sqlite import SqliteStore

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDIhzP0bBbTxAEOuvr6DoaIeyG3Ko6B7gMm1XAKlbVWn atlas"
CLUSTER = "test"


class Site:
    """What tests need to plan and apply against a cluster.

    Args:
        home: Where the store lies.
        status: What the lab says of itself: `url`, `token`, `ca_file`.
    """

    def __init__(self, home: Path, status: Mapping[str, Any], vmids: tuple[int, int] = (10_000, 10_999)) -> None:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home, self.status, self.vmids = home, dict(status), vmids
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
        wanted = () if parsed is None else instances(parsed)
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
                [AddressPool(network="10.42.0.0/24", first="10.42.0.10", gateway="10.42.0.1")],
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

    def _origin(self, guest: Any, state: Any, node: str) -> Origin:
        if guest.kind == "container":
            image = images()["debian-12"]
            volid = find_archive(state, image, node)
            assert volid, "the cluster has no archive"
            return Origin(volid, node)
        template = find_template(state, guest.template or guest.image)
        assert template, "the cluster has no such template"
        return Origin(str(template.vmid), template.node)

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
        """Plan and carry out."""
        work, plan = self.plan(spec, stack)
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

    def vmids_there(self) -> set[int]:
        """Return the VMIDs of all guests that are no templates."""
        rows = self.client.get("cluster", "resources", type="vm")
        return {int(r["vmid"]) for r in rows if not r.get("template")}

    def sweep(self) -> None:
        """Delete every guest in the test's range."""
        for vmid in self.vmids_there():
            if self.vmids[0] <= vmid <= self.vmids[1]:
                row = self.cluster.row(vmid)
                assert row is not None
                at = ("nodes", row["node"], row["type"], vmid)
                try:
                    self.client.put(*at, "config", protection=0)
                    if self.running(vmid):
                        self.task(self.client.post(*at, "status", "stop"))
                    self.task(self.client.delete(*at))
                except ApiRefused as refused:
                    if "does not exist" not in refused.reason:
                        raise

    def task(self, upid: str | None) -> None:
        """Wait for a task."""
        from atlas.proxmox import tasks

        if upid:
            tasks.wait(self.client, upid, Emitter())
