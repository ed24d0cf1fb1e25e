"""What every step returns, and the steps of a session as they are handed to the agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from atlas.phases import Phase


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
