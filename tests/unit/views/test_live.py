"""The live table: a row for each guest of the plan from the start on, and names that can be told apart when narrow."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from atlas.events import Emitter, EventType
from atlas.views.live import GuestTable

KEYS = [f"a-rather-long-name-for-a-worker-{i}" for i in range(1, 4)]


def shown(width: int) -> str:
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    table = GuestTable(console)
    emit = Emitter((table.take,))
    emit(EventType.PLAN_READY, changes=[{"key": key} for key in KEYS])
    emit(EventType.RUN_STARTED)
    emit(EventType.GUEST_STAGE, KEYS[0], stage="creating", waits_for="other clones of the template on this node")
    emit(EventType.TASK, KEYS[1], kind="qmclone", percent=25)
    table.stop()
    paper = Console(file=StringIO(), width=width, color_system=None)
    with paper.capture() as capture:
        paper.print(table.render())
    return capture.get()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_every_guest_has_one_line_that_tells_it_from_the_others(width: int) -> None:
    lines = shown(width).splitlines()
    assert len(lines) == 1 + len(KEYS)
    assert all(len(line) <= width for line in lines)
    for key in KEYS:
        assert sum(f"{key} " in line for line in lines) == 1, lines


def test_what_has_not_begun_waits() -> None:
    lines = shown(120).splitlines()
    assert "creating" in lines[1]
    assert "other clones of the template on this node" in lines[1]
    assert "25 %" in lines[2]
    assert "waiting" in lines[3]
