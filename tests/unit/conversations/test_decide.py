"""What words do in each phase: none of it is an approval but the clear yes to the plan that was shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from atlas.conversations.decide import decide, wants
from atlas.language.draft import Draft
from atlas.language.known import Known
from atlas.language.understand import understand
from atlas.phases import TABLE, Phase
from atlas.ports.store import Message, Session

PLAN = "a" * 64
KNOWN = Known()
DRAFT = understand("two web vms with 2 GB", Draft(), KNOWN).model_dump(mode="json")


def session(phase: Phase, plan: str | None = PLAN) -> Session:
    return Session("chat-ab12", "chat", phase, None, "web", {"draft": DRAFT}, plan, None, 0.0, 0.0)


def said(text: str, shown: str | None = PLAN) -> Message:
    return Message(7, "user", text, 0.0, {"shown": shown, "by": "ada"})


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("words", ["yes", "no", "cancel", "help", "status", "again", "make it 8 GB", "blorp", "?"])
def test_every_answer_is_a_step_that_the_phase_table_allows(phase: Phase, words: str) -> None:
    now = session(phase)
    if not wants(now, said(words)):
        assert TABLE[phase].agent is not None
        return
    reply = decide(now, said(words), KNOWN)
    assert reply.text
    assert reply.phase is phase or reply.phase in TABLE[phase].to
    if reply.granted or reply.phase is Phase.APPLYING:
        assert (phase, words, reply.granted) == (Phase.AWAITING_APPROVAL, "yes", True)


@pytest.mark.parametrize("shown", [None, "b" * 64, ""])
def test_a_yes_to_another_plan_approves_nothing(shown: str | None) -> None:
    reply = decide(session(Phase.AWAITING_APPROVAL), said("yes", shown), KNOWN)
    assert (reply.granted, reply.phase) == (None, Phase.AWAITING_APPROVAL)


def test_without_a_plan_there_is_nothing_to_approve() -> None:
    reply = decide(session(Phase.AWAITING_APPROVAL, plan=None), said("yes", None), KNOWN)
    assert reply.granted is None


def test_an_edit_goes_to_the_collector_unheard() -> None:
    for phase in (Phase.AWAITING_APPROVAL, Phase.DONE, Phase.FAILED, Phase.CANCELLED):
        reply = decide(session(phase), said("make it 8 GB"), KNOWN)
        assert (reply.phase, reply.heard) == (Phase.COLLECTING, False)


def test_what_means_nothing_leaves_everything_as_it_is() -> None:
    for phase in (Phase.AWAITING_APPROVAL, Phase.DONE):
        reply = decide(session(phase), said("blorp"), KNOWN)
        assert (reply.phase, reply.heard) == (phase, True)


def test_a_failed_session_is_planned_again_where_it_has_a_draft() -> None:
    assert decide(session(Phase.FAILED), said("try again"), KNOWN).phase is Phase.PLANNING
    empty = replace(session(Phase.FAILED), draft={})
    assert decide(empty, said("try again"), KNOWN).phase is Phase.COLLECTING


def test_help_and_status_say_something_of_use() -> None:
    now = session(Phase.AWAITING_APPROVAL)
    assert "cancel" in decide(now, said("help"), KNOWN).text
    status = decide(now, said("status"), KNOWN).text
    assert now.id in status
    assert PLAN[:12] in status
