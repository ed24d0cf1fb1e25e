"""`atlas chat` with its input piped: other words, another outcome; approvals are never skipped."""

from __future__ import annotations

import time

import pytest
from fakes.program import Api, Program

WORDS = ("--cluster", "lab", "--engine", "api")


def said(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    ("count", "name", "memory", "cores"), [("two", "shop", 2, 1), ("three", "mail", 1, 2)], ids=["shop", "mail"]
)
def test_other_words_another_outcome(
    atlas: Program, lab_api: Api, count: str, name: str, memory: int, cores: int
) -> None:
    before = lab_api.world()
    number = {"two": 2, "three": 3}[count]
    first = f"{count} debian servers called {name} with {cores} cores and {memory} GB"
    done = atlas("chat", *WORDS, "--json", stdin=said(first, "yes", "quit")).ended(0)
    assert done.one("plan.ready")["create"] == number
    assert done.one("run.done")["result"] == "applied"
    rows = [r for v, r in lab_api.rows().items() if v not in before["guests"]]
    assert sorted(r["name"] for r in rows) == [f"{name}-{i + 1}" for i in range(number)]
    for row in rows:
        config = lab_api.config(row["name"])
        assert (str(config["memory"]), int(config["cores"])) == (str(memory * 1024), cores)
    agents = {m["source"] for m in done.all("message")}
    assert {"orchestrator", "collector", "validator", "generator", "executor", "verifier"} <= agents
    stack = atlas("stacks", "list", "--json").ended(0).one("result")["stacks"][0]["stack"]
    atlas("destroy", stack, "--yes").ended(0)
    assert lab_api.world() == before


def test_without_a_yes_nothing_is_changed(atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    done = atlas("chat", *WORDS, "--json", stdin=said("a debian server called depot with 1 core and 1 GB")).ended(3)
    assert done.all("plan.ready")
    assert not done.all("run.started")
    assert lab_api.world() == before
    refused = atlas("resume", "--json", stdin=said("no")).ended(0)
    assert not refused.all("run.started")
    assert lab_api.world() == before


def test_a_killed_chat_is_resumed_and_asks_again(atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    out, lines = atlas.folder / "out.jsonl", atlas.folder / "lines"
    lines.write_text("")
    with out.open("w") as stream:
        process = atlas.start("chat", "a", "debian", "server", "called", "depot", "with", "1", "core", "and", "1", "GB",
                              *WORDS, "--json", out=stream)  # fmt: skip
        deadline = time.monotonic() + 60
        while '"validator"' not in out.read_text():
            assert process.poll() is None, out.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)  # polls for the validator's turn, up to the deadline
        process.kill()
        process.wait()
    assert lab_api.world() == before
    done = atlas("resume", "--engine", "api", "--json", stdin=said("yes", "quit")).ended(0)
    assert done.one("run.done")["result"] == "applied"
    assert [r["name"] for v, r in lab_api.rows().items() if v not in before["guests"]] == ["depot"]
    stack = atlas("stacks", "list", "--json").ended(0).one("result")["stacks"][0]["stack"]
    atlas("destroy", stack, "--yes").ended(0)
    assert lab_api.world() == before


def test_a_question_that_a_pipe_does_not_answer_is_no_success(atlas: Program) -> None:
    assert "Such as" in atlas("chat", *WORDS, "--quiet", stdin=said("good morning")).ended(2).out
    atlas("chat", *WORDS, stdin=said("good morning", "cancel")).ended(0)


def test_quiet_talk_still_shows_what_has_to_be_decided(atlas: Program) -> None:
    done = atlas("chat", *WORDS, "--quiet", stdin=said("a debian server called depot")).ended(3)
    assert "+ create depot" in done.out
    assert "Next is" not in done.out


def test_what_a_terminal_would_obey_is_neither_shown_nor_stored(atlas: Program) -> None:
    done = atlas("chat", *WORDS, "a", "server", "\x1b[31mred\x07")
    session = atlas("sessions", "list", "--json").ended(0).one("result")["sessions"][0]["session"]
    for text in (done.text, atlas("sessions", "show", session).ended(0).text):
        assert not {"\x1b", "\x07"} & set(text)


def test_a_fault_is_told_once(atlas: Program) -> None:
    done = atlas("chat", *WORDS, stdin=said("a debian server with 31 MB")).ended(2)
    assert done.out.count("is too little memory") == 1
