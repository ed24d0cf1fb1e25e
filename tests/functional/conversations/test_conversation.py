"""A whole conversation: words to a plan, an approval, a run; nothing is carried out that nobody approved."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from atlas.conversations.session import LONGEST, Conversation
from atlas.errors import ApprovalRefused, Held, StalePlan, UsageError
from atlas.events import Event, EventType
from atlas.phases import Phase
from atlas.steps.contract import StepResult
from atlas.store import SqliteStore

WORDS = "two debian web servers with nginx, 2 cores, 4 GB, and a postgres box with 8 GB on 10.42.0.20"


def test_words_become_an_approved_run(
    conversation: Conversation, store: SqliteStore, record: Path, events: list[Event]
) -> None:
    session = conversation.say(WORDS)
    assert session.phase is Phase.AWAITING_APPROVAL
    assert session.plan is not None
    guests = store.plan(session.plan).spec["guests"]
    assert guests == [
        {"name": "web", "count": 2, "image": "debian-12", "cpu": {"cores": 2}, "memory": "4GiB", "software": ["nginx"]},
        {"name": "postgres", "memory": "8GiB", "networks": [{"address": "10.42.0.20/24"}], "software": ["postgresql"]},
    ]
    assert not record.exists()
    assert conversation.say("yes").phase is Phase.DONE
    assert session.plan in record.read_text()
    decision = store.approval(session.plan)
    assert decision is not None
    assert (decision.by, decision.granted) == ("ada", True)
    assert [m.source for m in store.messages(session.id)] == [
        *("user", "orchestrator", "collector", "orchestrator", "validator", "orchestrator", "generator"),
        *("user", "atlas", "orchestrator", "executor", "orchestrator", "verifier"),
    ]
    shown = [e.data["text"] for e in events if e.type is EventType.MESSAGE]
    assert shown == [m.text for m in store.messages(session.id)]


def test_other_words_make_another_outcome(conversation: Conversation, store: SqliteStore) -> None:
    session = conversation.say("three ubuntu cache boxes with redis, 1 core, 512 MB")
    assert store.plan(session.plan or "").spec["guests"] == [
        {
            "name": "cache",
            "count": 3,
            "image": "ubuntu-24.04",
            "cpu": {"cores": 1},
            "memory": "512MiB",
            "software": ["redis"],
        }
    ]


@pytest.mark.parametrize("words", ["yes, but make it 16 GB", "ok", "why?", "yes if it is cheap", "not yes", "y?es"])
def test_only_a_clear_yes_approves(conversation: Conversation, store: SqliteStore, record: Path, words: str) -> None:
    before = conversation.say(WORDS)
    after = conversation.say(words)
    assert after.phase in {Phase.AWAITING_APPROVAL, Phase.COLLECTING}
    assert store.approval(before.plan or "") is None
    assert not record.exists()


def test_an_edit_sets_the_plan_aside(conversation: Conversation, store: SqliteStore) -> None:
    first = conversation.say(WORDS)
    second = conversation.say("make the postgres 16 GB")
    assert second.phase is Phase.AWAITING_APPROVAL
    assert second.plan != first.plan
    assert store.plan(second.plan or "").spec["guests"][1]["memory"] == "16GiB"
    conversation.say("yes")
    assert store.approval(first.plan or "") is None


def test_no_is_recorded_and_changes_nothing(conversation: Conversation, store: SqliteStore, record: Path) -> None:
    plan = conversation.say(WORDS).plan or ""
    assert conversation.say("no").phase is Phase.COLLECTING
    decision = store.approval(plan)
    assert decision is not None
    assert not decision.granted
    assert conversation.say("make the web servers 8 GB").phase is Phase.AWAITING_APPROVAL
    assert conversation.say("cancel").phase is Phase.CANCELLED
    assert conversation.say("yes").phase is Phase.CANCELLED
    assert not record.exists()


def test_a_yes_that_was_said_before_the_plan_was_shown_approves_nothing(
    conversation: Conversation, store: SqliteStore, record: Path
) -> None:
    conversation.say(WORDS)
    # Stored by a process that died before it acted, while another plan was shown.
    store.say(conversation.id, "user", "yes", {"shown": "0" * 64, "by": "ada"})
    assert conversation.resume().phase is Phase.AWAITING_APPROVAL
    assert not record.exists()


def test_it_asks_one_thing_at_a_time(conversation: Conversation, store: SqliteStore) -> None:
    session = conversation.say("some debian web servers on the fast storage")
    assert session.phase is Phase.COLLECTING
    asked = store.messages(session.id)[-1].text
    assert "How many" in asked
    assert "storage" not in asked.splitlines()[-1]
    assert "storage" in store.messages(conversation.say("3").id)[-1].text
    plan = store.plan(conversation.say("ceph-ssd").plan or "")
    assert plan.spec["guests"][0]["count"] == 3
    assert plan.spec["guests"][0]["disks"] == [{"storage": "ceph-ssd"}]


def test_the_executor_s_refusal_is_in_the_session(conversation: Conversation, store: SqliteStore, record: Path) -> None:
    session = conversation.say(WORDS)
    store.update_session(session.id, phase=Phase.APPLYING)  # as if control flow alone had led there
    with pytest.raises(ApprovalRefused) as refused:
        conversation.resume()
    assert refused.value.exit_code == 3
    assert conversation.session.phase is Phase.AWAITING_APPROVAL
    assert "nobody approved" in store.messages(session.id)[-1].text
    assert not record.exists()


def test_a_stale_plan_leads_to_a_new_one(conversation: Conversation, store: SqliteStore) -> None:
    conversation.say(WORDS)
    steps = conversation._steps

    def stale(session: str) -> StepResult:
        raise StalePlan("the cluster has changed")

    conversation._steps = replace(steps, execute=stale)
    with pytest.raises(StalePlan):
        conversation.say("yes")
    assert conversation.session.phase is Phase.PLANNING
    assert conversation.resume().phase is Phase.AWAITING_APPROVAL


def test_what_cannot_be_is_said_and_the_words_are_kept(conversation: Conversation, store: SqliteStore) -> None:
    session = conversation.say("vm calc, 500 cores, 8 GB")
    assert session.phase is Phase.COLLECTING
    assert "500 cores" in store.messages(session.id)[-1].text
    assert conversation.say("make it 4 cores").phase is Phase.AWAITING_APPROVAL


def test_nonsense_is_refused_before_it_is_stored(conversation: Conversation, store: SqliteStore) -> None:
    for words in ("", "  \n", "x" * (LONGEST + 1)):
        with pytest.raises(UsageError):
            conversation.say(words)
    assert store.messages(conversation.id) == []


def test_another_process_is_told_who_holds_the_session(conversation: Conversation, store: SqliteStore) -> None:
    with store.hold("session", conversation.id), pytest.raises(Held):
        conversation.say(WORDS)


def test_two_sessions_never_take_up_one_stack(conversation: Conversation, store: SqliteStore, record: Path) -> None:
    from atlas.conversations.session import start
    from atlas.events import Emitter

    first = conversation.say(WORDS)
    other = start(store, conversation._steps, Emitter(), by="ada", known=conversation._known).say(WORDS)
    assert first.stack == "web"
    assert (other.stack or "").startswith("web-")


def test_an_interrupt_inside_a_step_is_not_told_by_autogen(
    conversation: Conversation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])  # pytest's own would keep Python's last resort from writing

    def interrupted(_: str) -> StepResult:
        raise KeyboardInterrupt

    conversation._steps = replace(conversation._steps, generate=interrupted)
    with pytest.raises(KeyboardInterrupt):
        conversation.say("a debian server")
    assert capsys.readouterr().err == ""
