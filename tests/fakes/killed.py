"""A process that applies a plan and kills itself at a given point of its journal.

The point is `none` or `HOOK:STEP:COUNT`, such as `before-upid:create:2`: the second time that a task of a creation has
begun and its UPID is not yet on disk. Run as a program, this is a fork server: most of what such a process costs are
its imports, so one process beside pytest has them done, does nothing else, and forks for each that is to be killed.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
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

LATE = ("encodings.idna", "proxmoxer.backends.https", "python_terraform", "sqlite_utils.db")
"""What a run imports only when it comes to it."""


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


class Child:
    """A process that the server forked, with what the tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, said: Path) -> None:
        self.pid, self._said = pid, said
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _ask(self.pid)
        return self.returncode

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(0.01)
        return code

    def kill(self) -> None:
        if self.poll() is None:  # as long as the server has not reaped it, the number is its own
            os.kill(self.pid, signal.SIGKILL)

    def communicate(self, timeout: float = 60) -> tuple[None, bytes]:
        self.wait(timeout)
        return None, self._said.read_bytes()


def start(site: Site, run: Run, point: str = "none") -> Child:
    """Start a process that goes on with the run and kills itself at the point."""
    (site.home / "status.json").write_text(json.dumps(site.status))
    said = site.home / "said"
    return Child(_ask([str(site.home), run.id, point, str(said)]), said)


@functools.cache
def _server() -> subprocess.Popen[str]:
    """Start the fork server; it ends with this process, whose end closes the pipe to it."""
    return subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ask(question: int | list[str]) -> Any:
    """Have a process forked and return its number, or return the exit code of one; None while it runs."""
    server = _server()
    assert server.stdin
    assert server.stdout
    print(json.dumps(question), file=server.stdin, flush=True)
    answer = server.stdout.readline()
    assert answer, "the fork server has ended; stderr tells why"
    return json.loads(answer)


def serve() -> tuple[Path, str, str]:
    """Answer the questions until there are no more; in each process that is forked, return what it shall do."""
    for line in sys.stdin:
        question = json.loads(line)
        if isinstance(question, int):
            ended, status = os.waitpid(question, os.WNOHANG)
            print(json.dumps(os.waitstatus_to_exitcode(status) if ended else None), flush=True)
            continue
        _, *others = Path("/proc/self/task").iterdir()
        assert not others, "an import has started a thread, which no fork would have"
        home, run, point, said = question
        with Path(said).open("wb") as out, Path(os.devnull).open("rb") as nothing:
            pid = os.fork()
            if pid == 0:
                for number, file in enumerate((nothing, out, out)):
                    os.dup2(file.fileno(), number)
                return Path(home), run, point
        print(pid, flush=True)
    sys.exit()


def main(home: Path, run_id: str, point: str) -> None:
    """Go on with a run by the engine that it began with, and end at the point."""
    site = Site(home, json.loads((home / "status.json").read_text()))
    work, plan, run = site.resumed(run_id)
    site.use(plan.engine)
    site.carry_out(work, plan, run, wrap=lambda inner: Killing(inner, point))


if __name__ == "__main__":
    for name in LATE:
        importlib.import_module(name)
    main(*serve())
