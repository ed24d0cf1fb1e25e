"""A site for tests: a cluster, a store and both engines, with what the runs do around an engine in a few lines."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fakes.ground import Ground
from fakes.where import CLUSTER, lacking

from atlas.configs.catalogue import images
from atlas.errors import SpecError
from atlas.events import Emitter, Event
from atlas.generators.terraform import generate
from atlas.generators.writer import write_bundle
from atlas.instances import Instance, instances
from atlas.leasing import Origin, Terms, choose
from atlas.placement import place
from atlas.plan import Action, Plan, bundle_hashes
from atlas.ports.cluster import Engine, Work
from atlas.ports.store import Run
from atlas.proxmox import rebooting
from atlas.proxmox.engine import ApiEngine
from atlas.sources import find_archive, find_image, find_template
from atlas.spec import Stack
from atlas.state import Kind, State
from atlas.store.sqlite import SqliteStore
from atlas.terraform.engine import TerraformEngine

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDIhzP0bBbTxAEOuvr6DoaIeyG3Ko6B7gMm1XAKlbVWn atlas"


def farm(*guests: Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
    """Return a small stack as a spec."""
    return {
        "metadata": {"name": "farm", "tags": ["test"]},
        "defaults": {"image": "debian-12", "memory": "1GiB", "disks": [{"size": "4GiB"}], **defaults},
        "guests": list(guests),
    }


class Site(Ground):
    """What tests need to plan and apply against a cluster.

    Args:
        home: Where the store lies.
        status: See `Ground`.
        engine: `api` or `terraform`.
        vmids: See `Ground`.
    """

    def __init__(
        self, home: Path, status: Mapping[str, Any], engine: str = "api", vmids: tuple[int, int] = (10_000, 10_999)
    ) -> None:
        super().__init__(status, vmids)
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home = home
        self.store = SqliteStore(home)
        self.engines: dict[str, Engine] = {
            "api": ApiEngine(self.cluster, lock_seconds=3),
            "terraform": TerraformEngine(self.profile, self.cluster, home, self.reboot, patience=30),
        }
        self.use(engine)
        self.events: list[Event] = []
        self.ready: list[str] = []

    def use(self, engine: str) -> None:
        """Take one of the two engines from here on."""
        self.engine = self.engines[engine]

    def instances(self, spec: Mapping[str, Any] | None) -> tuple[Instance, ...]:
        """Return the guests of a spec; none without one."""
        return () if spec is None else instances(Stack.model_validate(spec), self.profile.defaults)

    def work(self, spec: Mapping[str, Any] | None, stack: str = "") -> Work:
        """Return the work of a spec, with leases taken; without a spec that of destroying the stack."""
        name = stack if spec is None else str(spec["metadata"]["name"])
        wanted = self.instances(spec)
        held = {x.key: x for x in self.store.leases(CLUSTER, name)}
        for new, old in _renames(wanted).items():
            if old in held:
                one = next(i for i in wanted if i.key == new)
                self.store.rename(CLUSTER, name, {old: (one.group, one.index)})
        held = {x.key: x for x in self.store.leases(CLUSTER, name)}
        state = self.cluster.look(x.vmid for x in held.values())
        if spec is not None:
            placed = {x.key: state.guests[x.vmid].node for x in held.values() if x.vmid in state.guests}
            nodes, faults = place(wanted, state, placed=placed, near={})
            if faults:
                raise SpecError(faults)
            origins = {i.key: self._origin(i.guest, state, nodes[i.key]) for i in wanted}
            free, chance = self.cluster.vmid_free, random.Random(1)
            terms = Terms(name, self.vmids, self.profile.pools, nodes, origins, free, {}, chance)
            self.store.take_leases(CLUSTER, name, lambda every: choose(wanted, every, state, terms))
        return self._work(name, wanted, state, destroy=spec is None)

    def resumed(self, run_id: str) -> tuple[Work, Plan, Run]:
        """Return work, plan and run as a resuming process finds them: from the store alone."""
        run = self.store.run(run_id)
        plan = self.store.plan(run.plan)
        wanted = self.instances(None if plan.destroy else plan.spec)
        return self._work(plan.stack, wanted, self.cluster.look(), destroy=plan.destroy), plan, run

    def _work(self, name: str, wanted: tuple[Instance, ...], state: State, *, destroy: bool) -> Work:
        leases = {x.key: x for x in self.store.leases(CLUSTER, name)}
        applied, own = self.store.applied(CLUSTER, name), self.store.installation()
        return Work(name, own, KEY, wanted, leases, applied, state, self.home / name, _renames(wanted), destroy)

    def _origin(self, guest: Any, state: State, node: str) -> Origin:
        if guest.kind == "container":
            volid = find_archive(state, images()["debian-12"], node)
            if volid is None:
                lacking("archive to make containers from")
            return Origin(str(volid), node)
        named = guest.template
        template = (
            find_template(state, named) if named else find_image(state, images()[guest.image], self.profile.images)
        )
        if template is None:
            lacking(f"template for {guest.template or guest.image}")
        return Origin(str(template.vmid), template.node)

    def plan(self, spec: Mapping[str, Any] | None, stack: str = "") -> tuple[Work, Plan]:
        """Plan a spec, or the end of a stack, and store the plan."""
        work = self.work(spec, stack)
        files = dict(generate(work))
        write_bundle(work.folder / "bundle", files)
        changes = self.engine.plan(work, Emitter())
        leases, versions = tuple(work.leases.values()), self.engine.versions()
        identity, bundle = work.state.identity, bundle_hashes(files)
        said = dict(spec or {})
        plan = Plan(
            work.stack, CLUSTER, identity, self.engine.name, changes, leases, bundle, versions, work.destroy, said
        )
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
        applied, state = self.store.applied(CLUSTER, work.stack), self.cluster.look(x.vmid for x in leases.values())
        now = dataclasses.replace(work, leases=leases, applied=applied, state=state)
        emit, folder = Emitter((self.events.append,)), work.folder / "runs" / run.id
        self.engine.apply(now, plan, folder, wrap(journal) if wrap else journal, emit, self.ready.append)
        self.store.update_run(run.id, result="applied")
        return run

    def reboot(self, kind: Kind, vmid: int) -> None:
        """Reboot a guest through PVE."""
        rebooting.reboot(self.client, kind, vmid, Emitter())


def _renames(wanted: Iterable[Instance]) -> dict[str, str]:
    """Return the former key of each guest that is renamed."""
    return {i.key: f"{i.guest.renamed_from}{i.key[len(i.group) :]}" for i in wanted if i.guest.renamed_from is not None}
