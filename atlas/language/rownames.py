"""Plain words that are names since they stand where names do: `two vms, blue on pve1, green on pve2`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from atlas.language.items import Item, plural

_BEGINS = frozenset({"COMMA", "STOP", "AND", "COLON", "OPENP"})
_TELLS = frozenset({"ON", "WITH", "COLON", "OPENP", "SIZE", "CORESHORT", "ADDR", "DASH"})
_JOINS = frozenset({"COMMA", "AND", "SLASH"})
_PLAIN = frozenset({"WORD", "ROLE", "NAME", "CHECK", "BIG", "DATA", "BACKUP", "DNS", "NETWORK", "FIRST", "SECOND"})
"""What may be a name where as many values follow as there are such words."""
_MEASURES = frozenset({"NUM", "SIZE", "CORESHORT", "CORES", "MEMORY", "ADDR"})
_ENDS = _TELLS | {"", "COMMA", "STOP", "OSV", "NUM", "NAMED", "FILL"}
_BEFORE = frozenset(
    {"OSV", "WORD", "BIG", "FILL", "SWV", "ROLE", "UNPRIVILEGED", "PRIVILEGED", "HA", "KIND", "DATA", "SAME"}
)


def with_names(items: Sequence[Item]) -> list[Item]:
    """Return the items with plain words in a row of guests taken as names."""
    out = _in_front(list(items))
    both = next((k for k, item in enumerate(out) if item.tag == "ALL"), 0)
    if both > 2 and all((_plain(out, k), out[k].tag in _JOINS)[k % 2] for k in range(both)):
        out = [replace(x, tag="NAME", value=x.low) if k < both and k % 2 == 0 else x for k, x in enumerate(out)]
    alone = [
        k
        for k in range(2, len(out) - 1)
        if (out[k - 1].tag, out[k + 1].tag) == ("OPENP", "CLOSEP")
        and _plain(out, k)
        and out[k - 2].tag in {"KIND", "NOUN"}
    ]
    for k in range(2, len(out) - 1):
        if [x.tag for x in out[k - 1 : k + 2]] == ["OPENP", "QUOTED", "CLOSEP"] and out[k - 2].tag in {"KIND", "NOUN"}:
            out[k] = replace(out[k], tag="NAME", text=str(out[k].value), value=str(out[k].value))  # `a vm ("web")`
    for k in alone if len(alone) > 1 else ():
        out[k] = replace(out[k], tag="NAME", value=out[k].low)  # `a web vm (fe) … and a db vm (be) …`
    for k in range(2, len(out) - 2):
        guest = {out[k - 2].tag, *(x.tag for x in out[max(0, k - 4) : k - 1])} & {"KIND", "NOUN", "ROLE"}
        if out[k - 1].tag == "OPENP" and _plain(out, k) and out[k + 1].tag == "COMMA" and guest and _values(out, k + 2):
            out[k] = replace(out[k], tag="NAME", value=out[k].low)  # `an lxc for php (pma, 1c 512m)`
    for k, item in enumerate(out):
        if item.tag not in {"KIND", "NOUN"}:
            continue
        count = _count(out, k)
        if not plural(item) if count is None else not 2 <= count <= len(out):
            continue
        for j in (*_announced_behind(out, k), *_row(out, k, count)):
            out[j] = replace(out[j], tag="NAME", value=out[j].low)
    return out


def _tag(items: Sequence[Item], k: int) -> str:
    return items[k].tag if 0 <= k < len(items) else ""


def _count(items: Sequence[Item], k: int) -> int | None:
    """Return how many guests are said in front of a noun."""
    at = k - 1
    while _tag(items, at) in _BEFORE:
        at -= 1
    return items[at].value if _tag(items, at) in {"NUM", "TIMES"} and at >= 0 else None


def _plain(items: Sequence[Item], j: int) -> bool:
    """Tell whether a word without a meaning of its own stands at an item."""
    return _tag(items, j) == "WORD" and not items[j].guessed and items[j].text.isalpha()


def _told(items: Sequence[Item], begin: int, end: int, *, roles: bool = False) -> list[int]:
    """Return where plain words stand at the head of a clause, and something is said of them."""
    said = (j for j in range(begin, end) if _tag(items, j + 1 + (_tag(items, j + 1) == "FILL")) in _TELLS)
    heads = (j for j in said if _plain(items, j) or (roles and items[j].tag == "ROLE"))
    return [
        j for j in heads if j == 0 or _tag(items, j - 1) in _BEGINS or (j == begin and _tag(items, j + 1) == "OPENP")
    ]


def _row(items: Sequence[Item], k: int, count: int | None) -> list[int]:
    """Return where the words stand behind a noun that are its guests' names; nothing if they are not as many."""
    told = _told(items, k + 1, len(items))
    if count is not None and told and len(told) < count:
        told = _told(items, k + 1, len(items), roles=True)  # `three vms: pub at …, app at … and adm at …`
    if count is not None:
        return told if len(told) == count else _listed(items, k, count)
    if not _plain(items, k + 1) or _tag(items, k + 2) not in _TELLS:
        return []
    alike = [j for j in told if _tag(items, j + 1) == _tag(items, k + 2)]
    return [k + 1, *alike] if alike else []


