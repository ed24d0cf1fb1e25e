"""A child process that applies a plan and kills itself at a given point of its journal.

Run as `python killed.py HOME RUN POINT`; POINT is `none` or `HOOK:STEP:COUNT`, such as `before-upid:create:2`: the
second time that a task of a creation has begun and its UPID is not yet on disk.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fakes.site import Site

from atlas.ports.cluster import Entry, Journal
from atlas.ports.store import Run
from atlas.state import Attributes

HOOKS = (
    "after-intent",  # on disk; the call was not made
    "before-upid",  # the call was made; its UPID is not on disk
    "after-upid",
    "before-exit",  # the task has ended; nothing of that is on disk
    "after-exit",
    "before-note",
    "after-note",
    "before-made",
    "after-made",
    "before-applied",
    "after-applied",
    "before-gone",
    "after-gone",
)


class Killing:
    """A journal that ends the process, as SIGKILL does, at one point."""

    def __init__(self, inner: Journal, point: str) -> None:
        self._inner = inner
        self._hook, self._step, count = (*point.split(":"), "1")[:3] if point != "none" else ("none", "", "1")
        assert self._hook in (*HOOKS, "none"), f"{point} would never be reached"
        self._left, self._lock = int(count), threading.Lock()
        self._steps: dict[int, str] = {}

    def _at(self, hook: str, step: str) -> None:
        if hook != self._hook or self._step not in ("*", step):
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def intend(self, guest: str, step: str, **intent: Any) -> int:
        entry = self._inner.intend(guest, step, **intent)
        self._steps[entry] = step
        self._at("after-intent", step)
        return entry

    def settle(self, entry: int, **outcome: Any) -> None:
        step = self._steps.get(entry, "")
        kind = "exit" if outcome.keys() & {"exit", "done"} else "upid"
        self._at(f"before-{kind}", step)
        self._inner.settle(entry, **outcome)
        self._at(f"after-{kind}", step)

    def note(self, guest: str, step: str, **intent: Any) -> None:
        self._at("before-note", step)
        self._inner.note(guest, step, **intent)
        self._at("after-note", step)

    def entries(self, guest: str | None = None) -> Sequence[Entry]:
        return self._inner.entries(guest)

    def applied(self, guest: str, attributes: Attributes, removed: Iterable[str] = ()) -> None:
        self._at("before-applied", guest)
        self._inner.applied(guest, attributes, removed)
        self._at("after-applied", guest)

    def made(self, guest: str, *, uuid: str, node: str) -> None:
        self._at("before-made", guest)
        self._inner.made(guest, uuid=uuid, node=node)
        self._at("after-made", guest)

    def gone(self, guest: str) -> None:
        self._at("before-gone", guest)
        self._inner.gone(guest)
        self._at("after-gone", guest)


def start(site: Site, run: Run, point: str = "none") -> subprocess.Popen[bytes]:
    """Start a process that goes on with the run and kills itself at the point."""
    (site.home / "status.json").write_text(json.dumps(site.status))
    return subprocess.Popen([sys.executable, __file__, str(site.home), run.id, point], stderr=subprocess.PIPE)


def main(home: Path, run_id: str, point: str) -> None:
    """Go on with a run by the engine that it began with, and end at the point."""
    site = Site(home, json.loads((home / "status.json").read_text()))
    work, plan, run = site.resumed(run_id)
    site.use(plan.engine)
    site.carry_out(work, plan, run, wrap=lambda inner: Killing(inner, point))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
