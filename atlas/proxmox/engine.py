"""The api engine: carries a plan's changes to the cluster by Proxmox VE's own API, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from atlas import compare
from atlas.attributes import wanted
from atlas.errors import AtlasError, EngineError, PartlyDone, SpecError, StalePlan
from atlas.events import Emitter, EventType, Stage
from atlas.ownership import Owner, owner
from atlas.plan import Action, Change, Plan, by_key
from atlas.ports.cluster import GuestReady, Journal, Work
from atlas.proxmox import removing
from atlas.proxmox.carrying import LOCK_SECONDS, Carrier
from atlas.proxmox.facts import PveCluster
from atlas.proxmox.hands import Hands, Stuck
from atlas.proxmox.making import CLONES_AT_ONCE, Limits, Order, make
from atlas.state import Lease, Observed

WORKERS = 16


class ApiEngine:
    """Implements `ports.Engine` without any program besides ATLAS.

    Args:
        cluster: The cluster; its client is used for writing, too.
        workers: How many guests are worked on at once.
        clones: How many clones of one template to one storage are made at once.
        lock_seconds: How long a guest that others hold is waited for.
    """

    name = "api"

    def __init__(
        self,
        cluster: PveCluster,
        *,
        workers: int = WORKERS,
        clones: int = CLONES_AT_ONCE,
        lock_seconds: float = LOCK_SECONDS,
    ) -> None:
        self._cluster, self._workers, self._clones = cluster, workers, clones
        self._lock_seconds = lock_seconds

    def versions(self) -> Mapping[str, str]:
        """Return the versions of what it uses; ATLAS's own is added by others."""
        from importlib.metadata import version

        return {"proxmoxer": version("proxmoxer")}

    def still(self, folder: Path) -> str | None:  # noqa: ARG002  the port's signature
        """Return None: nothing of a run goes on without ATLAS."""
        return None

    def plan(self, work: Work, emit: Emitter) -> tuple[Change, ...]:
        """Return the changes, by key; writes nothing.

        Raises:
            SpecError: Something must not or cannot be done.
        """
        for diagnostic in compare.warnings(work):
            emit(EventType.DIAGNOSTIC, **diagnostic.as_data())
        return compare.compare(work)

    def apply(
        self,
        work: Work,
        plan: Plan,
        run: Path,  # noqa: ARG002  the port's signature; all that is kept is in the journal
        journal: Journal,
        emit: Emitter,
        ready: GuestReady,
    ) -> None:
        """Carry out a plan, or go on with it.

        Raises:
            StalePlan: The cluster has changed since the plan was made; nothing was written.
            PartlyDone: Some guests failed.
        """
        leases = {**{x.key: x for x in plan.leases}, **work.leases}
        fresh = replace(work, leases=leases)
        begun = {e.guest for e in journal.entries()}
        check_freshness(fresh, plan, begun)
        shift = _Shift(self._cluster, fresh, journal, emit, Limits(self._clones), self._lock_seconds)
        failures: dict[str, AtlasError] = {}
        with ThreadPoolExecutor(self._workers, thread_name_prefix="guest") as pool:
            futures = {pool.submit(shift.guest, change): change for change in plan.changes}
            for future in as_completed(futures):
                change = futures[future]
                try:
                    future.result()
                except AtlasError as problem:
                    failures[change.key] = problem
                    data = {"stage": Stage.FAILED.value, "reason": problem.message, "hint": problem.hint}
                    emit(EventType.GUEST_STAGE, change.key, **data)
                    continue
                if change.action is not Action.DELETE:
                    ready(change.key)
        if failures:
            raise _partly(failures, len(plan.changes))


def check_freshness(work: Work, plan: Plan, begun: set[str]) -> None:
    """Compare again for every guest that this run has not begun with.

    Raises:
        StalePlan: Something outside the approved changes would be done now.
    """
    approved = by_key(plan.changes)
    if work.state.identity != plan.identity:
        raise StalePlan(
            f"the plan is for {plan.identity}, this is {work.state.identity}", "plan again, for this cluster"
        )
    wanted_keys = {i.key for i in work.instances}
    # A guest that is being renamed may still have its lease under the former name.
    gone = begun | {former for key, former in work.renames.items() if key in begun and former not in wanted_keys}
    untouched = replace(
        work,
        instances=tuple(i for i in work.instances if i.key not in begun),
        leases={k: x for k, x in work.leases.items() if k not in gone},
    )
    try:
        now = compare.compare(untouched)
    except SpecError as refused:
        said = "; ".join(d.summary for d in refused.diagnostics)
        raise StalePlan(f"the cluster has changed since the plan was made: {said}", "plan again") from refused
    outside = [c.key for c in now if not _within(c, approved.get(c.key))]
    if outside:
        raise StalePlan(f"the cluster has changed since the plan was made, for {', '.join(outside)}", "plan again")


