"""Values said one for each guest, in the guests' order: `a, b and c with 2, 4 and 8 GB`, `vlans 10 and 20`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from atlas.language import grammar
from atlas.language.facts import Fact
from atlas.language.items import Item
from atlas.language.reading import Reading

_VALUES = frozenset({"NUM", "SIZE", "CORESHORT", "CORES", "MEMORY", "DISK", "OF", "VLANNUM"})
_JOINS = frozenset({"COMMA", "AND", "SLASH"})
_NOUNS = frozenset({"CORESHORT", "CORES", "MEMORY", "DISK", "VLANNUM"})
_SAID = frozenset(
    {"respectively", "rispettivamente", "jeweils", "respectivamente", "respectivement", "beziehungsweise"}
)


def each_its_own(r: Reading, i: int) -> int:
    """Give each guest that is spoken of its own of as many values; return how many items it takes."""
    guests = list(r.scope)
    if len(guests) < 2 or not (r.subjects or r.placed):
        return 0
    start = i + (r.tag(i) == "VLAN")
    parts, end = _parts(r, start, len(guests))
    if len(parts) != len(guests):
        return 0
    listed = any(r.tag(k) == "AND" for k in range(start, end))
    whole = _completed(r, parts, vlan=start > i, listed=listed)
    if whole is None:
        return 0
    for g, part in zip(guests, whole, strict=True):
        for fact in _facts(part):
            r.apply.apply(fact, [g])
    r.joinable = False
    return end - i


def _parts(r: Reading, at: int, most: int) -> tuple[list[list[Item]], int]:
    """Return the parts of a list of values, and where it ends; no parts if there is one more than can be."""
    parts: list[list[Item]] = []
    end = at
    while r.tag(at) in _VALUES:
        begin = at
        while r.tag(at) in _VALUES:
            at += 1
        parts.append(r.items[begin:at])
        end = at
        while r.tag(at) in _JOINS:
            at += 1
        if at == end:
            break
        if len(parts) == most:
            after = at
            while r.tag(after) in _VALUES:
                after += 1
            more = [item.tag for item in r.items[at:after]] == [item.tag for item in parts[-1]]
            return ([], end) if more else (parts, end)
    return parts, end


def _completed(r: Reading, parts: list[list[Item]], *, vlan: bool, listed: bool) -> list[list[Item]] | None:
    """Return parts that each say what they measure, as the last one does; None where they are no row."""
    shapes = [[item.tag for item in part] for part in parts]
    if vlan:
        return [[replace(p[0], tag="VLANNUM")] for p in parts] if all(s == ["NUM"] for s in shapes) else None
    if all(shape == shapes[-1] for shape in shapes) and _NOUNS & set(shapes[-1]):
        return parts
    last = parts[-1]
    if any(shape not in (["NUM"], ["SIZE"]) for shape in shapes[:-1]) or shapes[-1][:1] not in (["NUM"], ["SIZE"]):
        return None
    if last[0].tag == "NUM" and shapes[-1][1:] != ["CORES"]:
        return None
    numbers = all(shape == ["NUM"] for shape in shapes[:-1])
    if not numbers and last[0].tag != "SIZE":
        return None
    said = any(item.low in _SAID for item in r.items)
    apart = len({r.draft.guests[g].name for g in r.scope}) == len(r.scope)
    sizes = [p[0].value for p in parts if p[0].tag == "SIZE"]
    close = apart and max(sizes, default=0) <= 4 * min(sizes, default=0)  # `4 GB and 8 GB`, no memory and its disk
    if not (numbers or said or "MEMORY" in shapes[-1] or (listed and len(last) == 1 and close)):
        return None
    return [[_measured(part[0], last[0]), *last[1:]] for part in parts]


def _measured(item: Item, last: Item) -> Item:
    """Return a number with the unit of the last one: the 2 of `2, 4 and 8 GB`."""
    if item.tag == last.tag or last.tag != "SIZE":
        return item
    number = float(re.sub(r"[^\d.,]", "", last.text).replace(",", ".") or 1)
    return replace(item, tag="SIZE", value=float(item.value) * last.value / number)


def _facts(part: Sequence[Item]) -> list[Fact]:
    """Return what one part says: sizes without a noun are memory and then disk."""
    line = "".join(f"{item.tag} " for item in part)
    facts: list[Fact] = []
    at = 0
    while at < len(part):
        offset = sum(len(item.tag) + 1 for item in part[:at])
        found, used = grammar.match(part, line, offset, at) or ([], 1)
        if not found and part[at].tag == "SIZE":
            known = {fact.field for fact in facts}
            found = [Fact("disk.any" if "memory" in known else "memory", part[at].value)]
        facts += found
        at += used
    return facts
