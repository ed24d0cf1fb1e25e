"""The live table of a run: a row for each guest with its stage, how long it has taken, and what it waits for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from atlas.events import Event, EventType, Stage

MOST = 40
"""Rows that are shown; of more guests, those that are under way come first."""

_STYLE = {Stage.DONE.value: "green", Stage.FAILED.value: "red", Stage.WAITING.value: "dim"}


@dataclass(slots=True)
class _Row:
    stage: str = Stage.WAITING.value
    waits_for: str = ""
    percent: str = ""
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None


class GuestTable:
    """Keeps the table on the terminal between the start and the end of a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: dict[str, _Row] = {}
        self._planned: list[str] = []
        self._live: Live | None = None

    def take(self, event: Event) -> None:
        """Follow one event."""
        if event.type is EventType.PLAN_READY:
            self._planned = [str(change["key"]) for change in event.data["changes"]]
        elif event.type is EventType.RUN_STARTED:
            self._rows = {key: _Row() for key in self._planned}
            self._live = Live(get_renderable=self.render, console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        elif event.type is EventType.RUN_DONE:
            self.stop()
        elif event.type in (EventType.GUEST_STAGE, EventType.TASK, EventType.CONFIGURE_TASK) and event.guest:
            self._follow(event.guest, event)

    def stop(self) -> None:
        """Take the table down."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _follow(self, guest: str, event: Event) -> None:
        row = self._rows.setdefault(guest, _Row())
        data = event.data
        if event.type is EventType.GUEST_STAGE:
            row.stage, row.waits_for, row.percent = str(data["stage"]), str(data.get("waits_for") or ""), ""
            over = row.stage in (Stage.DONE.value, Stage.FAILED.value)
            row.ended = time.monotonic() if over else None
        elif event.type is EventType.TASK:
            row.waits_for = str(data.get("kind") or "")
        else:
            row.waits_for = str(data.get("task") or "")
        if data.get("percent") is not None:
            row.percent = f" {float(data['percent']):.0f} %"

    def render(self) -> Table:
        """Return the table as it is now; guests that are under way come first."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("guest", "stage", "elapsed", "waits for"):
            # On a narrow terminal the last column gives way: a guest is told from its siblings by its name's end.
            style = "bold" if name == "guest" else ""
            heading = Text(name, no_wrap=True, overflow="ellipsis")
            table.add_column(heading, style=style, header_style="dim", no_wrap=name != "waits for")
        rows = sorted(self._rows.items(), key=lambda item: item[1].ended is not None)
        for guest, row in rows[:MOST]:
            took = (row.ended or time.monotonic()) - row.started
            stage = Text(f"{row.stage}{row.percent}", style=_STYLE.get(row.stage, "cyan"))
            waits = Text(row.waits_for, no_wrap=True, overflow="ellipsis")
            table.add_row(guest, stage, f"{took:.0f} s", waits)
        if len(rows) > MOST:
            table.add_row(f"… {len(rows) - MOST} more", "", "", "")
        return table
