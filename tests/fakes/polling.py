"""Waiting for what comes by itself, up to a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 30.0


def until(true: Callable[[], bool], what: str = "it") -> None:
    """Poll until something is true."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.05)
