"""Ownership: a VMID that was only reserved is given up to who took it, but never a guest of ours, half made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from atlas.ownership import stolen
from atlas.state import Lease, Observed, Stamp, State

LEASE = Lease("s", "a", 0, "vm", 100, "n1", "9000", "n1")
THEIRS = Observed(100, "vm", "theirs", "n1", config={"description": "a box"})
OURS = replace(THEIRS, config={"description": str(Stamp("here", "s", 100))})


@pytest.mark.parametrize(
    ("seen", "options", "expected"),
    [
        (None, {}, set()),
        (None, {"hidden": True}, {100}),
        (None, {"hidden": True, "begun": {100}}, set()),  # a clone of ours under way, which pool rights do not show
        (THEIRS, {}, {100}),
        (THEIRS, {"begun": {100}}, {100}),
        (replace(THEIRS, lock="clone", config={"description": " qmclone temporary file"}), {}, set()),
        (replace(THEIRS, lock="backup"), {}, {100}),
        (OURS, {}, set()),
        (replace(OURS, config={"description": str(Stamp("elsewhere", "s", 100))}), {}, {100}),
        (THEIRS, {"made": True}, set()),  # it was ours once: nothing is decided without a person
    ],
)
def test_a_reserved_vmid_is_stolen_only_where_nothing_of_ours_can_be_there(
    seen: Observed | None, options: dict[str, Any], expected: set[int]
) -> None:
    lease = replace(LEASE, made=True, uuid="u") if options.get("made") else LEASE
    state = State("c", "9", {}, (), {100: seen} if seen else {})
    found = stolen([lease], state, "here", lambda _: not options.get("hidden"), options.get("begun", set()))
    assert found == expected


@pytest.mark.parametrize("number", ["", "x", "\u00b2", "\u0663\u0663\u0663", "9" * 5000, "-100", "99"])
def test_notes_that_only_look_like_a_stamp_are_none(number: str) -> None:
    assert Stamp.read(f"notes\natlas:here:s:{number}") is None


def test_the_stamp_is_found_among_notes() -> None:
    assert Stamp.read("a box\r\n atlas:here:s:100 \nof mine") == Stamp("here", "s", 100)
