"""Facts: what is said about guests, and the makers of those about sizes, disks, software and what is switched on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from atlas.language.items import Item, plural

Op = Literal["set", "add", "remove", "times", "grow"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing said about guests: a field, its value, and whether it is set, added, removed or changed by so much."""

    field: str
    value: Any
    op: Op = "set"


Maker = Callable[[Sequence[Item]], list[Fact] | None]
NAMELIKE = "(?:WORD|NAME|ROLE|SWV|QUOTED|NOUN|FAST|GATEWAY|STORAGE|BACKUP|FILL)"
ANYWORD = "(?:WORD|NAME|ROLE|SWV|QUOTED|NOUN|GATEWAY|STORAGE|BACKUP|FILL|INSTALL|CHECK|HEADING|DATA|DNS|BIG|AGENT|ROOT)"
"""What is a name behind `user` and `pool` although it means something else elsewhere."""


def values(items: Sequence[Item], *tags: str) -> list[Any]:
    """Return the values of the items with these tags."""
    return [i.value for i in items if i.tag in tags]


def first(items: Sequence[Item], *tags: str) -> Any:
    """Return the first such value."""
    return values(items, *tags)[0]


def last_text(items: Sequence[Item]) -> str:
    """Return the last item as written, without quotes."""
    return str(items[-1].value) if items[-1].tag == "QUOTED" else items[-1].text


def said(field: str, *tags: str) -> Maker:
    """Set a field to the value of the first item with one of the tags."""
    return lambda items: [Fact(field, first(items, *tags))]


def fixed(field: str, value: Any, op: Op = "set") -> Maker:
    """Set a field to a fixed value."""
    return lambda _: [Fact(field, value, op)]


def name(field: str) -> Maker:
    """Set a field to the last item as it was written."""
    return lambda items: [Fact(field, last_text(items))]


def disks(items: Sequence[Item]) -> list[Fact]:
    """Read disks: the boot disk, further ones, or whichever comes next."""
    sizes = values(items, "SIZE")
    sizes = sizes or [float(n) * 1024 for n in values(items, "NUM")]
    tags = {i.tag for i in items}
    at = next((k for k, i in enumerate(items) if i.tag == "SIZE"), 0)
    count = next((i.value for i in items[:at] if i.tag == "NUM"), 1) if values(items, "SIZE") else 1
    if len(sizes) > 1:
        return [Fact("disk.list", (sizes, "DATA" in tags))]
    if "ROOT" in tags:
        return [Fact("disk.root", sizes[0])]
    if count > 1 and not tags & {"DATA", "MORE"}:
        return [Fact("disk.all", (sizes[0], count))]
    if tags & {"DATA", "SECOND", "THIRD", "MORE", "LAST"} or count > 1:
        place = {"SECOND": 1, "THIRD": 2}.get(next(iter(tags & {"SECOND", "THIRD"}), ""))
        return [Fact("disk.data", (sizes[0], place, count), "add")]
    return [Fact("disk.any", sizes[0])]


def several_disks(items: Sequence[Item]) -> list[Fact] | None:
    """Read `20g + 1t disks`; with `4g and 20g disk` only the last size is a disk's."""
    return [Fact("disk.list", (values(items, "SIZE"), False))] if plural(items[-1]) else None


def many_disks(items: Sequence[Item]) -> list[Fact]:
    """Read `2x 4TB` as so many disks, and `data disks: 2x 4TB` as so many further ones."""
    size, count = values(items, "SIZE")[0], values(items, "TIMES")[0]
    if items[0].tag == "DATA":
        return [Fact("disk.data", (size, None, count), "add")]
    return [Fact("disk.all", (size, count))]


def counted_disks(items: Sequence[Item]) -> list[Fact]:
    """Read `2 disks` as so many, and `32 disk` as the size of one."""
    number, noun = items
    if number.value > 1 and not plural(noun) and noun.low in {"disk", "disco", "drive", "dsk", "hdd", "ssd", "volume"}:
        return [Fact("disk.any", float(number.value) * 1024)]
    return [Fact("disk.count", number.value)]


