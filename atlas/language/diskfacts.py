"""Facts of disks: boot disks and further ones, in any number, and what is mounted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from atlas.language.facts import Fact, values
from atlas.language.items import Item, plural


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


def disks_by_use(items: Sequence[Item]) -> list[Fact]:
    """Read `50 GB for the system and 250 GB for data`."""
    facts: list[Fact] = []
    size = 0.0
    for item in items:
        if item.tag == "SIZE":
            size = item.value
        elif item.tag == "ROOT":
            facts.append(Fact("disk.root", size))
        elif item.tag == "DATA":
            facts.append(Fact("disk.data", (size, None, 1), "add"))
    return facts


def disks_of_one_unit(items: Sequence[Item]) -> list[Fact]:
    """Read `two disks, 20 and 200 gigs`."""
    last = items[-1]
    unit = last.value / float(re.sub(r"[^\d.,]", "", last.text).replace(",", ".") or 1)
    sizes = [float(item.value) * unit for item in items[1:] if item.tag == "NUM"]
    return [Fact("disk.list", ([*sizes, last.value], any(i.tag == "DATA" for i in items)))]


def several_disks(items: Sequence[Item]) -> list[Fact] | None:
    """Read `20g + 1t disks`; with `4g and 20g disk` only the last size is a disk's."""
    return [Fact("disk.list", (values(items, "SIZE"), False))] if plural(items[-1]) else None


def many_disks(items: Sequence[Item]) -> list[Fact]:
    """Read `2x 4TB` as so many disks, and `data disks: 2x 4TB` as so many further ones."""
    size, count = values(items, "SIZE")[0], values(items, "TIMES")[0]
    if any(i.tag == "DATA" for i in items):
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


def mount(items: Sequence[Item]) -> list[Fact] | None:
    """Read a mount point: a volume with a size, or a path of the node."""
    paths = values(items, "PATH")
    read_only = {"read_only": True} if values(items, "READONLY") else {}
    if len(paths) == 2:
        return [Fact("mounts", {"path": paths[1], "source": paths[0], **read_only}, "add")]
    size = values(items, "SIZE")
    if any(re.match(r"pve|hv\d|node\d", str(name)) for name in values(items, "WORD")):
        return None  # `100G at /srv on pve2`: that is a node
    storage = [{"storage": str(name)} for name in values(items, "WORD", "QUOTED")][-1:] or [{}]
    return [Fact("mounts", {"path": paths[0], "size": size[0] if size else None, **storage[0], **read_only}, "add")]


def numbered_disk(items: Sequence[Item]) -> list[Fact]:
    """Read `disk0 40G`, which is the boot disk, and `disk1 200G`."""
    place, size = items[0].value, values(items, "SIZE")[0]
    return [Fact("disk.data", (size, place, 1), "add") if place else Fact("disk.root", size)]
