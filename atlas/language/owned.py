"""Parts of a guest that is named behind them: `grow the disk of a3 to 60 GB`, `memory on web: 8 GB`."""

from __future__ import annotations

from atlas.language import groups
from atlas.language.facts import Fact
from atlas.language.reading import Reading
from atlas.language.subjects import subject_at

_FIELDS = {"MEMORY": "memory", "CORES": "cpu.cores", "DISK": "disk.any"}
_BETWEEN = frozenset({"TO", "A", "CHANGE", "FILL", "COLON", "ON", "BY"})


def part_of(r: Reading, i: int) -> int:
    """Take `the memory of web2 to 8 GB` as said of web2; return how many items it takes."""
    start = i + (r.tag(i) == "A")
    data = r.tag(start) in {"DATA", "ROOT"} and r.tag(start + 1) == "DISK"
    at = start + data
    if r.tag(at) not in _FIELDS or r.tag(at + 1) not in {"OF", "ON", "FOR"}:
        return 0
    subject = subject_at(r.items, at + 2, bare=True)
    found = r.picked(r.find(subject), subject) if subject else []
    if subject is None or not found or subject.count is not None:
        return 0
    behind = at + 2 + subject.length
    by = False
    while r.tag(behind) in _BETWEEN:
        by, behind = by or r.tag(behind) == "BY", behind + 1
    if r.tag(behind) not in {"SIZE", "NUM"}:
        return 0
    field, value = _FIELDS[r.tag(at)], r.items[behind].value
    if field != "cpu.cores" and r.tag(behind) == "NUM":
        value = float(value) * 1024
    if data or (by and field == "disk.any"):
        field = "disk.last" if r.tag(start) == "DATA" else "disk.root"
    groups.narrow(r, found)
    _say(r, field, value, found, by=by)
    return behind + 1 - i


def _say(r: Reading, field: str, value: float, found: list[int], *, by: bool) -> None:
    if by:
        r.state(Fact("disk" if field == "disk.root" else field, value, "grow"), found)
    elif field == "disk.last":
        r.state(Fact("disk.data", (value, None, 1), "add"), found)
    else:
        r.state(Fact(field, value), found)
