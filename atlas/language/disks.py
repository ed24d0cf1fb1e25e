"""Disks of guests: sizes given, disks added and enlarged, and the storage that they are on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from atlas.language.draft import Finding, Question, label, shown

if TYPE_CHECKING:
    from atlas.language.scope import Applier


def resize(a: Applier, g: int, at: int, size: float) -> None:
    """Give a disk another size; a smaller one than it has is refused, since disks do not shrink."""
    guest = a.draft.guests[g]
    disks = guest.fields.setdefault("disks", [{}])
    had = disks[at].get("size")
    if had is not None and size < had:
        text = f"a disk does not shrink: {label(guest)} has {shown(had)}, and {shown(size)} would be less"
        fields = ["disk.any", "disk.root", "disk.data", "disk"]
        a.draft.findings.append(Finding(kind="error", code="disk_shrink", text=text, fields=fields))
        return
    disks[at]["size"] = size
    a.said[g, "disk.any"] = (size, ())


def apply_disk(a: Applier, g: int, name: str, value: Any) -> None:  # noqa: PLR0912  one branch for each way to say it
    """Give a guest a disk, or one of its disks a size."""
    disks = a.draft.guests[g].fields.setdefault("disks", [])
    had = len(disks) if not a.was_new(g) else 0
    if a.disk_comes and name == "disk.any":
        name, value = "disk.data", (value, None, 1)
    if name == "disk.fill":
        for disk in disks[1:]:
            disk.setdefault("size", value)
        return
    if name == "disk.count":
        disks += [{} for _ in range(len(disks), min(value, 30))]
        return
    if not disks:
        disks.append({})
    if name == "disk.all":
        size, count = value
        if "size" not in disks[0]:
            disks.pop(0)
        a.disks = list(range(len(disks), len(disks) + min(count, 30))) if disks else None
        disks += [{"size": size} for _ in range(min(count, 30))]
    elif name == "disk.list":
        _listed(a, g, value)
    elif name == "disk.any" and "size" in disks[0] and (g, "disk.size") in a.said and not a.correcting:
        disks.append({"size": value})
        a.disks = [len(disks) - 1]
    elif name in {"disk.any", "disk.root"}:
        a.disks = [0]
        if a.shrinking or a.draft.guests[g].live:
            resize(a, g, 0, value)
        else:
            disks[0]["size"] = value
            a.said[g, "disk.size"] = (value, ())
    else:
        _further(a, g, value, had)


def _listed(a: Applier, g: int, value: tuple[list[float], bool]) -> None:
    """Give a guest several disks, the first of them its boot disk unless all come to those there are."""
    disks = a.draft.guests[g].fields["disks"]
    sizes, data = value
    chosen = [] if data or a.disk_comes else [0]
    if chosen:
        disks[0]["size"] = sizes[0]
        a.said[g, "disk.size"] = (sizes[0], ())
    rest = sizes[len(chosen) : 30]
    a.disks = [*chosen, *range(len(disks), len(disks) + len(rest))]
    disks += [{"size": size} for size in rest]


def _further(a: Applier, g: int, value: tuple[float | None, int | None, int], had: int) -> None:
    """Give a further disk another size, or add disks behind the boot disk."""
    disks = a.draft.guests[g].fields["disks"]
    size, place, count = value
    if a.changing and (had > 1 or (place and place < len(disks))):
        at = place or len(disks) - 1
        a.disks = [at]
        if (a.shrinking or a.draft.guests[g].live) and size is not None:
            resize(a, g, at, size)
        else:
            disks[at]["size"] = size
    else:
        start = len(disks)
        disks += [{} if size is None else {"size": size} for _ in range(min(count, 30))]
        a.disks = list(range(start, len(disks)))
    if size is None:
        text = f"How large should the further disk of {label(a.draft.guests[g])} be?"
        a.draft.questions.append(Question(field="disk", guests=[g], text=text))


def sizeless(a: Applier, scope: Sequence[int]) -> bool:
    """Tell whether a further disk of which this message speaks has no size yet: `add a disk, 300 GB`."""
    return any(
        value[0] is None and _lacks(a, g)
        for g in scope
        if (value := a.said.get((g, "disk.data"), ((0,), ()))[0]) is not None
    )


def _lacks(a: Applier, g: int) -> bool:
    return any("size" not in disk for disk in a.draft.guests[g].fields.get("disks", [])[1:])


def apply_storage(a: Applier, g: int, value: str) -> None:
    """Put the disks that are spoken of, or all of them, on a storage."""
    disks = a.draft.guests[g].fields.setdefault("disks", [])
    if not disks:
        disks.append({})
    chosen = [k for k in a.disks or () if k < len(disks)] or range(len(disks))
    for k in chosen:
        disks[k]["storage"] = value
