"""Where and what for: nodes and storages behind `on`, purposes behind `for`."""

from __future__ import annotations

import re

from atlas.language import groups
from atlas.language.facts import Fact
from atlas.language.nouns import GENERIC, Subject
from atlas.language.reading import Reading, is_storage, values_of
from atlas.language.subjects import subject_at
from atlas.language.zones import NETS, on_network

_NODE = re.compile(r"pve|node|host|prox|hv", re.IGNORECASE)


def on(r: Reading, i: int) -> int:
    """Take `on X` as a node or a storage, unless X is something else."""
    at = i + 1
    if used := _inside(r, i) or _host(r, i) or _guest(r, i):
        return used
    if r.tag(i) == "STARTING" and not (r.tag(at) == "WORD" and _NODE.match(r.items[at].text)):
        return 0
    while (
        r.tag(at) == "A"
        or (r.tag(at) == "STORAGE" and r.tag(at + 1) not in NETS)
        or (r.tag(at) == "FILL" and r.tag(i) != "TO")
    ):
        at += 1
    marked = any(r.tag(k) == "STORAGE" for k in range(i, at))
    if r.tag(i) in {"ON", "TO"} and (used := on_network(r, i, at)):
        return used
    if r.tag(at) == "FAST":
        return fast(r, at) + at - i
    item = r.items[at] if at < len(r.items) else None
    medium = item is not None and r.tag(i) == "ON" and item.low in {"hdd", "ssd"} and r.tag(at + 1) != "DISK"
    pooled = r.tag(at + 1) == "POOL" and r.tag(at + 2) in {"", "COMMA", "STOP", "AND"}  # `in the web pool`
    if (
        item is None
        or pooled
        or not (item.guessed or medium or item.tag in {"WORD", "QUOTED", "DATA", "ROOT"})
        or r.tag(i) == "OF"
    ):
        return 0
    name = str(item.value) if item.tag == "QUOTED" else item.text
    if item.tag in {"DATA", "ROOT"} and r.tag(at + 1) == "DISK":
        return 0
    if r.tag(i) == "TO" and is_storage(name) is False and not re.search(r"\d|node|pve", name, re.IGNORECASE):
        return 0
    storage = marked or (r.tag(at + 1) == "STORAGE" and r.tag(at + 2) not in {"WORD", "QUOTED"}) or is_storage(name)
    after_disk = i > 0 and r.tag(i - 1) in {"DISK", "DATA", "SIZE", "ROOT", "NUM", "EACH"}
    if not storage and after_disk and not _NODE.match(name):
        storage = True
    if storage and not after_disk:
        r.apply.disks = None
    listed, end = _nodes(r, at)
    if not storage and len(r.scope) == len(listed) > 1:  # `web1 and web2 on pve1 and pve2`
        for g, node in zip(list(r.scope), listed, strict=True):
            r.apply.apply(Fact("node", node), [g])
        r.joinable = False
        return end - i
    r.last = Fact("storage" if storage else "node", name)
    r.state(r.last, r.ahead(at + 1))
    return at + 1 - i + (storage and r.tag(at + 1) == "STORAGE")


def _guest(r: Reading, i: int) -> int:
    """Go on with a guest: `on web1 open 80`."""
    name = r.items[i + 1].low if r.tag(i + 1) == "WORD" else ""
    found = r.find(Subject(names=[name])) if name else []
    if not found or any((r.draft.guests[g].name or "").lower() != name for g in found):
        return 0
    groups.narrow(r, found)
    return 2


def _host(r: Reading, i: int) -> int:
    """Take `on host pve2`."""
    at = i + 1 + (r.tag(i + 1) == "A")
    if r.tag(at) != "NOUN" or r.items[at].low != "host" or r.tag(at + 1) != "WORD":
        return 0
    r.state(Fact("node", r.items[at + 1].text))
    return at + 2 - i


