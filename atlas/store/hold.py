"""Holding a session or a stack against other processes: a lock that the kernel drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atlas.errors import Held, StateError


@contextmanager
def hold(folder: Path, kind: str, name: str) -> Iterator[None]:
    """Hold `name` until the block ends.

    Args:
        folder: Where the lock files lie.
        kind: What is held, such as `session`.
        name: Its name.

    Raises:
        Held: Another process holds it; the message names its pid.
    """
    path = folder / f"{kind}-{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        raise StateError(f"cannot lock {kind} {name}: {problem.strerror}", f"look at {folder}") from problem
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(file, 20, 0).decode(errors="replace").strip()
            who = f"process {pid}" if pid.isdigit() else "another process"
            raise Held(f"{who} works on {kind} {name}", "wait until it has ended, or end it") from None
        # The file stays when the lock goes: removing it would let two processes lock two files of one name.
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(file, 0)
    finally:
        os.close(file)
