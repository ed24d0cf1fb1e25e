"""What of a message nothing was made of although it means something: it is asked about, never dropped in silence."""

from __future__ import annotations

import re

from atlas.language.reading import Reading

_NAMELIKE = re.compile(r"(?![A-Z]{2,}-?\d+$|(?:19|20)\d\d$)(?=.*\d|.*-[a-z]$)[\w.-]+")
"""Words that mean something about guests although it is not known what, such as `web9`; no ticket and no year."""
_MEANS = frozenset(
    (
        *("PATH", "READONLY", "NAMES", "URL", "KEY", "MACADDR", "MTU", "VERSION", "PORTPROTO", "PREFIXLEN"),
        *("LASTPART", "ADDR", "SIZE", "GPUMODEL", "VMBR", "SHARE", "FACTOR", "EXCEPT", "CLOSE", "GONE", "REPLACE"),
        *("NEVER", "POOL", "USER", "ORDER", "ONBOOT", "PROTECTION", "CPUTYPE", "UDP", "FEWER"),
        *("BALLOON", "NESTING", "OFF", "VMID", "CORESHORT", "TIMES", "REACH", "MIN", "VLAN", "OR"),
    )
)
"""Concepts that always say something of guests."""
_NOTHING = frozenset(
    {
        *("", "COMMA", "STOP", "CLOSEP", "DASH", "COLON", "AND", "OR", "ONLY"),
        *("CHANGE", "IT", "ALL", "WORD", "QUOTED", "NAMED", "ROLE"),
    }
)
"""What a `no` may stand before and deny nothing: it begins a correction, or is a word of courtesy."""
_WANTED = frozenset({"OSWORD", "ROOT", "VLAN", "IP", "DISK", "MEMORY", "CORES", "NODEWORD", "STORAGE", "GATEWAY"})
"""What a value is wanted for."""


def passed(r: Reading, i: int) -> None:
    """Note an item that no rule took: a word that is not known, or something of meaning that has to be asked about."""
    item = r.items[i]
    if item.tag in {"WORD", "QUOTED"}:
        r.unknown.append(item.text)
    placed = r.tag(i + 1) == "ON" and r.tag(i + 2) == "WORD" and r.tag(i - 1) in {"", "COMMA", "STOP", "AND", "COLON"}
    value = r.tag(i - 1) == "COLON" and r.tag(i + 1) in {"STOP", "COMMA", ""}  # `vm: archive; os: debian`
    begins = r.tag(i - 1) in {"", "COMMA", "STOP", "AND", "COLON"}
    value = value or (begins and "-" in item.text and i + 1 < len(r.items))  # `db-main must be on pve1`
    some = item.tag == "MORE" and r.tag(i - 1) == "NUM"
    counts = item.tag == "FACTOR" and "times" in item.low  # `clone it three times`
    loud = (
        some
        or (item.tag in _MEANS and not counts)
        or (
            item.tag == "WORD"
            and (value or (placed and not item.low.endswith(("ed", "ing"))) or _NAMELIKE.fullmatch(item.text))
        )
    )
    if loud or (item.tag == "NO" and _denies(r, i)):
        r.unread.append(item.text)


def _denies(r: Reading, i: int) -> bool:
    """Tell whether a `no` that no rule took denies something that was then read as if it were wanted."""
    at = i + 1
    while r.tag(at) in {"A", "FILL"}:
        at += 1
    undecided = r.tag(at) == "WORD" and r.tag(i - 1) in _WANTED  # `the os is not decided`
    return undecided or r.tag(at) not in _NOTHING