def _announced_behind(items: Sequence[Item], k: int) -> list[int]:
    """Return where the names stand in `alpha on vlan 10 and beta on vlan 20, both debian vms`."""
    begin = k
    while _tag(items, begin - 1) in _BEFORE:
        begin -= 1
    told = _told(items, 0, max(0, begin - 2))
    counted = _tag(items, begin - 1) == "NUM" and items[begin - 1].value == len(told) > 1
    if counted and not any(item.tag in {"KIND", "NOUN"} for item in items[:begin]):
        return told  # `alpha on pve1, beta on pve2: two debian vms`
    if _tag(items, begin - 1) != "ALL" or any(item.tag in {"KIND", "NOUN"} for item in items[:begin]):
        return []
    told = _told(items, 0, begin)
    return told if len(told) > 1 and len({_tag(items, j + 1) for j in told}) == 1 else []


def _listed(items: Sequence[Item], k: int, count: int) -> list[int]:
    """Return a list of so many words behind `three vms:`; nothing if it is longer or shorter."""
    at = k + 1
    while _tag(items, at) in {"OSV", "COMMA", "DASH", "FILL"}:
        at += 1
    opened = _tag(items, at) in {"COLON", "OPENP"}
    found, end = _words(items, at + opened)
    if len(found) != count and not opened:
        return _letters(items, k, count)
    apart = _tag(items, at - 1) in {"COMMA", "DASH"} and not {x.tag for x in items[k + 1 : at]} & {"OSV"}
    beside = apart and _tag(items, end) in {"COMMA", "STOP", "DASH", ""}
    plain = all(items[j].tag == "ROLE" for j in found) or any(_plain(items, j) for j in found)
    if beside and plain and _tag(items, found[-1] - 1) == "AND":
        return found  # `two vms, blue and green, …`
    named = _tag(items, at) == "COLON" and 1 < len(found) != count and all(_plain(items, j) for j in found)
    if named and _tag(items, end) in {"STOP", ""} and isinstance(items, list):
        items[at] = replace(items[at], tag="NAMED")  # `three vms: alpha, beta` is one name short
    valued = _values(items, end + 1) == count
    plain = opened and all(_tag(items, j) == "WORD" for j in found)
    return found if len(found) == count and (plain or valued) else []


def _letters(items: Sequence[Item], k: int, count: int) -> list[int]:
    """Return where names of one or two letters stand right behind a noun: `two vms a and b`."""
    found = list(range(k + 1, k + 2 * count, 2))
    short = all(j < len(items) and items[j].text.isalpha() and len(items[j].text) < 3 for j in found)
    joined = all(_tag(items, j + 1) in _JOINS for j in found[:-1]) and _tag(items, found[-1] - 1) == "AND"
    return found if short and joined and _tag(items, found[-1] + 1) in _ENDS else []


def _words(items: Sequence[Item], at: int) -> tuple[list[int], int]:
    """Return where the words of a list stand, and where it ends."""
    found: list[int] = []
    end = at
    while _tag(items, at) in _PLAIN and not items[at].guessed:
        found.append(at)
        at = end = at + 1
        while _tag(items, at) in _JOINS:
            at += 1
        if at == end:
            break
    return found, end


def _in_front(items: list[Item]) -> list[Item]:
    """Put the noun of `dev and prod vms: 2c 4g, 4c 8g` in front, where the words before it are names."""
    for k, item in enumerate(items):
        if item.tag != "KIND" or not plural(item) or _tag(items, k - 2) not in _JOINS:
            continue
        begin = k
        while _tag(items, begin - 1) in _PLAIN | _JOINS:
            begin -= 1
        found, end = _words(items, begin)
        values = k + 2 + (_tag(items, k + 2) == "VLAN")
        valued = _tag(items, k + 1) in {"COLON", "WITH", "ON", "COMMA"} and _values(items, values) == len(found)
        numbered = all(re.fullmatch(r"[a-z]+-?\d+", items[j].low) for j in found)  # `c3 and c4 vms`
        if len(found) > 1 and end == k and (valued or numbered):
            names = [replace(x, tag="NAME", value=x.low) if x.tag in _PLAIN else x for x in items[begin:k]]
            return [*items[:begin], item, *names, *items[k + 1 :]]
    return items


def _values(items: Sequence[Item], at: int) -> int:
    """Return how many values are listed at an item: `2c 4g, 4c 8g and 8c 16g` are three."""
    found = 0
    while True:
        begin = at
        while _tag(items, at) in _MEASURES or (_tag(items, at) == "WORD" and items[at].text[-1].isdigit()):
            at += 1
        if at == begin:
            return found
        found += 1
        while _tag(items, at) in _JOINS:
            at += 1