def no_size(_: Sequence[Item]) -> list[Fact]:
    """Read a further disk without a size."""
    return [Fact("disk.data", (None, None, 1), "add")]


def mount(items: Sequence[Item]) -> list[Fact]:
    """Read a mount point: a volume with a size, or a path of the node."""
    paths = values(items, "PATH")
    read_only = {"read_only": True} if values(items, "READONLY") else {}
    if len(paths) == 2:
        return [Fact("mounts", {"path": paths[1], "source": paths[0], **read_only}, "add")]
    size = values(items, "SIZE")
    storage = [{"storage": str(name)} for name in values(items, "WORD", "QUOTED")][-1:] or [{}]
    return [Fact("mounts", {"path": paths[0], "size": size[0] if size else None, **storage[0], **read_only}, "add")]


def clone(items: Sequence[Item]) -> list[Fact]:
    """Read the template of clones, and of which kind they are."""
    kind = next((i.tag.lower() for i in items if i.tag in {"FULL", "LINKED"}), None)
    return [Fact("template", values(items, "NUM")[0]), *([Fact("clone", kind)] if kind else [])]


def replaced(items: Sequence[Item]) -> list[Fact]:
    """Read software that takes the place of other software."""
    old, new = (i for i in items if i.tag == "SWV")
    return [Fact("software", old.value[0], "remove"), *software([new])]


def listed_software(items: Sequence[Item]) -> list[Fact]:
    """Read software in a list with words that stand beside it, and so are software too."""
    return [
        fact
        for item in items
        if item.tag in {"SWV", "WORD"}
        for fact in (software([item]) if item.tag == "SWV" else [Fact("software", item.low, "add")])
    ]


def cpu_type(items: Sequence[Item]) -> list[Fact]:
    """Read a CPU type."""
    text = items[0].low
    return [Fact("cpu.type", "host" if "host" in text else last_text(items))]


def software(items: Sequence[Item]) -> list[Fact]:
    """Read software to install or to leave out."""
    name, version = items[-1].value
    removed = items[0].tag in {"NO", "REMOVE"}
    return [Fact("software", f"{name}@{version}" if version else name, "remove" if removed else "add")]


def backup(items: Sequence[Item]) -> list[Fact]:
    """Read whether and how often backups are made."""
    if items[0].tag == "NO":
        return [Fact("backup", False)]
    often = next((i.tag.lower() for i in items if i.tag in {"DAILY", "WEEKLY", "MONTHLY"}), None)
    return [Fact("backup", True), *([Fact("backup.schedule", often)] if often else [])]


def feature(name: str, value: Any = True) -> Maker:
    """Read something that is wanted, or not wanted behind a `no`."""
    return lambda items: [Fact(name, not value if {"NO", "OFF"} & {items[0].tag, items[-1].tag} else value)]


def switched(name: str) -> Maker:
    """Read `nesting=1` and `nesting=0`."""
    return lambda items: [Fact(name, bool(items[-1].value))]


def gpu(items: Sequence[Item]) -> list[Fact]:
    """Read a GPU, by its model where one is said."""
    said = [i.text for i in items if i.tag not in {"A", "GPU", "NOUN", "FILL"}]
    return [Fact("gpu", " ".join(said) or True)]


def memory(items: Sequence[Item]) -> list[Fact]:
    """Read memory; a number without a unit is marked for later."""
    numbers = values(items, "SIZE") or [f"{n}?" for n in values(items, "NUM")]
    return [Fact("memory", numbers[0])]


def sockets(items: Sequence[Item]) -> list[Fact]:
    """Read sockets with the cores of each."""
    return [Fact("cpu.sockets", first(items, "NUM")), Fact("cpu.cores", values(items, "NUM", "TIMES")[-1])]


def whole(value: Any) -> Any:
    """Return a number of cores; one with a fraction stays wrong."""
    return float(value) if isinstance(value, str) else value
