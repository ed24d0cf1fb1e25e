"""Start, stop, reset and look at a lab that runs in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atlas.lab.leftovers import end_leftovers

START_SECONDS = 20.0
STOP_SECONDS = 15.0
STATUS_FILE = "status.json"
INVENTORY_FILE = "inventory.json"
_WORLD_FILES = (
    *("state.sqlite", "state.sqlite-wal", "state.sqlite-shm", "secrets.json", "admin.token", "lab.log"),
    *(STATUS_FILE, INVENTORY_FILE),
)


class LabError(Exception):
    """The lab could not be started, stopped or found; the text says what to do."""


def default_directory() -> Path:
    """Return where a lab lies unless a directory is named."""
    named = os.environ.get("ATLAS_LAB_DIR")
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "atlas-lab"


def running(directory: Path) -> dict[str, Any] | None:
    """Return the status of the lab that runs in a directory, or None."""
    try:
        status: dict[str, Any] = json.loads((directory / STATUS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return status if is_ours(int(status["pid"]), directory) else None


def is_ours(pid: int, directory: Path) -> bool:
    """Say whether a process is the lab of a directory: pids are used again for others."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    place = str(directory.resolve())
    return state != "Z" and "atlas.lab" in words and (place in words or _holds(pid, place))


def _holds(pid: int, place: str) -> bool:
    """Say whether a process has files of a directory open; `serve` may have it from the environment."""
    try:
        files = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    for file in files:
        with contextlib.suppress(OSError):  # closed meanwhile
            if file.readlink().parent == Path(place):
                return True
    return False


def start(
    directory: Path,
    *,
    nodes: int = 3,
    guests: str = "simulated",
    latency: str = "realistic",
    port: int = 0,
    memory: int | None = None,
    faults: Path | None = None,
    inventory: Path | None = None,
    bare: bool = False,
) -> dict[str, Any]:
    """Start a lab in its own process, and return its status once it answers.

    Args:
        directory: where it lies.
        nodes: nodes of a new lab.
        guests: `simulated` or `qemu`.
        latency: how long tasks take.
        port: on 127.0.0.1; 0 takes a free one.
        memory: MiB for all real guests together; None takes half of what is free.
        faults: a file of faults that are active from the first call on.
        inventory: what a new lab is rebuilt from; no lab may be there yet.
        bare: whether a new lab has no templates.

    Raises:
        BadFaults: that file cannot be read; nothing was started.
        LabError: where it ends before that or does not answer in time; its log is quoted.
    """
    if faults is not None:
        from atlas.lab.fault import read_file

        read_file(faults)
    if inventory is not None:
        _must_be_new(directory)
    known = running(directory)
    if known is not None:
        if faults is not None:
            raise LabError("a lab runs here already; faults can be added to it: atlas lab fault add --file FILE")
        return known
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / STATUS_FILE).unlink(missing_ok=True)
    command = [sys.executable, "-m", "atlas.lab", "serve", "--dir", str(directory.resolve()), "--nodes", str(nodes)]
    command += ["--guests", guests, "--latency", latency, "--port", str(port)]
    command += ["--memory", str(memory)] if memory else []
    command += ["--faults", str(faults.resolve())] if faults else []
    command += ["--inventory", str(inventory.resolve())] if inventory else []
    command += ["--bare"] if bare else []
    with (directory / "lab.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        status = running(directory)
        if status is not None:
            return status
        if process.poll() is not None:
            raise LabError(f"the lab ended at its start (status {process.returncode}): {_last_words(directory)}")
        time.sleep(0.02)  # polls for the status file, up to the deadline above
    process.kill()  # else it would come up when nobody waits for it any more
    process.wait()
    raise LabError(f"the lab did not answer within {START_SECONDS:.0f} s; see {directory / 'lab.log'}")


def _must_be_new(directory: Path) -> None:
    if running(directory) is not None or (directory / "state.sqlite").exists():
        raise LabError(f"there is a lab in {directory} already: reset it, or name another folder")


def seed(directory: Path, inventory: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    """Start a new lab that is the twin of a cluster.

    Args:
        directory: where it lies; no lab may be there yet.
        inventory: the cluster's inventory.
        options: what `start` takes.

    Raises:
        LabError: there is a lab already, the inventory is faulty, or the lab does not start.
    """
    from atlas.lab.inventory import InventoryError, check

    _must_be_new(directory)
    try:
        checked = check(dict(inventory))
    except InventoryError as problem:
        raise LabError(str(problem)) from problem
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = directory / INVENTORY_FILE
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump(checked, out)
    try:
        return start(directory, inventory=file, **options)
    except LabError:
        with contextlib.suppress(LabError):
            reset(directory)
        raise


def _last_words(directory: Path) -> str:
    lines = (directory / "lab.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def stop(directory: Path) -> bool:
    """End a lab and its guests, also guests whose lab was killed; return whether anything ran.

    Raises:
        LabError: where it is still there after the deadline.
    """
    status = running(directory)
    if status is None:
        return end_leftovers(directory / "guests")
    pid = int(status["pid"])
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # it is our child where the same process started it
        if not is_ours(pid, directory):
            return True
        time.sleep(0.02)  # polls for the end, up to the deadline above
    raise LabError(f"the lab (pid {pid}) did not end within {STOP_SECONDS:.0f} s; see {directory / 'lab.log'}")


def reset(directory: Path) -> None:
    """End a lab and forget its world; its certificate and cached images stay.

    Raises:
        LabError: where the directory holds something, but no lab.
    """
    stop(directory)
    if directory.exists() and any(directory.iterdir()) and not (directory / "ca.pem").exists():
        raise LabError(f"{directory} holds no lab; nothing was removed")
    for name in _WORLD_FILES:
        (directory / name).unlink(missing_ok=True)
    shutil.rmtree(directory / "guests", ignore_errors=True)


async def serve_until_stopped(directory: Path, **options: Any) -> None:
    """Serve a lab in this process until a signal asks for its end.

    Args:
        directory: Its directory.
        options: What server.serve takes.
    """
    import asyncio
    import gc

    from atlas.lab.server import serve

    server = await serve(directory, **options)
    gc.freeze()  # the world stays: the collector need not walk it again and again
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    write_status(directory, server.status())
    try:
        await done.wait()
    finally:
        (directory / STATUS_FILE).unlink(missing_ok=True)
        await server.close()


def write_status(directory: Path, status: dict[str, Any]) -> None:
    """Write the status file, readable by its owner alone, in one step."""
    fresh = directory / f".{STATUS_FILE}.{os.getpid()}"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(status), encoding="utf-8")
    fresh.replace(directory / STATUS_FILE)
