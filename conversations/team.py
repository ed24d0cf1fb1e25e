"""One turn of the AutoGen group chat: a fresh team, the last messages in, one message out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from atlas.errors import AtlasError, ConversationError
from atlas.phases import TABLE, Phase
from atlas.ports.store import Message
from atlas.steps.contract import Steps, failed

if TYPE_CHECKING:
    from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage

LAST = 20
"""How many messages a team is given: enough for an agent to see what was said, and flat in time."""

Said = tuple[str, str, dict[str, Any], AtlasError | None]
"""Who spoke, what was said, the data with it, and what failed."""

Take = Callable[[Steps, str, Phase, Sequence[Message]], Said]
"""Takes one turn."""


def choose(messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> str:
    """Return who speaks: whom the orchestrator named if it spoke last, else the orchestrator."""
    from atlas.agents.turns import ORCHESTRATOR, data_of

    last = messages[-1]
    named = data_of(last).get("next") if last.source == ORCHESTRATOR else None
    return str(named) if named else ORCHESTRATOR


def turn(steps: Steps, session: str, phase: Phase, log: Sequence[Message]) -> Said:
    """Let the team take one turn.

    Args:
        steps: What each agent does.
        session: The session's id.
        phase: Its phase, one in which an agent acts.
        log: The last messages of the session; at least one.

    Raises:
        ConversationError: AutoGen itself failed; the session is as it was.
    """
    # A loop without a handler of its own for interrupts: Ctrl-C is raised inside the step, as without a team.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_turn(steps, session, phase, log))
    finally:
        _close(loop)


def alone(steps: Steps, session: str, phase: Phase, log: Sequence[Message]) -> Said:
    """Take a turn without a team: the agent of the phase does its step. For spec files, which nobody talks about."""
    del log
    agent = str(TABLE[phase].agent)
    failure: AtlasError | None = None
    try:
        result = steps.of(agent)(session)
    except AtlasError as problem:
        failure, result = problem, failed(problem, phase)
    return agent, result.text, {**result.data, "phase": result.phase.value}, failure


async def _turn(steps: Steps, session: str, phase: Phase, log: Sequence[Message]) -> Said:
    from autogen_agentchat.base import TaskResult
    from autogen_agentchat.messages import BaseChatMessage
    from autogen_agentchat.teams import SelectorGroupChat

    from atlas.agents.silent import SilentClient
    from atlas.agents.turns import AGENTS, ORCHESTRATOR, Turn, data_of, message, orchestrate

    for name in ("autogen_core", "autogen_agentchat"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is raised; below are payloads and tracebacks
    agents = [
        Turn(name, session, (lambda _: orchestrate(phase)) if name == ORCHESTRATOR else steps.of(name), phase)
        for name in AGENTS
    ]
    team = SelectorGroupChat(
        list(agents), SilentClient(), selector_func=choose, max_turns=1, allow_repeated_speaker=True
    )
    task = [message(m.source, m.text, {"next": m.data.get("next")}) for m in log]
    said: list[BaseChatMessage] = []
    try:
        async for item in team.run_stream(task=task, output_task_messages=False):
            if isinstance(item, BaseChatMessage):
                said.append(item)
            elif isinstance(item, TaskResult):
                break
    except Exception as problem:  # AutoGen wraps whatever an agent raises into a RuntimeError of its own
        raise ConversationError(f"the group chat failed: {problem}", "`atlas resume` goes on from the log") from problem
    if len(said) != 1:
        raise ConversationError(f"the group chat said {len(said)} things in one turn", "`atlas resume` goes on")
    failure = next((agent.failure for agent in agents if agent.failure is not None), None)
    return said[0].source, said[0].to_text(), data_of(said[0]), failure


def _close(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
