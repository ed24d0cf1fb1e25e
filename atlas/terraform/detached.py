"""A Terraform that outlives ATLAS: started in a session of its own, found again, tailed, waited for."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from atlas.errors import TerraformError

# The shell says who it is before it starts anything, and leaves the exit code behind it. Its trap keeps it alive
# through an interrupt, which goes to the whole group, and is not inherited by what it starts.
_LAUNCHER = """umask 077
trap : INT
read -r line </proc/$$/stat && echo "$line" >stat.new && mv stat.new stat || exit 125
d=$PWD; work=$1; shift
cd "$work" && "$@" >"$d/stdout" 2>"$d/stderr" </dev/null
echo $? >"$d/code.new" && mv "$d/code.new" "$d/code"
"""

_POLL = 0.02  # seconds; what is waited for are files and processes, which say nothing by themselves

Fate = Literal["running", "gone"] | int
"""The exit code of one that ended; `gone`: it ended without leaving one, so what it did is unknown."""


@dataclass(frozen=True, slots=True)
class Detached:
    """A detached process; everything that is known of it lies in its folder."""

    folder: Path

    def fate(self) -> Fate:
        """Tell how it is with the process."""
        code = self.folder / "code"
        if code.exists():
            return int(code.read_text())
        if self._alive():
            return "running"
        return int(code.read_text()) if code.exists() else "gone"  # it may have been written meanwhile

    def lines(self) -> Iterator[str]:
        """Yield the lines of its output from the first one on, as they come, until it has ended."""
        rest = b""
        with (self.folder / "stdout").open("rb") as out:
            while True:
                ended = self.fate() != "running"  # before the read, so that the last words are never missed
                chunk = out.read()
                rest += chunk
                *whole, rest = rest.split(b"\n")
                yield from (line.decode(errors="replace") for line in whole)
                if ended and not chunk:
                    return
                if not chunk:
                    time.sleep(_POLL)

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield Terraform's JSON events as they come; lines that are none are left out."""
        for line in self.lines():
            if line.startswith("{"):
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # the last line of a process that was killed while it wrote

    def wait(self) -> Fate:
        """Wait until it has ended and return how."""
        while (fate := self.fate()) == "running":
            time.sleep(_POLL)
        return fate

    def errors(self) -> str:
        """Return what it wrote to stderr."""
        path = self.folder / "stderr"
        return path.read_text(errors="replace").strip() if path.exists() else ""

    def _identity(self) -> tuple[int, int]:
        stat = self.folder / "stat"
        return _pid_and_start(stat.read_text()) if stat.exists() else (0, 0)

    def _alive(self) -> bool:
        pid, start = self._identity()
        if not pid:
            return False
        leader = _stat(pid)
        if leader and _pid_and_start(leader)[1] != start:
            return False  # the number belongs to another process by now, so nothing of the group can be left
        if leader and _lives(leader):
            return True  # the common answer, many times a second: only without a leader all others are looked at
        return any(_group(text) == pid and _lives(text) for text in _processes())


def start(folder: Path, command: Sequence[str], work: Path, env: Mapping[str, str]) -> Detached:
    """Start a command that does not end with this process.

    Args:
        folder: For its files; made here, must be new.
        command: With its arguments; secrets never stand in it.
        work: Its working directory.
        env: Its whole environment.

    Raises:
        TerraformError: It could not be started.
    """
    folder.mkdir(parents=True, mode=0o700)
    (folder / "stdout").touch(0o600)
    try:
        process = subprocess.Popen(
            ("/bin/sh", "-c", _LAUNCHER, "atlas-terraform", str(work), *command),
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as problem:
        raise TerraformError(f"cannot start {command[0]}: {problem.strerror}") from problem
    _reap(process)
    return _settled(Detached(folder)) or _nothing(folder)


def attach(folder: Path) -> Detached | None:
    """Return the process that was started in a folder, however it is with it now; None if none ever was."""
    return _settled(Detached(folder)) if folder.exists() else None


def _settled(process: Detached, patience: float = 5) -> Detached | None:
    """Wait for the launcher's first word: between its start and that, nothing else can tell whether it runs."""
    deadline = time.monotonic() + patience
    while not (process.folder / "stat").exists():
        if time.monotonic() > deadline:
            return None
        time.sleep(_POLL / 5)
    return process


def _nothing(folder: Path) -> Detached:
    raise TerraformError(
        f"the process in {folder} did not start", "look at the machine: is /bin/sh there, the disk full?"
    )


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Collect the launcher when it ends, so that it does not stay as a zombie while this process lives."""
    import threading

    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()


def _pid_and_start(stat: str) -> tuple[int, int]:
    return int(stat.split(" ", 1)[0]), int(_fields(stat)[19])


def _group(stat: str) -> int:
    return int(_fields(stat)[2])


def _lives(stat: str) -> bool:
    return _fields(stat)[0] not in "ZX"


def _fields(stat: str) -> list[str]:
    # proc(5): the name in brackets may hold anything, brackets and spaces too; from the state on it is plain.
    return stat.rpartition(")")[2].split()


def _stat(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None


def _processes() -> Iterator[str]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (text := _stat(int(entry.name))):
            yield text
