"""The AutoGen agents: each is a thin turn around one step, the orchestrator one around the phase table."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, TextMessage
from autogen_core import CancellationToken

from atlas.errors import AtlasError
from atlas.phases import TABLE, Phase
from atlas.steps.contract import Step, StepResult, failed

ORCHESTRATOR: Final = "orchestrator"
AGENTS: Final = {
    ORCHESTRATOR: "Reads the phase table and says who is next, and why.",
    "collector": "Turns what the person says into the draft of a spec, and asks what only the person knows.",
    "validator": "Checks the spec against the cluster.",
    "generator": "Writes the bundle and makes the plan.",
    "executor": "Carries out a plan that a person approved.",
    "verifier": "Checks what was made.",
}


class Turn(BaseChatAgent):
    """An agent whose every turn is one call of its step; what failed is kept for the caller to raise.

    Args:
        name: The agent's name.
        session: The session's id.
        step: What it does.
        phase: The session's phase, in which it stays where the step fails.
    """

    def __init__(self, name: str, session: str, step: Step, phase: Phase) -> None:
        super().__init__(name, AGENTS[name])
        self._session, self._step, self._phase = session, step, phase
        self.failure: AtlasError | None = None

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """Return the one type of message that it makes."""
        return (TextMessage,)

    async def on_messages(
        self,
        messages: Sequence[BaseChatMessage],  # noqa: ARG002  the signature is AutoGen's
        cancellation_token: CancellationToken,  # noqa: ARG002  the signature is AutoGen's
    ) -> Response:
        """Call the step and say what came of it."""
        # On the loop's own thread: nothing else runs there, and an interrupt reaches the step itself.
        try:
            result = self._step(self._session)
        except AtlasError as failure:
            self.failure = failure
            result = failed(failure, self._phase)
        return Response(chat_message=message(self.name, result.text, {**result.data, "phase": result.phase.value}))

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        """Yield the one response."""
        yield await self.on_messages(messages, cancellation_token)

    async def on_reset(self, cancellation_token: CancellationToken) -> None:  # noqa: ARG002  AutoGen's signature
        """Forget the failure; there is no other state."""
        self.failure = None


def orchestrate(phase: Phase) -> StepResult:
    """Return the orchestrator's word: who is next in a phase, and why."""
    row = TABLE[phase]
    if row.agent is None:
        return StepResult(f"Nobody is next: {row.reason}.", phase, {"next": None})
    return StepResult(f"Next is the {row.agent}: {row.reason}.", phase, {"next": row.agent})


def message(source: str, text: str, data: dict[str, Any]) -> TextMessage:
    """Make an AutoGen message that carries plain data beside its text."""
    return TextMessage(source=source, content=text, metadata={"data": json.dumps(data)})


def data_of(said: BaseAgentEvent | BaseChatMessage) -> dict[str, Any]:
    """Return the plain data that a message carries."""
    data: dict[str, Any] = json.loads(said.metadata.get("data", "{}"))
    return data
