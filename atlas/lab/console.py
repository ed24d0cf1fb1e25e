"""Serial consoles of real guests: one log for each, kept while the lab rests."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_TAIL = 256 * 1024  # bytes
# Sequences that move a terminal's cursor or set its title, then what is left of control characters.
_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_CONTROLS = re.compile(r"[^\n\t\x20-\x7e\u00a0-\U0010ffff]")


def log_file(guests: Path, vmid: int) -> Path:
    """Return where a guest's console is kept.

    Args:
        guests: the folder of the lab's real guests.
        vmid: the guest.
    """
    return guests / "machines" / str(vmid) / "console.log"


def tail(file: Path) -> str:
    """Return the end of a console (the last 256 KiB); empty where there is none."""
    if not file.exists():
        return ""
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - _TAIL))
        return log.read().decode(errors="replace")


def follow(file: Path, goes_on: Callable[[], bool], pause: float = 0.2) -> Iterator[str]:
    """Yield the end of a console, then what comes, until `goes_on` says no and all is read."""
    at = max(0, file.stat().st_size - _TAIL) if file.exists() else 0
    while True:
        last = not goes_on()
        if file.exists():
            if file.stat().st_size < at:
                at = 0  # another guest took the number
            with file.open("rb") as log:
                log.seek(at)
                new = log.read()
            at += len(new)
            if new:
                yield new.decode(errors="replace")
        if last:
            return
        time.sleep(pause)  # between looks at the file, which has no other way to tell


def plain(text: str) -> str:
    """Return a console's text without what would steer the terminal that shows it."""
    return _CONTROLS.sub("", _SEQUENCES.sub("", text))
