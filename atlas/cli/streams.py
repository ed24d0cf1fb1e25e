"""The standard streams, made so that they never end the work: closed ones, readers that leave, text of any encoding."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


class _Lossy(io.FileIO):
    """A stream to write to; once it cannot be written to, what is written is dropped, and `lost` says why.

    A run that was approved goes on although nobody reads about it any more: what it does is stored.
    """

    lost: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write, or drop what is written."""
        if self.lost is None:
            try:
                return super().write(data) or 0
            except OSError as problem:
                self.lost = problem
        return memoryview(data).nbytes


def guard() -> None:
    """Replace the standard streams; those that something else has put in their place stay."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened would take its place, and get what is printed
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is sys.__stdin__:
        sys.stdin = open(0, encoding=_encoding(sys.stdin), errors="replace", closefd=False)  # noqa: SIM115  for good
    if sys.stdout is sys.__stdout__:
        sys.stdout = _writer(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _writer(2, sys.stderr)


def lost() -> OSError | None:
    """Return why standard output cannot be written to any more, None if it can."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.lost if isinstance(raw, _Lossy) else None


def _writer(number: int, before: Any) -> io.TextIOWrapper:
    raw = _Lossy(number, "wb", closefd=False)
    lines = raw.isatty() or number == 2
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=_encoding(before), errors="replace", line_buffering=lines)


def _encoding(before: Any) -> str:
    return getattr(before, "encoding", None) or "utf-8"
