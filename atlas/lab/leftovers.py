"""End what a killed lab left running: its guests and its networks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import tempfile
import time
from pathlib import Path

_LONGEST_SOCKET = 107  # bytes of a unix socket's path


def run_folder(guests: Path) -> Path:
    """Return where the sockets and pid files live: below the guests' folder, or elsewhere if that path is too long."""
    near = guests / "run"
    if len(os.fsencode(near)) + 48 <= _LONGEST_SOCKET:
        return near
    name = hashlib.sha256(os.fsencode(guests.absolute())).hexdigest()[:12]
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"lab-{os.getuid()}-{name}"


def live_pid(pid_file: Path) -> int | None:
    """Return the pid in a QEMU's pid file if that very QEMU still runs."""
    try:
        pid = int(pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(pid_file) in words else None


def end_leftovers(guests: Path, limit: float = 10.0) -> bool:
    """End every guest and the network process of a lab; return whether there was one.

    Args:
        guests: the folder of the lab's guests.
        limit: seconds to wait for a guest's end before it is killed.
    """
    run = run_folder(guests)
    pid_files = {file: pid for file in run.glob("*.pid") if (pid := live_pid(file)) is not None}
    for pid in pid_files.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + limit
    while time.monotonic() < end and any(live_pid(file) for file in pid_files):
        time.sleep(0.05)  # polls for the end, up to the deadline above
    for file in pid_files:
        pid = live_pid(file)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
    return _end_network(run / "fabric.sock") or bool(pid_files)


def _end_network(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.settimeout(5)
            link.connect(str(path))
            link.sendall(b'{"do": "end"}\n')
            return bool(link.recv(4096))
        except OSError:
            return False
