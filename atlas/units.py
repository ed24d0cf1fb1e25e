"""Sizes with their units written out: text in, whole MiB inside, text out."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

GIB = 1024
"""MiB in a GiB; every size inside ATLAS is in MiB."""

LARGEST = 1024 * GIB * GIB
"""MiB that no disk and no memory has; numbers beyond it are slips."""

_UNITS = {"MiB": 1, "GiB": GIB, "TiB": GIB * GIB}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_PATTERN = r"^\s*\d+(\.\d+)?\s*(MiB|GiB|TiB)\s*$"


def parse_size(value: Any) -> int:
    """Return a size in MiB from text like `8GiB`.

    Raises:
        ValueError: No unit, an unknown one, or not a whole number of MiB.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a size is text such as 8GiB")
    match = _SIZE.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a size; write it like 8GiB")
    number, unit = match.groups()
    if not unit:
        raise ValueError(f"a size needs its unit; did you mean {number}GiB or {number}MiB?")
    if unit not in _UNITS:
        meant = {u[0].lower(): u for u in _UNITS}.get(unit[0].lower(), "GiB")
        raise ValueError(f"unknown unit {unit!r}; did you mean {number}{meant}?")
    size = float(number) * _UNITS[unit]
    if size > LARGEST:
        raise ValueError(f"{str(value)[:40]!r} is more than there is; at most {format_size(LARGEST)}")
    if size != int(size) or size < 1:
        raise ValueError(f"{value!r} is not a whole number of MiB above zero")
    return int(size)


def format_size(mib: int) -> str:
    """Return MiB as text with the largest unit that keeps it whole."""
    for unit in ("TiB", "GiB"):
        if mib and mib % _UNITS[unit] == 0:
            return f"{mib // _UNITS[unit]}{unit}"
    return f"{mib}MiB"


def _load(value: Any) -> Any:
    # A size that was parsed before (an int out of a validated model) is told apart by its wrapper in `spec`.
    return value if isinstance(value, Mib) else Mib(parse_size(value))


class Mib(int):
    """A size in MiB that is known to have had its unit."""


Size = Annotated[
    int,
    BeforeValidator(_load),
    PlainSerializer(format_size, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["512MiB", "8GiB"]}),
]
"""A field that holds a size: text with a unit in files, MiB as an int in code."""
