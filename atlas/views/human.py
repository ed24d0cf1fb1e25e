"""Events for a person: sentences as they happen, and a live table of the guests while a run is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.markup import escape

from atlas.attributes import item
from atlas.events import Event, EventType
from atlas.plantext import show
from atlas.views.live import GuestTable

_MARK = {True: "[green]✓[/]", False: "[red]✗[/]"}
_RESULT = {"verified": "green", "applied": "green", "nothing": "green", "failed": "red"}


class HumanView:
    """Shows events on a terminal, or as plain lines where there is none.

    Args:
        console: Where to; its colours follow `--no-color` and NO_COLOR.
        quiet: Only results, refusals and faults.
        verbose: Also tasks and each Ansible task.
    """

    def __init__(self, console: Console, *, quiet: bool = False, verbose: bool = False) -> None:
        self.console = console
        self._quiet, self._verbose = quiet, verbose
        self._table = GuestTable(console) if console.is_terminal and not quiet else None
        self._lock = threading.Lock()
        self._stages: dict[str, str] = {}
        self._told: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        show = _SHOW.get(event.type)
        with self._lock:
            if self._table is not None:
                self._table.take(event)
            if show is not None and (not self._quiet or event.type in _ALWAYS):
                show(self, event)

    def close(self) -> None:
        """Take the live table down; a failure may have come between its start and its end."""
        if self._table is not None:
            self._table.stop()

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False)

    def _message(self, event: Event) -> None:
        source, text = str(event.data["source"]), str(event.data["text"])
        if source == "user" or "error" in event.data:
            return  # the person has just typed it; a failure follows as a fault, with its place
        style = "dim" if source == "orchestrator" else "bold cyan"
        self._print(f"[{style}]{source}[/]")
        width = None if self.console.soft_wrap else self.console.width
        self.console.print(
            indented(text, width), style=style if source == "orchestrator" else "", markup=False, highlight=False
        )

    def _diagnostic(self, event: Event) -> None:
        data = event.data
        colour = "red" if data["severity"] == "error" else "yellow"
        where = f"{escape(data['where'])}: " if data.get("where") else ""
        self._print(f"[{colour}]{data['severity']}[/] {where}[bold]{escape(data['summary'])}[/]")
        for name in ("detail", "hint"):
            if data.get(name):
                self._print(f"      {escape(data[name])}")

    def _note(self, event: Event) -> None:
        self._print(escape(str(event.data["text"])))

    def _engine(self, event: Event) -> None:
        self._print(f"[dim]engine {event.data['engine']}: {escape(str(event.data['reason']))}[/]")

    def _started(self, event: Event) -> None:
        verb = "going on with" if event.data["resumed"] else "applying"
        self._print(f"{verb} [bold]{event.data['stack']}[/] by the {event.data['engine']} engine [dim]({event.run})[/]")

    def _stage(self, event: Event) -> None:
        guest, stage = str(event.guest), str(event.data["stage"])
        if self._stages.get(guest) == stage:
            return
        self._stages[guest] = stage
        reason = f": {escape(str(event.data['reason']))}" if event.data.get("reason") else ""
        if self._table is None or (stage == "failed" and reason):
            self._print(f"  {guest}: {stage}{reason}")

    def _task(self, event: Event) -> None:
        if self._verbose and event.data.get("status"):
            self._print(f"[dim]  {event.guest}: {event.data.get('kind')} {event.data.get('status')}[/]")

    def _ansible(self, event: Event) -> None:
        if self._verbose:
            self._print(f"[dim]  {event.guest}: {escape(str(event.data.get('task')))}: {event.data.get('status')}[/]")

    def _check(self, event: Event) -> None:
        data = event.data
        self._print(f"  {_MARK[bool(data['ok'])]} {event.guest} {escape(data['check'])}: {escape(data['evidence'])}")

    def _drift(self, event: Event) -> None:
        path, data = str(event.data["path"]), event.data
        if data["expected"] is None and (added := item(path)) is not None:
            text = f"{event.guest}: {added} was added by others and is left alone"
        else:
            now, before = (_value(path, data[name]) for name in ("observed", "expected"))
            text = f"{event.guest}: {path} is {now}; ATLAS had set {before}"
        if text not in self._told:  # a disk has many attributes and is one thing that somebody added
            self._told.add(text)
            self._print(f"[yellow]drift[/] {escape(text)}")

    def _done(self, event: Event) -> None:
        result, reason = str(event.data["result"]), escape(str(event.data["reason"]))
        took = f" in {event.data['seconds']:.0f} s" if event.data.get("seconds") else ""
        self._print(f"[{_RESULT.get(result, 'white')} bold]{result}[/]{took}: {reason}")

    def _doctor(self, event: Event) -> None:
        data: dict[str, Any] = event.data
        mark = "[yellow]![/]" if data["ok"] is None else _MARK[bool(data["ok"])]
        self._print(f"{mark} {escape(data['subject'])}: {escape(data['detail'])}")
        if data.get("hint"):
            self._print(f"    {escape(data['hint'])}")


def indented(text: str, width: int | None) -> str:
    """Return a text with its lines indented, and wrapped below their own beginnings where there is a width."""
    lines = []
    for line in text.splitlines():
        lead = "  " + line[: len(line) - len(line.lstrip())]
        hang = f"{lead}  " if line.startswith((" ", "- ")) else lead
        wrapped = (
            wrap(
                line.strip(),
                width - 1,
                initial_indent=lead,
                subsequent_indent=hang,
                break_long_words=False,
                break_on_hyphens=False,
            )
            if width
            else []
        )
        lines += wrapped or [f"  {line}".rstrip()]
    return "\n".join(lines)


def _value(path: str, value: Any) -> str:
    return show(path, tuple(value) if isinstance(value, list) else value)


_SHOW: dict[EventType, Callable[[HumanView, Event], None]] = {
    EventType.MESSAGE: HumanView._message,
    EventType.DIAGNOSTIC: HumanView._diagnostic,
    EventType.NOTE: HumanView._note,
    EventType.ENGINE_CHOSEN: HumanView._engine,
    EventType.RUN_STARTED: HumanView._started,
    EventType.GUEST_STAGE: HumanView._stage,
    EventType.TASK: HumanView._task,
    EventType.CONFIGURE_TASK: HumanView._ansible,
    EventType.CHECK_DONE: HumanView._check,
    EventType.DRIFT: HumanView._drift,
    EventType.RUN_DONE: HumanView._done,
    EventType.DOCTOR: HumanView._doctor,
}
_ALWAYS = frozenset({EventType.DIAGNOSTIC, EventType.RUN_DONE})
