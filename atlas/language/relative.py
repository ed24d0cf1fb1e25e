"""Relative wishes: `double the memory`, `2 more cores`, `half the disk`, worked out from what the draft says."""

from __future__ import annotations

from collections.abc import Sequence

from atlas.language.draft import DraftGuest
from atlas.language.facts import Fact
from atlas.language.items import Item

_FIELDS = {"MEMORY": "memory", "CORES": "cpu.cores", "DISK": "disk"}


def factor(items: Sequence[Item]) -> list[Fact]:
    """Read `twice the cores and memory`, or `memory doubled`."""
    by = next(i.value for i in items if i.tag == "FACTOR")
    data = any(i.tag == "DATA" for i in items)
    fields = dict.fromkeys(_FIELDS[i.tag] for i in items if i.tag in _FIELDS)
    return [Fact("disk.last" if f == "disk" and data else f, by, "times") for f in fields]


def growth(items: Sequence[Item]) -> list[Fact]:
    """Read `2 more cores`, `4 GB less memory`, `the disk by 50 GB`."""
    amount = next(i.value for i in items if i.tag in {"NUM", "SIZE"})
    named = next((i.tag for i in items if i.tag in _FIELDS), "MEMORY")
    field = "disk.last" if named == "DISK" and any(i.tag == "DATA" for i in items) else _FIELDS[named]
    number = next(i for i in items if i.tag in {"NUM", "SIZE"})
    if number.tag == "NUM" and named != "CORES":
        amount = float(amount) * 1024
    return [Fact(field, -amount if any(i.tag == "FEWER" for i in items) else amount, "grow")]


def value_of(guest: DraftGuest, field: str) -> float | int | None:
    """Return what a guest has of something that can grow; None where nothing was said."""
    fields = guest.fields
    if field == "memory":
        memory: float | None = fields.get("memory")
        return memory
    if field == "cpu.cores":
        cores: int | float | None = fields.get("cpu", {}).get("cores")
        return cores
    disks = fields.get("disks", [])
    size: float | None = disks[-1 if field == "disk.last" else 0].get("size") if disks else None
    return size


def worked_out(fact: Fact, guest: DraftGuest, base: DraftGuest | None = None) -> float | int | None:
    """Return the value that a relative fact leads to; None where there is nothing to reckon from."""
    had = value_of(base or guest, fact.field)
    if had is None:
        return None
    new = had * fact.value if fact.op == "times" else had + fact.value
    return int(new) if fact.field == "cpu.cores" and new == int(new) else new
