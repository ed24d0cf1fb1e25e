"""A conversation over the real language and store; the steps that touch a cluster record what they were asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atlas.conversations.session import Conversation, start
from atlas.errors import ApprovalRefused
from atlas.events import Emitter, Event
from atlas.language.known import Known
from atlas.phases import Phase
from atlas.plan import Plan
from atlas.ports.store import Store
from atlas.steps.collect import collector, stack_of
from atlas.steps.contract import StepResult, Steps
from atlas.store import SqliteStore

KNOWN = Known(software=("nginx", "postgresql", "redis", "docker"), images=("debian-12", "ubuntu-24.04"))


def recording_steps(store: Store, record: Path) -> Steps:
    """Return steps whose executor refuses without an approval and writes down which plan it carried out."""

    def generate(session: str) -> StepResult:
        stack = stack_of(store.session(session), KNOWN)
        spec: dict[str, Any] = stack.model_dump(mode="json", exclude_unset=True)
        plan = Plan(stack.metadata.name, "lab", "id", "api", (), (), {}, {}, False, spec)
        store.save_plan(plan)
        return StepResult("Here is the plan. Approve it? (yes/no)", Phase.AWAITING_APPROVAL, {"plan": plan.hash})

    def execute(session: str) -> StepResult:
        plan = store.session(session).plan or ""
        approval = store.approval(plan)
        if approval is None or not approval.granted:
            raise ApprovalRefused("nobody approved this plan")
        with record.open("a") as out:
            out.write(json.dumps(plan) + "\n")
        return StepResult("applied", Phase.VERIFYING)

    return Steps(
        collect=collector(store, KNOWN),
        validate=lambda _: StepResult("valid", Phase.PLANNING),
        generate=generate,
        execute=execute,
        verify=lambda _: StepResult("verified", Phase.DONE),
    )


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "home")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "executed"


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def steps_of() -> Callable[[Store, Path], Steps]:
    return recording_steps


@pytest.fixture
def known() -> Known:
    return KNOWN


@pytest.fixture
def conversation(store: SqliteStore, record: Path, events: list[Event]) -> Conversation:
    return start(store, recording_steps(store, record), Emitter((events.append,)), by="ada", known=KNOWN)
