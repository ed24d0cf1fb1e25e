"""What every step returns, and the steps of a session as they are handed to the agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from atlas.errors import ApprovalRefused, AtlasError, SpecError, StalePlan
from atlas.phases import TABLE, Phase


@dataclass(frozen=True, slots=True)
class StepResult:
    """The outcome of one step.

    Args:
        text: What the agent says.
        phase: Where the session goes; its own phase where it has to wait for the person.
        data: Plain data for the log. `draft`, `plan` (its hash), `run` (its id), `stack` and `cluster` become
            fields of the session together with the phase.
    """

    text: str
    phase: Phase
    data: Mapping[str, Any] = field(default_factory=dict)


Step = Callable[[str], StepResult]
"""A step takes a session's id. It reads the store and may write plans and runs, but never the session's own fields:
those change when its result is in the log. Called again after a crash, it does its work again or goes on with it."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The work of each agent."""

    collect: Step
    validate: Step
    generate: Step
    execute: Step
    verify: Step

    def of(self, agent: str) -> Step:
        """Return the step of an agent by its name."""
        steps = {
            "collector": self.collect,
            "validator": self.validate,
            "generator": self.generate,
            "executor": self.execute,
            "verifier": self.verify,
        }
        return steps[agent]


def failed(failure: AtlasError, phase: Phase) -> StepResult:
    """Return the result of a step that failed in a phase; where the session stays, the step can be done again.

    A refusal leads back to the person, a stale plan to a new one, faults of the spec to the person's words.
    """
    to = next((after for kind, after in _AFTER.items() if isinstance(failure, kind)), phase)
    found = failure.diagnostics if isinstance(failure, SpecError) else ()
    lines = [f"{failure.message}{f' ({failure.hint})' if failure.hint else ''}"]
    lines += [f"- {d.summary}{f': {d.detail}' if d.detail else ''}{f' ({d.hint})' if d.hint else ''}" for d in found]
    data = {"error": type(failure).__name__, "exit_code": int(failure.exit_code)}
    return StepResult("\n".join(lines), to if to in TABLE[phase].to else phase, data)


_AFTER = {ApprovalRefused: Phase.AWAITING_APPROVAL, StalePlan: Phase.PLANNING, SpecError: Phase.COLLECTING}
