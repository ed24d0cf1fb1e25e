"""`make demo`: a lab, a scripted conversation that ends in a checked guest, and a report of what took how long."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from atlas.app import App
from atlas.configs import demo_lines
from atlas.errors import AtlasError
from atlas.events import Emitter, Event, EventType
from atlas.lab import control
from atlas.views.human import HumanView

NEEDED = ("qemu-system-x86_64", "qemu-img", "mmdebstrap", "genisoimage", "ssh")


class Report:
    """Collects what the demo did, and for how long."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.steps: list[dict[str, Any]] = []
        self.events: list[Event] = []

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Carry out one step and note its duration."""
        begun = time.monotonic()
        ok = False
        try:
            result = work()
            ok = True
        finally:
            self.steps.append({"step": name, "seconds": round(time.monotonic() - begun, 1), "ok": ok})
        return result

    def data(self) -> dict[str, Any]:
        """Return the report as it is written."""
        by_type: dict[EventType, list[Event]] = {}
        for event in self.events:
            by_type.setdefault(event.type, []).append(event)
        checks = [{"guest": e.guest, **e.data} for e in by_type.get(EventType.CHECK_DONE, [])]
        done = by_type.get(EventType.RUN_DONE, [])
        engine = by_type.get(EventType.ENGINE_CHOSEN, [])
        return {
            "result": done[-1].data["result"] if done else "failed",
            "seconds": round(time.monotonic() - self.started, 1),
            "engine": engine[-1].data if engine else None,
            "steps": [*self.steps, *_stages(by_type.get(EventType.GUEST_STAGE, []))],
            "checks": checks,
            "said": [e.data for e in by_type.get(EventType.MESSAGE, [])],
        }


def _stages(events: list[Event]) -> list[dict[str, Any]]:
    """Return how long each guest was in each stage."""
    steps = []
    for guest in dict.fromkeys(e.guest for e in events):
        own = [e for e in events if e.guest == guest]
        for now, after in itertools.pairwise(own):
            if now.data["stage"] != after.data["stage"]:
                took = round(after.ts - now.ts, 1)
                steps.append({"step": f"{guest} {now.data['stage']}", "seconds": took, "ok": True})
    return steps


def main() -> int:
    """Run the demo; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=Path, help="the person's lines (default: configs/demo.txt)")
    parser.add_argument("--guests", choices=["auto", "qemu", "simulated"], default="auto")
    parser.add_argument("--report", type=Path, default=Path("demo-report.json"))
    parser.add_argument("--home", type=Path, default=Path(".atlas/demo"))
    options = parser.parse_args()
    home = options.home.resolve()
    os.environ.update(ATLAS_HOME=str(home / "home"), ATLAS_CONFIG=str(home / "config"))
    missing = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    guests = options.guests if options.guests != "auto" else "simulated" if missing else "qemu"
    console = Console(soft_wrap=True)
    if missing and options.guests == "auto":
        console.print(
            f"real guests need {', '.join(missing)}, so the guests are simulated; `make setup` says how to mend it"
        )
    report, folder = Report(), home / "lab"
    try:
        return _run(report, folder, guests, options.words, options.report, console)
    finally:
        control.stop(folder)


def _run(report: Report, folder: Path, guests: str, words: Path | None, out: Path, console: Console) -> int:
    from atlas.cli.lab import write_profile

    console.rule("a lab")
    control.reset(folder)
    shutil.rmtree(folder.parent / "home", ignore_errors=True)
    note = " (the first time their image is built, which takes a minute or more)" if guests == "qemu" else ""
    console.print(f"starting a Proxmox VE lab with {guests} guests{note}")
    status = report.step("start the lab", lambda: control.start(folder, guests=guests))
    write_profile("lab", status)
    view = HumanView(console)
    app = App(Emitter((view, report.events.append)), "lab")
    conversation = app.talk("lab")
    console.print(f"it answers at {status['url']}; session {conversation.id}")
    console.rule("a conversation")
    code = 0
    try:
        for line in demo_lines(words):
            console.print(f"\n[bold green]you[/]\n  {line}", highlight=False)
            report.step(f"say: {line}", partial(conversation.say, line))
    except AtlasError as problem:
        console.print(f"[red]{problem.message}[/] {problem.hint}")
        code = int(problem.exit_code)
    finally:
        view.close()
    session = conversation.session
    data = report.data() | {
        "session": session.id,
        "phase": session.phase.value,
        "guests": guests,
        "stack": session.stack,
    }
    out.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    console.rule("what took how long")
    for step in data["steps"]:
        console.print(f"{step['seconds']:>8.1f} s  {step['step']}", highlight=False)
    console.print(f"{data['seconds']:>8.1f} s  in all; every check with its evidence is in {out}")
    console.print(f"the session: atlas sessions show {session.id}; to go on with it: atlas resume {session.id}")
    console.print(f"(with ATLAS_HOME={os.environ['ATLAS_HOME']} ATLAS_CONFIG={os.environ['ATLAS_CONFIG']})")
    wanted = "verified" if guests == "qemu" else "applied"
    return code or (0 if data["result"] == wanted else 1)


if __name__ == "__main__":
    sys.exit(main())
