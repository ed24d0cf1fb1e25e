"""A playbook run in a process that outlives ATLAS: started once, found again, ended with all that it started."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atlas import privatefile
from atlas.errors import AnsibleError

# The files of a run folder.
LOCK = "lock"  # held by the worker as long as it lives
REQUEST = "request.json"  # {bundle, keys, addresses, forks}
RESULT = "result.json"  # {rc, status, reason}; there once the playbook has ended
OUTPUT = "output.log"  # what the worker itself had to say
# The files of an attempt's folder, `attempt-N`: a run that was killed is begun anew in another one.
PROCESS = "process.json"  # {pid, started}, written by the worker
EVENTS = "events.jsonl"  # one line an event, written by the worker
SEEN = "seen"  # how many bytes of the events were reported


def attempt(run: Path) -> Path | None:
    """Return the folder of the latest attempt, which is ansible-runner's private data directory."""
    return max(run.glob("attempt-*"), key=lambda path: int(path.name.partition("-")[2]), default=None)


def started_at(pid: int) -> int | None:
    """Return when a process was started, in clock ticks after the boot; None if it is gone.

    Source: proc(5), field 22 of /proc/PID/stat.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def _lock(run: Path) -> int | None:
    """Return the locked descriptor, None where a worker holds the lock."""
    descriptor = os.open(run / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def alive(run: Path) -> bool:
    """Tell whether the run's worker lives. A lock tells it surely, also where a pid has been given out again."""
    if not (run / LOCK).exists():
        return False
    descriptor = _lock(run)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def read(path: Path) -> dict[str, Any] | None:
    """Return the JSON in a file, None if there is no file."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise AnsibleError(f"cannot read {path}: {problem}", f"remove {path.parent} to configure anew") from problem
    return data


def write(path: Path, data: Any) -> None:
    """Write JSON so that a reader sees all of it or nothing, and a crash of the machine keeps it."""
    privatefile.write(path, json.dumps(data))


def start(run: Path, request: dict[str, Any]) -> Path:
    """Start the worker unless one lives or has ended.

    Returns:
        The folder of the attempt that now runs, or has ended.

    Raises:
        AnsibleError: The process cannot be started.
    """
    run.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = _lock(run)
    before = attempt(run)
    if descriptor is None:
        if before is None:
            raise AnsibleError(f"another process is starting Ansible in {run}", "wait a moment and try again")
        return before
    try:
        if before is not None and (run / RESULT).exists():
            return before
        folder = run / f"attempt-{int(before.name.partition('-')[2]) + 1 if before else 1}"
        folder.mkdir(mode=0o700)
        write(run / REQUEST, request)
        with (run / OUTPUT).open("ab") as output:
            subprocess.Popen(
                [sys.executable, "-P", "-m", "atlas.ansible.worker", str(run), str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=run,
                env=_environment(),
                # The lock goes over to the worker: there is no moment at which nobody holds it.
                pass_fds=[descriptor],
                start_new_session=True,
            )
    except OSError as problem:
        raise AnsibleError(f"cannot start Ansible: {problem}", "atlas doctor shows what is missing") from problem
    finally:
        os.close(descriptor)
    return folder


def _environment() -> dict[str, str]:
    """Return what the worker needs and nothing else: ansible-runner writes its whole environment to disk."""
    here = str(Path(sys.executable).parent)
    kept = {name: os.environ[name] for name in ("HOME", "SSH_AUTH_SOCK", "TMPDIR", "USER") if name in os.environ}
    return {**kept, "PATH": f"{here}:{os.environ.get('PATH', os.defpath)}", "LC_ALL": "C.UTF-8"}


def cancel(run: Path, patience: float = 20) -> None:
    """End a run with everything that it started; nothing happens where none lives.

    Args:
        run: The run's folder.
        patience: Seconds for it to end by itself before it is killed.

    Raises:
        AnsibleError: It is still there afterwards.
    """
    folder = attempt(run)
    if folder is None:
        return
    # A worker that has only just been started writes its pid down before anything else.
    wait_until(lambda: (folder / PROCESS).exists() or not alive(run), patience)
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5)):
        process = read(folder / PROCESS)
        if process is None or not alive(run):
            return
        if started_at(process["pid"]) == process["started"]:
            os.kill(process["pid"], number)
        if wait_until(lambda: not alive(run), seconds):
            return
    raise AnsibleError(f"the Ansible process of {run} does not end", f"look at {folder / PROCESS}")


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; tell whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)  # asked again, up to the deadline above
    return True
