"""The cluster as the runs see it: one look at it, and the engines that change it and write a journal of that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from atlas.events import Emitter
from atlas.instances import Instance
from atlas.plan import Change, Plan
from atlas.state import Attributes, Lease, Observed, State


@dataclass(frozen=True, slots=True)
class Work:
    """All that an engine or a generator needs to know of one stack.

    Args:
        stack: The stack's name.
        installation: The id of this installation of ATLAS, part of every stamp.
        ssh_key: ATLAS's public key, put beside the user's keys.
        instances: What is wanted, in the order of the file; empty when the stack is destroyed.
        leases: By key: the wanted guests', and those of guests that go.
        applied: By key: what ATLAS last set, for each attribute.
        state: One look at the cluster.
        renames: New key to former key, as the spec says explicitly.
        folder: The stack's folder: `bundle/` (generated), `terraform/` (state and data), `runs/ID/`.
        destroy: Whether the whole stack goes.
    """

    stack: str
    installation: str
    ssh_key: str
    instances: tuple[Instance, ...]
    leases: Mapping[str, Lease]
    applied: Mapping[str, Attributes]
    state: State
    folder: Path
    renames: Mapping[str, str] = field(default_factory=dict)
    destroy: bool = False


class Cluster(Protocol):
    """Reading a cluster; writing is the engines' alone."""

    name: str

    def look(self, vmids: Iterable[int] = (), *, neighbours: bool = False, offers: bool = True) -> State:
        """Return the state; the guests with these VMIDs, and all templates, are read in full.

        Args:
            vmids: The guests.
            neighbours: Whether the configuration of all others is read too, which tells their addresses.
            offers: Whether the nodes' bridges and the storages' archives are read too, which only planning needs.
        """

    def guest(self, vmid: int) -> Observed | None:
        """Return one guest, read in full; None where there is none."""

    def vmid_free(self, vmid: int) -> bool:
        """Tell whether nobody has this VMID, guests that the token does not see included."""

    def busy(self, vmids: Iterable[int]) -> Mapping[int, str]:
        """Return what tasks of ours still do to these guests, by VMID, in PVE's word (`qmdestroy`)."""

    def addresses(self, kind: str, vmid: int) -> tuple[str, ...]:
        """Return the addresses (without prefix) that a running guest reports; empty if it does not say."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a run's journal: the intent was on disk before the call, the outcome after it."""

    id: int
    guest: str
    step: str
    intent: Mapping[str, Any]
    outcome: Mapping[str, Any] | None


class Journal(Protocol):
    """What an engine writes down so that it can be resumed after kill -9. Safe to call from several threads."""

    def intend(self, guest: str, step: str, **intent: Any) -> int:
        """Store an intent durably; return its id."""

    def settle(self, entry: int, **outcome: Any) -> None:
        """Store what came of an intent (the UPID, the end of a task)."""

    def note(self, guest: str, step: str, **intent: Any) -> None:
        """Store that a step is done, in one go: for what needs no call, or has had it."""

    def entries(self, guest: str | None = None) -> Sequence[Entry]:
        """Return the entries of this run in their order."""

    def applied(self, guest: str, attributes: Attributes, removed: Iterable[str] = ()) -> None:
        """Store attributes that ATLAS has now set (merged into those of the guest), and those it has removed."""

    def made(self, guest: str, *, uuid: str, node: str) -> None:
        """Record in the guest's lease that it was made by us, with its identity; and as a step `made` that is done."""

    def gone(self, guest: str) -> None:
        """Release the guest's lease and forget what was applied: the guest is deleted."""


GuestReady = Callable[[str], None]
"""Called with a guest's key as soon as its change is carried out and it may be configured."""


class Engine(Protocol):
    """What carries a plan's changes to the cluster. Destroying is planning with `Work.destroy`."""

    @property
    def name(self) -> str:
        """Return `terraform` or `api`."""

    def versions(self) -> Mapping[str, str]:
        """Return what it uses with versions; part of the plan's hash."""

    def still(self, folder: Path) -> str | None:
        """Return the run that goes on by itself on the stack in this folder, its ATLAS having ended; None if none."""

    def plan(self, work: Work, emit: Emitter) -> tuple[Change, ...]:
        """Return the changes, by key; writes nothing to the cluster. The bundle is in `work.folder / "bundle"`."""

    def apply(self, work: Work, plan: Plan, run: Path, journal: Journal, emit: Emitter, ready: GuestReady) -> None:
        """Carry out a plan, or go on with it: called again with the same `run` it attaches or resumes.

        The work's state is a look at the cluster that was just taken, and is what the plan has still to fit.
        Guests that fail do not keep others from being finished.

        Raises:
            StalePlan: The cluster has changed since the plan was made; nothing was written.
            PartlyDone: Some guests failed; each has had a `guest.stage` event `failed` with its reason.
            AtlasError: It could not go on at all.
        """