def swapped(r: Reading, i: int) -> int:
    """Take `pve2 not pve1` as another value of what has the second one now."""
    behind = i + 2 + (r.tag(i + 2) == "A")
    if (
        r.tag(i + 1) in {"AS", "FOR"}
        and r.tag(behind) == "STORAGE"
        and r.tag(behind + 1) in {"", "COMMA", "STOP", "AND"}
    ):
        r.state(Fact("storage", r.items[i].text))  # `use tank as storage`
        return behind + 1 - i
    if _NODE.match(r.items[i].text) and i + 1 < len(r.items) and r.items[i + 1].low in {"has", "ha", "hat", "tiene"}:
        r.state(Fact("node", r.items[i].text))  # `a GPU (pve7 has one)`
        return 2
    if r.tag(i - 1) == "NO" and r.tag(i - 2) in {"COMMA", "DASH"} and r.last and r.tag(i + 1) in {"", "STOP", "COMMA"}:
        if r.last.field not in {"node", "pool", "template", "storage", "bridge"}:
            return 0
        r.apply.correcting = True
        r.state(Fact(r.last.field, r.items[i].text))  # `on pve2, no pve3`
        return 1
    stored = any(d.get("storage") for g in r.scope for d in r.draft.guests[g].fields.get("disks", []))
    if r.old and r.apply.correcting and stored and is_storage(r.items[i].text) and not r.subjects:
        r.state(Fact("storage", r.items[i].text), r.scope)  # `no, fastpool after all`
        return 1
    if r.tag(i + 1) != "NO" or r.tag(i + 2) != "WORD":
        return 0
    new, old = r.items[i].text, r.items[i + 2].low
    for field in ("node", "pool", "template"):
        guests = [g for g in r.scope if str(r.draft.guests[g].fields.get(field, "")).lower() == old]
        if guests:
            r.state(Fact(field, new), guests)
            return 3
    return 0


def _nodes(r: Reading, at: int) -> tuple[list[str], int]:
    """Return the nodes that are listed from an item on, and where the list ends."""
    listed = [r.items[at].text]
    at += 1
    while True:
        joint = at
        while r.tag(joint) in {"COMMA", "AND", "SLASH"}:
            joint += 1
        if joint == at or r.tag(joint) != "WORD" or not _NODE.match(r.items[joint].text):
            return listed, at
        listed.append(r.items[joint].text)
        at = joint + 1


def _inside(r: Reading, i: int) -> int:
    """Take `nginx in a vm` as what kind of guest it is, and no further guest."""
    subject = subject_at(r.items, i + 1, bare=False) if r.joinable and r.subjects else None
    if subject is None or not subject.kind or not subject.indefinite or subject.role or subject.names or subject.more:
        return 0
    groups.apply_subject(r, subject, r.scope)
    return 1 + subject.length


def on_storage(r: Reading, i: int) -> bool:
    """Tell whether a storage follows: `80G on ssd1`."""
    at = i + 1
    while r.tag(at) in {"A", "FILL"}:
        at += 1
    if r.tag(i) != "ON" or at >= len(r.items):
        return False
    return r.tag(at) in {"STORAGE", "FAST"} or (r.tag(at) == "WORD" and is_storage(r.items[at].text))


def storage(r: Reading, i: int) -> int:
    """Take `storage tank`."""
    at = i + 1
    while r.tag(at) in {"COLON", "ON", "A"}:
        at += 1
    if r.tag(at) in {"WORD", "QUOTED"}:
        r.apply.disks = None if r.tag(i - 1) != "DISK" else r.apply.disks
        r.state(Fact("storage", values_of(r.items[at : at + 1])[0]), r.ahead(at + 1))
        return at + 1 - i
    return 0


def fast(r: Reading, i: int) -> int:
    """Ask which storage `the fast storage` is."""
    guests = r.ahead(i) or r.scope
    r.ask("storage", f"Which storage is {r.items[i].text!r}? Give its name.", guests)
    r.apply.notes.append("storage")
    return 1


def purpose(r: Reading, i: int) -> int:
    """Take `for k3s` as what a guest is for: its role, and nothing to install."""
    at = i + 1
    while r.tag(at) == "FILL":
        at += 1  # `for my builds`
    subject = subject_at(r.items, at, bare=True)
    if subject is None or subject.count is not None or subject.kind or r.find(subject):
        return 0
    word = subject.role or (subject.names[0] if subject.names else "")
    for g in r.scope:
        if g >= r.old and word and r.draft.guests[g].role in GENERIC:
            r.draft.guests[g].role = word
    if subject.old:
        r.ask("target", f"Which guest is meant by {subject.words!r}? I know only what you say here.", r.scope)
    return at - i + subject.length
