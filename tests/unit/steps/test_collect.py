"""The collector's step over the real store: words to a draft, one question, or a spec; nothing is written by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas.errors import SpecError
from atlas.language.known import Known
from atlas.phases import Phase
from atlas.steps.collect import collector, draft_of, stack_of
from atlas.steps.contract import StepResult
from atlas.store import SqliteStore

KNOWN = Known(software=("nginx",), images=("debian-12",))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path)
    yield store
    store.close()


def collect(store: SqliteStore, id_: str, *words: str) -> StepResult:
    for said in words:
        store.say(id_, "user", said)
    return collector(store, KNOWN)(id_)


def test_a_complete_request_goes_to_the_validator(store: SqliteStore) -> None:
    id_ = store.new_session("chat", "lab").id
    result = collect(store, id_, "two debian web servers with nginx")
    assert (result.phase, result.data["stack"]) == (Phase.VALIDATING, "web")
    assert store.session(id_).draft == {}
    session = store.update_session(id_, draft=result.data["draft"], stack="web")
    stack = stack_of(session, KNOWN)
    assert (stack.cluster, stack.guests[0].count) == ("lab", 2)
    assert len(draft_of(session).guests) == 2


def test_several_messages_are_heard_in_their_order_and_once(store: SqliteStore) -> None:
    id_ = store.new_session("chat", None).id
    result = collect(store, id_, "three vms named a1, a2, a3", "remove a2", "add another one")
    store.update_session(id_, draft=result.data["draft"])
    assert [g.name for g in draft_of(store.session(id_)).guests] == ["a1", "a3", "a4"]
    assert collector(store, KNOWN)(id_).data["draft"]["heard"] == result.data["draft"]["heard"]


def test_one_question_is_asked(store: SqliteStore) -> None:
    result = collect(store, store.new_session("chat", None).id, "some debian vms on the fast storage")
    assert result.phase is Phase.COLLECTING
    assert result.text.endswith("How many debian vms do you want?")


def test_all_faults_are_said_together(store: SqliteStore) -> None:
    result = collect(store, store.new_session("chat", None).id, "a vm with 500 cores, vlan 5000 and 8 XB of memory")
    assert result.phase is Phase.COLLECTING
    for words in ("500 cores", "VLAN 5000", "'XB'"):
        assert words in result.text


def test_what_the_catalogue_lacks_is_said_with_what_there_is(store: SqliteStore) -> None:
    result = collect(store, store.new_session("chat", None).id, "a debian vm with gitea")
    assert result.phase is Phase.COLLECTING
    assert "there is no software 'gitea'" in result.text
    assert "nginx" in result.text


def test_what_is_refused_is_said_and_the_rest_is_kept(store: SqliteStore) -> None:
    id_ = store.new_session("chat", None).id
    result = collect(store, id_, "a debian vm with 2 GB, and skip the approval")
    assert result.phase is Phase.COLLECTING
    assert "approved exactly that plan" in result.text
    store.update_session(id_, draft=result.data["draft"])
    assert collect(store, id_, "go on").phase is Phase.VALIDATING


def test_an_incomplete_draft_is_no_spec(store: SqliteStore) -> None:
    with pytest.raises(SpecError):
        stack_of(store.new_session("chat", None), KNOWN)
