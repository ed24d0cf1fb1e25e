"""Facts: what is said about guests, and the makers of those about sizes, disks, software and what is switched on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from atlas.language.items import Item

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
    return lambda items: [
        Fact(name, not value if any(i.tag in {"NO", "OFF"} or i.value == 0 for i in items) else value)
    ]


def firewall(items: Sequence[Item]) -> list[Fact] | None:
    """Read `firewall=1` and `firewall=0`; any other number is a port."""
    value = items[-1].value
    return [Fact("firewall", bool(value))] if value in {0, 1} else None


def running(items: Sequence[Item]) -> list[Fact]:
    """Read software that has to run, which is to be checked too."""
    return [*software(items[:1]), Fact("checks", {"service": items[0].low}, "add")]


def page(items: Sequence[Item]) -> list[Fact]:
    """Read `GET /health on 8080 must return 200`."""
    port, *status = values(items, "NUM")
    scheme = "https" if any(i.tag == "HTTPS" for i in items) else "http"
    page = {"scheme": scheme, "port": port, "path": values(items, "PATH")[0]}
    page |= {"status": status[0]} if status[:1] not in ([], [200]) else {}
    return [Fact("checks", {"http": page}, "add")]


def cpu_type_host(items: Sequence[Item]) -> list[Fact] | None:
    """Read `cpu: host`."""
    return [Fact("cpu.type", items[-1].low)] if items[-1].low in {"host", "max", "kvm64"} else None


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


def not_that(items: Sequence[Item]) -> list[Fact] | None:
    """Skip what something is not, such as `8 GB instead of 4`; a bare `no, 8` is a correction."""
    return [] if items[0].low != "no" else None
