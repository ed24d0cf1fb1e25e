"""Protocols of all adapters: what the runs ask of the cluster, the engines, the store, Ansible, and the checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from atlas.events import Emitter
from atlas.instances import Instance
from atlas.phases import Phase
from atlas.plan import Change, Plan
from atlas.spec import Check
from atlas.state import Attributes, Lease, State
from atlas.templates import Order


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

    def look(self, vmids: Iterable[int] = (), *, neighbours: bool = False) -> State:
        """Return the state; the guests with these VMIDs, and all templates, are read in full.

        Args:
            vmids: The guests.
            neighbours: Whether the configuration of all others is read too, which tells their addresses.
        """

    def vmid_free(self, vmid: int) -> bool:
        """Tell whether nobody has this VMID, guests that the token does not see included."""

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

    def entries(self, guest: str | None = None) -> Sequence[Entry]:
        """Return the entries of this run in their order."""

    def applied(self, guest: str, attributes: Attributes, removed: Iterable[str] = ()) -> None:
        """Store attributes that ATLAS has now set (merged into those of the guest), and those it has removed."""

    def made(self, guest: str, *, uuid: str, node: str) -> None:
        """Record in the guest's lease that it was made by us, with its identity."""

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

        Guests that fail do not keep others from being finished.

        Raises:
            StalePlan: The cluster has changed since the plan was made; nothing was written.
            PartlyDone: Some guests failed; each has had a `guest.stage` event `failed` with its reason.
            AtlasError: It could not go on at all.
        """


@dataclass(frozen=True, slots=True)
class Target:
    """A guest as ssh and the checks see it; `alias` is the host key's alias (by VMID)."""

    key: str
    address: str
    user: str
    alias: str
    kind: str = "vm"


@dataclass(frozen=True, slots=True)
class HostResult:
    """What became of one guest in a play; `failed` holds the failing task and its message."""

    key: str
    ok: int
    changed: int
    failed: str | None = None


class Configurator(Protocol):
    """Ansible, detached."""

    def versions(self) -> Mapping[str, str]:
        """Return Ansible's version; part of the plan's hash."""

    def configure(
        self, bundle: Path, keys: Sequence[str], run: Path, emit: Emitter, addresses: Mapping[str, str] | None = None
    ) -> Mapping[str, HostResult]:
        """Run the bundle's playbook on some guests; attach if this `run` folder has one that lives or has ended.

        `addresses` are those of guests by key that only the running guest knows (DHCP).
        """


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check and what proved it."""

    check: str
    ok: bool
    evidence: str


class Reach(Protocol):
    """The way to the guests: direct, by a jump, or none."""

    how: str

    def wait(self, target: Target, known_hosts: Path, seconds: float) -> None:
        """Wait until ssh lets us in, that long at most. Raises AnsibleError when it never does."""

    def check(self, target: Target, known_hosts: Path, check: Check) -> CheckResult:
        """Carry out one check of the spec on a guest."""

    def forget(self, target: Target, known_hosts: Path) -> None:
        """Forget a guest's host key, because ATLAS itself has ordered that the guest makes a new one."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a session; `source` is `user`, an agent's name, or `atlas`."""

    id: int
    source: str
    text: str
    ts: float
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Session:
    """What is stored of a session besides its messages.

    Args:
        origin: `chat`, or the path of the spec file.
        draft: The spec draft as plain data, with what is still asked.
        plan: The hash of its current plan.
        run: The id of its current run.
    """

    id: str
    origin: str
    phase: Phase
    cluster: str | None
    stack: str | None
    draft: Mapping[str, Any]
    plan: str | None
    run: str | None
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class Approval:
    """Who decided what on exactly which plan."""

    hash: str
    by: str
    granted: bool
    ts: float


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan; `stage` is where it goes on, `result` is None until it has ended."""

    id: str
    session: str | None
    stack: str
    cluster: str
    plan: str
    stage: str
    result: str | None
    reason: str
    started: float


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """A template that ATLAS makes or made, and what a probe proved of it.

    Args:
        marker: Stands in its notes beside the stamp, from before it was made.
        uuid: Its recorded identity; None until it was made.
        source: Where its image came from.
        file: What the image is called on the library while it is imported.
        checksum: Of the image, `sha512:…`.
        by: Who approved its making.
        proof: `{agent, cloud_init, evidence, ts}`; None until it was probed.
    """

    cluster: str
    image: str
    vmid: int
    node: str
    storage: str
    library: str
    marker: str
    source: str
    file: str
    checksum: str
    by: str
    ts: float
    uuid: str | None = None
    proof: Mapping[str, Any] | None = None


