"""The grammar of facts: patterns over concepts, and the field of the spec that each one sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from atlas.language.annotate import Item

Op = Literal["set", "add", "remove", "times", "grow"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing said about guests: a field, its value, and whether it is set, added, removed or changed by so much."""

    field: str
    value: Any
    op: Op = "set"


Maker = Callable[[Sequence[Item]], list[Fact]]
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
        first_, *further = sizes
        head = [Fact("disk.data", (first_, None, 1), "add")] if "DATA" in tags else [Fact("disk.root", first_)]
        return [*head, *(Fact("disk.data", (size, None, 1), "add") for size in further)]
    if "ROOT" in tags:
        return [Fact("disk.root", sizes[0])]
    if count > 1 and not tags & {"DATA", "MORE"}:
        return [Fact("disk.all", (sizes[0], count))]
    if tags & {"DATA", "SECOND", "THIRD", "MORE", "LAST"} or count > 1:
        place = {"SECOND": 1, "THIRD": 2}.get(next(iter(tags & {"SECOND", "THIRD"}), ""))
        return [Fact("disk.data", (sizes[0], place, count), "add")]
    return [Fact("disk.any", sizes[0])]


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
    return [Fact("mounts", {"path": paths[0], "size": size[0] if size else None, **read_only}, "add")]


def between(first_: str, last: str) -> list[str]:
    """Return the addresses from the first to the last, whose leading parts may be left out."""
    head, _, tail = first_.partition("/")[0].rpartition(".")
    end, _, prefix = last.lstrip(".").partition("/")
    prefix = prefix or first_.partition("/")[2]
    low, high = int(tail), int(end.rpartition(".")[2])
    return [f"{head}.{n}{f'/{prefix}' if prefix else ''}" for n in range(low, min(high, low + 255) + 1)]


def written_out(address: str) -> list[str]:
    """Return the addresses of a token such as `10.0.0.31-33/24`, or the one that it is."""
    match = re.fullmatch(r"([\d.]+)\s?[-\u2013]\s?([\d.]+)(/\d+)?", address)
    return between(match[1], match[2] + (match[3] or "")) if match else [address]


def address_range(items: Sequence[Item]) -> list[Fact]:
    """Read addresses from the first to the last, of which only the end may be said."""
    ends = [str(i.value) for i in items if i.tag in {"ADDR", "LASTPART", "NUM"}]
    facts = [Fact("addresses", between(ends[0], ends[1]))]
    return facts + [Fact("prefix", int(text[1:])) for text in values(items, "PREFIXLEN")]


def addresses(items: Sequence[Item]) -> list[Fact]:
    """Read addresses: listed, or the first of consecutive ones."""
    tags = [i.tag for i in items]
    found = [i for i in items if i.tag in {"ADDR", "LASTPART"}]
    listed = list[str]()
    for item in found:
        if item.tag == "LASTPART" and listed:
            head, _, prefix = listed[-1].partition("/")
            near = f"{head.rpartition('.')[0]}{item.value}"
            listed += written_out(near if "/" in near or not prefix else f"{near}/{prefix}")
        else:
            listed += written_out(str(item.value))
    ends = {a.partition("/")[2] for a in listed} - {""}
    if len(ends) == 1:
        listed = [a if "/" in a else f"{a}/{next(iter(ends))}" for a in listed]
    if len(listed) == 1 and _is_network(listed[0]) and "IP" not in tags:
        return [Fact("subnet", listed[0])]
    starts = {"STARTING", "FIRST", "ONWARDS"} & set(tags)
    facts = [Fact("addresses.from", listed[0])] if starts else [Fact("addresses", listed)]
    facts += [Fact("prefix", int(text[1:])) for text in values(items, "PREFIXLEN")]
    return facts


def _is_network(address: str) -> bool:
    """Tell whether an address is that of a whole network, such as 10.8.0.0/24."""
    from ipaddress import ip_interface

    try:
        whole = ip_interface(address)
    except ValueError:
        return False
    return "/" in address and whole.network.num_addresses > 2 and whole.ip == whole.network.network_address


def ends_only(items: Sequence[Item]) -> list[Fact]:
    """Read addresses of which only the ends are said, the network being known: `.5 and .6`."""
    return [Fact("addresses", [str(v) for v in values(items, "LASTPART")])]


def gateway(items: Sequence[Item]) -> list[Fact]:
    """Read a gateway, of which only the end may be said."""
    return [Fact("gateway", str(items[-1].value).partition("/")[0])]


def netmask(items: Sequence[Item]) -> list[Fact]:
    """Read a netmask as a prefix length."""
    from ipaddress import ip_network

    try:
        return [Fact("prefix", ip_network(f"0.0.0.0/{items[-1].value}").prefixlen)]
    except ValueError:
        return [Fact("invalid_ip", items[-1].value)]


def subnet(items: Sequence[Item]) -> list[Fact]:
    """Read the network that addresses are in."""
    return [Fact("subnet", items[-1].value)]


def ports(items: Sequence[Item]) -> list[Fact]:
    """Read ports to open, with protocol and source."""
    source = [str(v) for v in values(items, "ADDR")]
    kind = "/udp" if values(items, "UDP") else ""
    listed: list[Any] = [f"{n}{kind}" if kind else n for n in values(items, "NUM")]
    listed += [
        str(v).lower() if str(v).lower().endswith("udp") else int(str(v)[:-4]) for v in values(items, "PORTPROTO")
    ]
    return [Fact("open_ports", f"{p}@{source[0]}" if source else p, "add") for p in listed]


def both_protocols(items: Sequence[Item]) -> list[Fact]:
    """Read a port that is open for TCP and UDP."""
    number = values(items, "NUM")[0]
    return [Fact("open_ports", number, "add"), Fact("open_ports", f"{number}/udp", "add")]


def clone(items: Sequence[Item]) -> list[Fact]:
    """Read the template of clones, and of which kind they are."""
    kind = next((i.tag.lower() for i in items if i.tag in {"FULL", "LINKED"}), None)
    return [Fact("template", values(items, "NUM")[0]), *([Fact("clone", kind)] if kind else [])]


def replaced(items: Sequence[Item]) -> list[Fact]:
    """Read software that takes the place of other software."""
    old, new = (i for i in items if i.tag == "SWV")
    return [Fact("software", old.value[0], "remove"), *software([new])]


def services(items: Sequence[Item]) -> list[Fact]:
    """Read ports that are said by what listens there."""
    return [Fact("open_ports", {"HTTP": 80, "HTTPS": 443}[i.tag], "add") for i in items if i.tag in {"HTTP", "HTTPS"}]


def protocols(items: Sequence[Item]) -> list[Fact]:
    """Read ports that each have a protocol: `udp 34197 and tcp 27015`."""
    facts: list[Fact] = []
    kind = ""
    for item in items:
        kind = "/udp" if item.tag == "UDP" else "" if item.tag == "PORT" and item.low == "tcp" else kind
        if item.tag == "NUM":
            facts.append(Fact("open_ports", f"{item.value}{kind}" if kind else item.value, "add"))
    return facts


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
    return lambda items: [Fact(name, not value if items[0].tag == "NO" else value)]


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
