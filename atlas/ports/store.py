"""Everything that survives: sessions, plans, approvals, runs, stacks and templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from atlas.phases import Phase
from atlas.plan import Plan
from atlas.ports.cluster import Journal
from atlas.ports.templates import TemplateRecord
from atlas.state import Attributes, Lease


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

    def plans(self, cluster: str, stack: str) -> Sequence[Plan]:
        """Return all plans that were made of a stack."""

    def approve(self, hash_: str, by: str, *, granted: bool) -> Approval:
        """Record a decision."""

    def approval(self, hash_: str) -> Approval | None:
        """Return the latest decision on exactly this plan."""

    def new_run(self, plan: Plan, session: str | None) -> Run:
        """Store a run at stage `approved`; the same plan approved once is run once: an open run of it is returned.

        Unless another run worked on the stack since: then the open one is ended, and a new one stored.
        """

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

    def release(self, cluster: str, stack: str) -> None:
        """Release the leases of guests that were never made; a stack that is left without any is forgotten."""

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
