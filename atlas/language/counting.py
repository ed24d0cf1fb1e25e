"""Numbers that several words spell: `3 times`, `between 3 and 5`, and addresses that have too few parts."""

from __future__ import annotations

from dataclasses import replace

from atlas.language.items import Item

_BETWEEN = frozenset({"between", "tra", "fra", "zwischen", "entre"})
_TIMES = frozenset({"times", "volte", "mal", "veces", "fois"})
_RANGES = frozenset({"VMID", "PORT", "OPEN", "COMMA", "LISTENER", "UDP"})
"""What a range of numbers may stand behind, rather than a number that is left open."""


def spelt(items: list[Item]) -> list[Item]:
    """Return the items with such numbers as one item, or with `or` between those that are left open."""
    out: list[Item] = []
    k = 0
    while k < len(items):
        item, rest = items[k], items[k + 1 : k + 4]
        tags = [x.tag for x in rest] + ["", "", ""]
        if item.low in _BETWEEN and tags[:3] == ["NUM", "AND", "NUM"]:
            out += [rest[0], replace(rest[1], tag="OR")]
            k += 3
        elif item.tag == "NUM" and tags[0] == "DASH" and tags[1] in {"NUM", "SIZE"} and _open(item, rest, out):
            out += [item, replace(rest[0], tag="OR")]
            k += 2
        elif item.tag == "NUM" and tags[0] == "WORD" and rest[0].low in _TIMES:
            out.append(replace(item, tag="TIMES"))
            k += 2
        elif item.tag == "VERSION" and tags[:2] == ["SLASH", "NUM"] and item.text.count(".") == 2:
            out.append(Item("ADDR", f"{item.text}/{rest[1].text}", item.text, item.start))  # to be refused as one
            k += 3
        else:
            out.append(item)
            k += 1
    return out


def _open(item: Item, rest: list[Item], out: list[Item]) -> bool:
    """Tell whether `3-5` leaves open how many there should be."""
    dash, follows = rest[:2]
    close = dash.start == item.start + len(item.text) and follows.start == dash.start + 1
    return close and (out[-1].tag if out else "") not in _RANGES
