"""Verbs that take guests, disks and further things away."""

from __future__ import annotations

from atlas.language import changing, groups
from atlas.language.draft import label
from atlas.language.facts import Fact
from atlas.language.nouns import Subject
from atlas.language.reading import Reading
from atlas.language.subjects import subject_at

_PARTS = frozenset({"SWV", "ROOT", "SNAPSHOT", "VLAN", "TAG", "GATEWAY"})


def remove(r: Reading, i: int) -> int:
    """Take away guests, disks or `one of them`."""
    at = i + 1
    while r.tag(at) in {"A", "FILL", "ALL"}:
        at += 1
    if used := _part(r, i, at):
        return used
    subject = subject_at(r.items, i + 1, bare=True)
    if subject and subject.kind and subject.indefinite and not r.draft.guests and r.items[i].low == "drop":
        return 1  # `drop a vm on pve2` puts one there
    behind = i + 1 + (subject.length if subject else 0)
    if subject and r.tag(behind) == "TO" and r.tag(behind + 1) in {"NUM", "SIZE", "CORESHORT"}:
        return changing.change(r, i)  # `drop it to 1 core`
    if r.tag(at) in _PARTS and not (subject and r.tag(i + 1) == "A" and r.find(subject)):
        return 0
    if subject is None:
        r.unread += [r.items[i].text] if r.tag(at) == "NUM" else []
        return 1
    several = r.scope if subject.it and r.items[i + 1].low == "it" else []
    if len({label(r.draft.guests[g]) for g in several}) > 1:
        names = ", ".join(label(r.draft.guests[g]) for g in several)
        r.ask("target", f"Which of {names} should go?", several)
        return 1 + subject.length
    going = _going(r, subject)
    if not going:
        r.ask("target", f"Which guest should go? There is no {subject.words or 'such guest'} in this draft.")
    for g in sorted(going, reverse=True):
        groups.delete(r, g)
    return 1 + subject.length


def _part(r: Reading, i: int, at: int) -> int:
    """Take away a disk, a tag, some of those that are spoken of, or a size, which is then asked for."""
    if r.tag(at) in {"DATA", "DISK"}:
        for g in r.ahead(at) or r.scope:
            disks = r.draft.guests[g].fields.get("disks", [])
            if len(disks) > 1:
                disks.pop()
                r.apply.notes.append("disk")
        return at - i + 1 + (r.tag(at + 1) == "DISK")
    of = 2 * (r.tag(at + 1) == "OF" and r.tag(at + 2) in {"ALL", "IT"})
    alone = r.tag(at + 1) in {"", "COMMA", "STOP", "AND"} and r.old and not r.subjects  # `and drop one`
    if r.tag(at) == "NUM" and (of or alone):
        found = r.scope or r.everyone()
        if r.items[at].value < len(found) and all(r.draft.guests[g].name for g in found):
            names = ", ".join(label(r.draft.guests[g]) for g in found)
            r.ask("target", f"Which of {names} should go?", found)
            return at + 1 + of - i
        for g in sorted(found[-r.items[at].value :], reverse=True):
            groups.delete(r, g)  # `drop one of them`
        return at + 1 + of - i
    if r.tag(at + 1) == "TAG" and r.tag(at + 2) not in {"WORD", "ROLE"}:
        r.state(Fact("tags", r.items[at].low, "remove"))  # `remove the ops tag`
        return at + 2 - i
    size = {"MEMORY": "memory", "CORES": "cores"}.get(r.tag(at))
    if size and r.old and not any(r.tag(k) in {"NUM", "SIZE"} for k in range(i, r.clause_end(i))):
        r.ask(size, f"How much {size} should it have then?", r.scope)  # `forget the memory`
        return at + 1 - i
    return 0


def _going(r: Reading, subject: Subject) -> list[int]:
    """Return the guests that are to be removed."""
    found = r.scope if subject.it else r.find(subject)
    if subject.ordinal is not None:
        return r.picked(found or list(range(len(r.draft.guests))), subject)
    if subject.count is not None and subject.count < len(found):
        return found[-subject.count :]
    return found


def gone(r: Reading, i: int) -> int:
    """Take `web3 can go` as its removal."""
    if not r.old or not (r.placed or r.subjects) or r.tag(i + 1) not in {"", "COMMA", "STOP", "AND", "FILL"}:
        return 1
    for g in sorted(r.latest or r.scope, reverse=True):
        groups.delete(r, g)
    return 1


def only(r: Reading, i: int) -> int:
    """Take `scrap that, just web1` and `only keep a and b` as the removal of all others."""
    at = i + 1
    kept: list[int] = []
    while r.old and not r.subjects:
        while r.tag(at) in {"FILL", "AND", "COMMA"}:
            at += 1
        subject = subject_at(r.items, at, bare=True)
        found = r.find(subject) if subject and not subject.it else []
        if subject is None or not found:
            break
        kept, at = [*kept, *found], at + subject.length
    if not kept or r.tag(at) not in {"", "STOP"}:
        return 0
    if any(item.tag not in {"FILL", "REMOVE", "CHANGE", "COMMA", "STOP", "IT", "ALL", "NO"} for item in r.items[:i]):
        return 0
    for g in [g for g in range(len(r.draft.guests) - 1, -1, -1) if g not in kept]:
        groups.delete(r, g)
    return at - i
