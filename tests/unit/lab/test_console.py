"""Consoles: their end, what comes, another guest's log under the same number, and nothing that steers a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas.lab.backend import Machine
from atlas.lab.console import follow, log_file, plain, tail
from atlas.lab.machines import _forget_others
from atlas.lab.process import write_record


def test_the_end_of_a_console(tmp_path: Path) -> None:
    file = log_file(tmp_path, 101)
    assert tail(file) == ""
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x" * 300_000 + b"login: \xff")
    assert len(tail(file)) == 256 * 1024
    assert tail(file).endswith("login: \ufffd")


def test_what_comes_is_shown_until_the_lab_ends(tmp_path: Path) -> None:
    file = tmp_path / "console.log"
    texts = iter(["one ", "one two ", "new"])

    def goes_on() -> bool:
        text = next(texts, None)
        if text is not None:
            file.write_text(text)
        return text is not None

    assert list(follow(file, goes_on, pause=0)) == ["one ", "two ", "new"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\tc\n", "a\nb\tc\n"),
        ("\x1b[0;32m  OK  \x1b[0m\x1b[2J", "  OK  "),
        ("\x1b]0;title\x07ok \x1b]52;c;aGk=\x1b\\x", "ok x"),
        ("\x1bcreset\x9b31mé\x00\x7f", "reset31mé"),
    ],
)
def test_nothing_steers_the_terminal(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_another_guest_with_the_number_begins_a_console_of_its_own(tmp_path: Path) -> None:
    console, first = tmp_path / "console.log", Machine(101, "a", "uuid-1")
    console.write_text("words of the first")
    write_record(tmp_path / "machine.json", first)
    _forget_others(tmp_path, first)
    assert console.exists()
    _forget_others(tmp_path, Machine(101, "b", "uuid-2"))
    assert not console.exists()
