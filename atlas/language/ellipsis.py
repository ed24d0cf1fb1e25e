"""What words leave out since it was just said: `two NICs: the first on vmbr0`, `an arbitrator … arbitrator 1c 1g`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from atlas.language.items import Item, numbered_names, plural
from atlas.language.namelists import stem_of
from atlas.language.nouns import sized

_ORDINALS = frozenset({"FIRST", "SECOND", "THIRD"})
_BEGINS = frozenset({"", "COMMA", "STOP", "AND", "COLON", "OPENP", "A"})
_TELLS = frozenset({"ON", "COLON", "WITH", "VMBR", "DHCP", "SIZE", "STATIC", "IP", "ADDR", "DASH", "VLAN", "VLANNUM"})
_SHORT_ROW = re.compile(r"([a-z][\w-]*?)(\d+)-(\d+)")


def filled(items: list[Item]) -> list[Item]:
    """Return the items with what they leave out."""
    return _rows(_roles(_parts(_indexed(_slashed(items)))))


def _tag(items: Sequence[Item], k: int) -> str:
    return items[k].tag if 0 <= k < len(items) else ""


def _slashed(items: list[Item]) -> list[Item]:
    """Take slashes between names of one row as commas: `web1/web2/web3`."""
    out = list(items)
    for k, item in enumerate(items):
        if item.tag == "SLASH" and 0 < k < len(items) - 1:
            stems = {stem_of(items[j].low) for j in (k - 1, k + 1) if items[j].tag == "WORD"}
            out[k] = (
                replace(item, tag="COMMA")
                if len(stems) == 1 and stems != {""} and _tag(items, k - 1) == "WORD"
                else item
            )
    return out


def _indexed(items: list[Item]) -> list[Item]:
    """Count disks that have numbers, such as `disk1` and `disk2`, from the first of them."""
    lowest = min((x.value for x in items if x.tag == "DISKINDEX"), default=0)
    return [replace(x, value=x.value - lowest) if x.tag == "DISKINDEX" else x for x in items]


def _parts(items: list[Item]) -> list[Item]:
    """Say of which things `the first` and `the second` are, where interfaces or disks were counted."""
    out: list[Item] = []
    noun: Item | None = None
    for k, item in enumerate(items):
        if noun is not None and noun.tag == "NIC" and _another(items, k):
            out += [Item("SECOND", None, item.text, item.start), noun]  # `one interface on vlan 5 and another one on 6`
            continue
        if out and out[-1] is noun and item.low == "one":
            continue
        out.append(item)
        if item.tag in {"KIND", "NOUN", "NODEWORD", "ROLE"}:
            noun = None
        if item.tag in {"NIC", "DISK"} and _counted(items, k):
            noun = replace(item, text=item.tag.lower())
        told = item.tag in _ORDINALS and _tag(items, k - 1) in _BEGINS and _tag(items, k + 1) in _TELLS
        if noun is not None and told:
            out.append(replace(noun, start=item.start))
    return out


def _counted(items: Sequence[Item], k: int) -> bool:
    """Tell whether a number of more than one stands in front of a noun."""
    at = k - 1
    while _tag(items, at) in {"DATA", "WORD", "FILL", "NETWORK"}:
        at -= 1
    one = items[k].tag == "NIC" and _tag(items, at) == "A"
    return one or (_tag(items, at) in {"NUM", "TIMES"} and items[at].value > (items[k].tag != "NIC"))


def _another(items: Sequence[Item], k: int) -> bool:
    """Tell whether `another (one)` stands at an item, and something is said of it."""
    at = k + 1 + (items[k + 1].low == "one" if k + 1 < len(items) else 0)
    return items[k].tag == "MORE" and _tag(items, k - 1) in {"AND", "COMMA"} and _tag(items, at) in _TELLS


def _roles(items: list[Item]) -> list[Item]:
    """Take a plain word for guests wherever it stands, where sizes follow it at the head of a clause."""
    heads = {
        item.low
        for k, item in enumerate(items)
        if item.tag == "WORD" and _tag(items, k - 1) in {"STOP", "COMMA", "AND"} and sized(items, k + 1)
    }
    spoken = {
        item.low
        for k, item in enumerate(items)
        if item.tag == "WORD" and item.low in heads and _tag(items, k - 1) in {"A", "NUM"}
    }
    told = {
        item.value
        for k, item in enumerate(items)
        if item.tag == "SWV" and _tag(items, k - 1) in {"STOP", "COMMA"} and sized(items, k + 1)
    }
    out: list[Item] = []
    for k, item in enumerate(items):
        listed = _tag(items, k - 1) in {"", "A", "COMMA", "AND"} and not sized(items, k + 1)
        if item.tag == "SWV" and item.value in told and listed and not any(x is item for x in out):
            out.append(Item("NUM", 1, "one", item.start))  # `gitlab and 2 runners. gitlab: 8c 16g`
            told.discard(item.value)
        out.append(replace(item, tag="ROLE") if item.tag == "WORD" and item.low in spoken else item)
    return out


def _rows(items: list[Item]) -> list[Item]:
    """Write out `swarm1-3`, where as many guests are counted."""
    out = list(items)
    counted = {x.value for k, x in enumerate(items) if x.tag in {"NUM", "TIMES"} and _names_guests(items, k)}
    for k, item in enumerate(items):
        match = _SHORT_ROW.fullmatch(item.low) if item.tag in {"WORD", "NAME"} else None
        apart = not counted and _tag(items, k - 1) in {"", "COMMA", "COLON", "AND", "STOP"} and sized(items, k + 2)
        if match and (
            int(match[3]) - int(match[2]) + 1 in counted or (apart and 0 < int(match[3]) - int(match[2]) < 20)
        ):
            out[k] = replace(item, tag="NAMES", value=numbered_names(f"{match[1]}{match[2]}..{match[3]}"))
    return out


def _names_guests(items: Sequence[Item], k: int) -> bool:
    ahead = (items[j] for j in range(k + 1, min(k + 4, len(items))))
    return any((x.tag in {"KIND", "NOUN", "ROLE", "NODEWORD"} and plural(x)) or x.tag == "OSV" for x in ahead)
