"""The phases of a session as one table; who acts in each, and where each may lead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a session is."""

    COLLECTING = "collecting"
    VALIDATING = "validating"
    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    APPLYING = "applying"
    VERIFYING = "verifying"
    REPAIRING = "repairing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Row:
    """One phase: the agent that acts (none: a person, or nobody), why, and the phases it may lead to."""

    agent: str | None
    reason: str
    to: tuple[Phase, ...]


P = Phase
TABLE: dict[Phase, Row] = {
    P.COLLECTING: Row("collector", "the spec is not complete", (P.COLLECTING, P.VALIDATING, P.CANCELLED, P.FAILED)),
    P.VALIDATING: Row("validator", "the draft is complete and unchecked", (P.PLANNING, P.COLLECTING, P.FAILED)),
    P.PLANNING: Row(
        "generator", "the spec is valid and has no plan", (P.AWAITING_APPROVAL, P.COLLECTING, P.DONE, P.FAILED)
    ),
    P.AWAITING_APPROVAL: Row(
        None, "a person decides on the plan", (P.APPLYING, P.COLLECTING, P.PLANNING, P.CANCELLED, P.AWAITING_APPROVAL)
    ),
    P.APPLYING: Row(
        "executor", "the plan is approved", (P.VERIFYING, P.AWAITING_APPROVAL, P.PLANNING, P.DONE, P.FAILED)
    ),
    P.VERIFYING: Row("verifier", "the plan is applied", (P.DONE, P.REPAIRING, P.FAILED)),
    P.REPAIRING: Row("generator", "a check failed and a repair is proposed", (P.AWAITING_APPROVAL, P.DONE, P.FAILED)),
    P.DONE: Row(None, "nothing is left to do", (P.COLLECTING, P.PLANNING, P.APPLYING, P.VERIFYING)),
    P.FAILED: Row(None, "the work failed; what to do is in the last message", (P.COLLECTING, P.PLANNING, P.APPLYING)),
    P.CANCELLED: Row(None, "the person stopped it", (P.COLLECTING,)),
}

WAITING = frozenset(phase for phase, row in TABLE.items() if row.agent is None)
"""Phases in which no agent may be run."""


def allowed(before: Phase, after: Phase) -> bool:
    """Tell whether a session may go from one phase to another."""
    return after in TABLE[before].to


def diagram() -> str:
    """Return the table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.COLLECTING}"]
    lines += [f"    {phase} --> {after}" for phase, row in TABLE.items() for after in row.to if after is not phase]
    return "\n".join(lines) + "\n"