class Templates(Protocol):
    """Making templates from cloud images; every call may be made again."""

    def settle(self, record: TemplateRecord, emit: Emitter) -> bool:
        """Wait for tasks of ours that may still make this template; return whether there were any."""

    def fetch(self, order: Order, emit: Emitter) -> None:
        """Have the image on the order's library, its checksum verified by the node."""

    def create(self, order: Order, notes: str, emit: Emitter) -> bool:
        """Make the VM with the image as its disk; False where somebody has the VMID."""

    def convert(self, node: str, vmid: int, emit: Emitter) -> None:
        """Make the VM a template."""

    def discard(self, node: str, volid: str, emit: Emitter) -> str | None:
        """Delete an image that was imported; return why it could not be, or None."""

    def host_name(self, vmid: int) -> str | None:
        """Return what a running guest calls itself, None while its agent does not say."""


class Store(Protocol):
    """Everything that survives. Every write is durable when the call returns."""

    def installation(self) -> str:
        """Return the id of this installation, made at the first call."""

    # sessions
    def new_session(self, origin: str, cluster: str | None) -> Session:
        """Store a new session in phase collecting."""

    def session(self, id_: str) -> Session:
        """Return a session; `id_` may be an unambiguous prefix. Raises NotFound, SessionCorrupt."""

    def sessions(self) -> Sequence[Session]:
        """Return all sessions, the latest first."""

    def update_session(self, id_: str, **fields: Any) -> Session:
        """Change fields of a session; a phase is only changed as the phase table allows."""

    def say(self, session: str, source: str, text: str, data: Mapping[str, Any] | None = None) -> Message:
        """Store a message."""

    def messages(self, session: str, last: int | None = None) -> Sequence[Message]:
        """Return a session's messages in their order, or only the last ones."""

    def hold(self, kind: str, name: str) -> AbstractContextManager[None]:
        """Hold a session or a stack against other processes. Raises Held, naming the holder's pid."""

    # plans, approvals, runs
    def save_plan(self, plan: Plan) -> None:
        """Store a plan under its hash."""

    def plan(self, hash_: str) -> Plan:
        """Return a plan. Raises NotFound."""

    def approve(self, hash_: str, by: str, *, granted: bool) -> Approval:
        """Record a decision."""

    def approval(self, hash_: str) -> Approval | None:
        """Return the latest decision on exactly this plan."""

    def new_run(self, plan: Plan, session: str | None) -> Run:
        """Store a run at stage `approved`; the same plan approved once is run once: an open run of it is returned."""

    def run(self, id_: str) -> Run:
        """Return a run. Raises NotFound."""

    def runs(self, stack: str | None = None) -> Sequence[Run]:
        """Return runs, the latest first."""

    def update_run(self, id_: str, *, stage: str | None = None, result: str | None = None, reason: str = "") -> Run:
        """Store how far a run is, or how it ended."""

    def journal(self, run: Run) -> Journal:
        """Return the journal of a run."""

    # stacks
    def stacks(self, cluster: str | None = None) -> Sequence[Mapping[str, Any]]:
        """Return `{stack, cluster, engine, spec, guests}` of every stack that was planned or applied."""

    def stack_engine(self, cluster: str, stack: str) -> str | None:
        """Return the engine that first applied the stack."""

    def leases(self, cluster: str, stack: str | None = None) -> Sequence[Lease]:
        """Return leases of a cluster, or of one stack."""

    def take_leases(
        self, cluster: str, stack: str, choose: Callable[[Sequence[Lease]], Sequence[Lease]]
    ) -> Sequence[Lease]:
        """Let `choose` decide, seeing all leases of the cluster, and store its answer, in one immediate transaction.

        Returns the stack's leases. Leases of guests that were never made and are not in the answer are released.
        """

    def applied(self, cluster: str, stack: str) -> Mapping[str, Attributes]:
        """Return what ATLAS last set, by guest."""

    def templates(self, cluster: str) -> Sequence[TemplateRecord]:
        """Return the templates of a cluster that ATLAS makes or made, by image."""

    def save_template(self, record: TemplateRecord) -> None:
        """Store a template, in place of what was stored of its image on its cluster."""

    def forget_template(self, cluster: str, image: str) -> None:
        """Forget a template that is not there."""

    def rename(self, cluster: str, stack: str, renames: Mapping[str, tuple[str, int]]) -> None:
        """Give leases and applied attributes of former keys their new (group, index)."""