def _within(now: Change, approved: Change | None) -> bool:
    if approved is None or now.action is not approved.action or now.vmid != approved.vmid:
        return False
    said = {(a.path, a.before, a.after) for a in approved.attributes}
    return all((a.path, a.before, a.after) in said for a in now.attributes)


@dataclass(frozen=True, slots=True)
class _Shift:
    """What works on the guests of one run."""

    cluster: PveCluster
    work: Work
    journal: Journal
    emit: Emitter
    limits: Limits
    lock_seconds: float

    def guest(self, change: Change) -> None:
        """Carry out the change of one guest, or go on with it."""
        hands = Hands(self.cluster.client, self.journal, self.emit, change.key)
        if any(e.outcome for e in hands.entries("finished")):
            return
        if hands.entries():
            hands.recover()
        if change.action is Action.DELETE:
            self._delete(hands, change)
        else:
            self._build(hands, change)
        self.journal.note(change.key, "finished")
        if change.action is Action.DELETE:
            hands.stage(Stage.DONE)

    def _delete(self, hands: Hands, change: Change) -> None:
        lease = self.work.leases[change.key]
        hands.stage(Stage.DELETING)
        removing.remove(hands, self.cluster, lease, self.work.installation)
        self.journal.gone(change.key)

    def _build(self, hands: Hands, change: Change) -> None:
        instance = next(i for i in self.work.instances if i.key == change.key)
        lease = self._lease(change)
        want = wanted(instance, lease, self.work)
        former = change.renamed_from or ""
        applied = self.work.applied.get(change.key) or self.work.applied.get(former) or {}
        approved: frozenset[tuple[str, object]] | None = None
        if change.action is Action.REPLACE:
            self._clear(hands, lease)
            applied = {}
        made: Observed | None = None
        if change.action in (Action.CREATE, Action.REPLACE):
            made = make(hands, self.cluster, Order(instance, lease, want, self.work.state), self.limits)
        else:
            hands.stage(Stage.UPDATING)
            self._claim(hands, lease)
            approved = frozenset((a.path, a.after) for a in change.attributes)
        carrier = Carrier(hands, self.cluster, lease.vmid, want, applied, self.work.state, approved, self.lock_seconds)
        carrier.carry(made)

    def _lease(self, change: Change) -> Lease:
        """Return the guest's lease under its present key, also while a rename is not stored yet."""
        held = self.work.leases.get(change.key) or self.work.leases[change.renamed_from or change.key]
        instance = next(i for i in self.work.instances if i.key == change.key)
        return replace(held, group=instance.group, index=instance.index)

    def _clear(self, hands: Hands, lease: Lease) -> None:
        """Delete the guest that is replaced; one that this run has made in its place stays."""
        observed = self.cluster.guest(lease.vmid)
        made = {e.intent.get("uuid") for e in hands.entries("made")}
        if observed is None or observed.uuid in made or hands.entries("cleared"):
            return
        hands.stage(Stage.REPLACING)
        removing.remove(hands, self.cluster, lease, self.work.installation)
        self.journal.note(hands.key, "cleared")

    def _claim(self, hands: Hands, lease: Lease) -> None:
        """Make sure that the guest is ours; one of ours that no run recorded is recorded now."""
        observed = self.cluster.guest(lease.vmid)
        whose = owner(lease, observed, self.work.installation)
        moved = observed is not None and observed.uuid in {e.intent.get("uuid") for e in hands.entries("made")}
        if whose is Owner.OURS or moved:
            return
        if whose is Owner.UNRECORDED and observed is not None and observed.uuid is not None:
            self.journal.made(hands.key, uuid=observed.uuid, node=observed.node)
            return
        raise EngineError(f"{lease.key} ({lease.vmid}) is not ours any more ({whose})", "plan again")


def _partly(failures: Mapping[str, AtlasError], count: int) -> PartlyDone:
    said = "; ".join(f"{key}: {problem.message}" for key, problem in sorted(failures.items()))
    stuck = [p.hint for p in failures.values() if isinstance(p, Stuck)]
    hints = stuck or sorted({p.hint for p in failures.values() if p.hint})
    return PartlyDone(
        f"{len(failures)} of {count} guests failed: {said}", "; ".join([*hints, "`atlas resume` goes on from here"])
    )
