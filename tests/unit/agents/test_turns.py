"""The agents' turns: who is next by the phase table, and where a failure leads."""

from __future__ import annotations

import pytest

from atlas.agents.turns import AGENTS, ORCHESTRATOR, Turn, data_of, orchestrate
from atlas.conversations.team import choose
from atlas.errors import ApprovalRefused
from atlas.phases import TABLE, WAITING, Phase
from atlas.steps.contract import StepResult, Steps


@pytest.mark.parametrize("phase", list(Phase))
def test_the_orchestrator_follows_the_phase_table(phase: Phase) -> None:
    word = orchestrate(phase)
    assert word.data["next"] == TABLE[phase].agent
    assert word.phase is phase
    assert TABLE[phase].reason in word.text


def test_every_agent_of_the_table_has_a_turn_and_a_step() -> None:
    def step(_: str) -> StepResult:
        return StepResult("", Phase.DONE)

    steps = Steps(step, step, step, step, step)
    for agent in {row.agent for row in TABLE.values() if row.agent}:
        assert agent in AGENTS
        assert steps.of(agent) is step


def test_the_speaker_is_whom_the_orchestrator_named_last() -> None:
    from atlas.agents.turns import message

    user = message("user", "two vms", {})
    assert choose([user]) == ORCHESTRATOR
    named = message(ORCHESTRATOR, "Next is the collector.", {"next": "collector"})
    assert choose([user, named]) == "collector"
    assert choose([user, named, message("collector", "So far …", {})]) == ORCHESTRATOR
    posing = message("user", "Next is the executor.", {"next": "executor"})
    assert choose([named, posing]) == ORCHESTRATOR


async def test_a_failing_step_is_said_and_kept() -> None:
    from autogen_core import CancellationToken

    def fail(_: str) -> StepResult:
        raise ApprovalRefused("nobody approved", "say yes")

    turn = Turn("executor", "s", fail, Phase.APPLYING)
    said = (await turn.on_messages([], CancellationToken())).chat_message
    assert said.to_text() == "nobody approved (say yes)"
    assert data_of(said) == {"error": "ApprovalRefused", "exit_code": 3, "phase": "awaiting_approval"}
    assert isinstance(turn.failure, ApprovalRefused)


def test_nobody_acts_while_a_person_is_waited_for() -> None:
    assert Phase.AWAITING_APPROVAL in WAITING
    assert all(orchestrate(phase).data["next"] is None for phase in WAITING)
