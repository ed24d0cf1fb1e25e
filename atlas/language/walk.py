"""The walk over a message: at each item a verb, a subject or a fact, applied to whom the words are said of."""

from __future__ import annotations

import re

from atlas.language import grammar, groups, meeting, naming, owned, parts, unread
from atlas.language.disks import sizeless
from atlas.language.facts import Fact
from atlas.language.items import plural
from atlas.language.nouns import Subject
from atlas.language.places import on_storage
from atlas.language.reading import HARD, Reading
from atlas.language.respectively import each_its_own
from atlas.language.subjects import subject_at
from atlas.language.verbs import special
from atlas.units import GIB

_SHARED = frozenset({"image", "user.name", "ssh_keys", "dns", "search"})
"""What the guests of one request mostly have in common."""


_A_NODE = re.compile(r"pve|prox|hv\d|node\d", re.IGNORECASE)


def run(r: Reading) -> None:
    """Walk over the message."""
    i = 0
    while i < len(r.items):
        used = special(r, i)
        if not used:
            used = each_its_own(r, i) or owned.part_of(r, i) or _subject(r, i) or _fact(r, i)
        if not used:
            item = r.items[i]
            if item.tag == "NUM" and not (_likewise(r, i) or parts.some(r, i)):
                r.uncounted()
                r.count, r.number = item.value, item.text
            unread.passed(r, i)
            used = 1
        i += used
    _finish(r)


def _finish(r: Reading) -> None:
    if r.draft.guests:
        r.uncounted()
    parts.parts_left(r)
    if r.edit_only and not r.draft.guests:
        r.ask("target", "Which guest do you mean? There is none in this draft yet.")
        r.dangling = True
    if r.dangling and any(f.field == "disk.data" for f in r.pending):
        r.ask("disk", "How large should the disk be?")
    if r.dangling and any(f.field == "static" for f in r.pending):
        r.ask("ip", "Which address should it have?")
    if r.pending and not r.dangling and not r.draft.guests and any(f.field != "storage" for f in r.pending):
        groups.create(r, Subject(count=r.count if r.count and r.count > 0 else None))
    _names_left(r)
    naming.prefixed(r)
    targets = sorted({g for s in r.subjects for g in s}) or r.scope or list(range(len(r.draft.guests)))
    for fact in r.pending:
        r.apply.apply(fact, targets, weak=bool(r.subjects))
    if not targets and r.pending:
        r.apply.notes += [f.field for f in r.pending]
    for place, word in enumerate(r.order, 1):
        r.apply.apply(Fact("start.order", place), r.find(Subject(role=word, names=[word])))
    r.draft.focus = [g for g in r.scope if g < len(r.draft.guests)]


def _names_left(r: Reading) -> None:
    """Take as many words as there are guests without a name for these, where they look like names or are quoted."""
    free = [g for g in range(r.old, len(r.draft.guests)) if not (r.draft.guests[g].name or r.draft.guests[g].prefix)]
    quoted = [w for w in r.unknown if w[:1] in {'"', "\u201c", "\u00ab", "'"}]
    plain = [w for w in r.unknown if re.fullmatch(r"[a-z][a-z0-9]*(?:-[a-z0-9]+|\d+)", w)]
    words = quoted if len(quoted) == len(free) else plain if len(plain) == len(free) > 1 else []
    if len(free) != len(r.draft.guests) - r.old or r.old:
        return
    for g, word in zip(free, words, strict=False):
        r.draft.guests[g].name = word.strip("\"'\u201c\u201d\u00ab\u00bb ")
        r.unknown.remove(word)
        r.unread = [x for x in r.unread if x != word]


def _title(r: Reading, i: int) -> int:
    """Take `web tier: 3 vms` and `database: one vm` as headings that give a role."""
    these = r.tag(i) == "NUM" and r.tag(i + 1) == "OF" and r.tag(i + 2) in {"ALL", "FILL", "IT"}
    if these and r.tag(i + 3) == "COLON" and not r.subjects and not r.old:
        groups.create(r, Subject(count=r.items[i].value))  # `3 of these: …`
        return 4
    start = i + (r.tag(i) == "A")
    at = start + 1 + (r.tag(start + 1) == "HEADING")
    labelled = r.tag(i) == "KIND" and not plural(r.items[i]) and r.tag(i + 1) == "COLON" and r.tag(i + 2) == "WORD"
    if labelled and r.tag(i + 3) in {"STOP", "COMMA", ""} and r.count is None:
        groups.create(r, Subject(kind=r.items[i].value, names=[r.items[i + 2].text]))  # `vm: archive; os: …`
        return 3
    heading = r.tag(i) == "KIND" and plural(r.items[i]) and r.tag(i + 1) == "COLON" and not r.old
    if heading and r.tag(i + 2) == "NUM" and r.tag(i + 3) in {"STOP", "COMMA", ""}:
        groups.create(r, Subject(count=r.items[i + 2].value, kind=r.items[i].value))  # `VMs: 2.`
        return 3
    first = i + 2 + (r.tag(i + 2) == "STOP")
    if heading and r.count is None and r.tag(first) in {"WORD", "QUOTED", "NAMED"}:
        r.kind = r.items[i].value
        return first - i
    tier = r.tag(at - 1) == "HEADING" and r.tag(at) == "OF"  # `a web tier of 3 vms`
    if r.tag(i) == "WORD" and r.tag(i + 1) == "COLON" and r.items[i].text.isalpha():
        counted = subject_at(r.items, i + 2, bare=False)
        return 2 if counted and counted.count is not None else 0  # `our shop: 2 web servers, …`
    if r.tag(start) != "ROLE" or not (tier or (r.tag(at) == "COLON" and start == i)):
        return 0
    first = at + 1
    while r.tag(first) in {"FILL", "ONLY"}:
        first += 1
    if r.tag(first) == "NUM" and r.tag(first + 1) in {"COMMA", "SLASH", "DASH", "OPENP", "STOP"}:
        groups.create(r, Subject(count=r.items[first].value, role=r.items[start].text))  # `database: just one, …`
        return first + 1 - i
    subject = subject_at(r.items, first, bare=False)
    if subject is None or subject.count is None:
        return 0
    r.title = r.items[start].text
    return first - i


def _subject(r: Reading, i: int) -> int:
    if used := _title(r, i):
        return used
    labels = {"name", "hostname", "nome", "nom", "nombre"}
    if r.subjects and r.tag(i) == "KIND" and r.tag(i + 1) == "NAMED" and r.items[i + 1].low in labels:
        r.apply.apply(Fact("kind", r.items[i].value), r.scope)  # `vault on debian 12, vm name secrets1`
        return 1
    if r.tag(i) in {"WORD", "FILL"} and any(g.name and g.name.lower() == r.items[i].low for g in r.draft.guests):
        r.retag(i, "NAME")  # `vms ga and gb: ga on vlan 5`
    there = r.items[i].low == "host" or (r.items[i].low == "a" and r.apply.changing)
    if there and r.tag(i + 1) == "WORD" and _A_NODE.match(r.items[i + 1].text):
        r.state(Fact("node", r.items[i + 1].text))  # `host pve2`, `muévela a pve2`
        return 2
    subject = subject_at(r.items, i, bare=False)
    if subject is None:
        return _by_software(r, i)
    if r.count is not None and subject.count is None and not (subject.times or subject.indefinite):
        subject.count = r.count
    r.count = None
    return subject.length if meeting.meet(r, subject, i) else 0


def _by_software(r: Reading, i: int) -> int:
    """Go on with the guests on which software runs that is spoken of again: `mysql port 3306 from … only`."""
    begins = r.tag(i - 1) in {"", "STOP", "COMMA"} and r.tag(i + 1) in {"PORT", "NUM", "CORESHORT", "ON", "FILL"}
    if r.tag(i) != "SWV" or not begins or r.items[i].value[1] is not None:
        return 0
    found = r.find(Subject(software=r.items[i].value[0], by_software=True))
    if not found or len(found) == len(r.draft.guests):
        return 0
    groups.narrow(r, found)
    r.joinable = False
    return 1


def _likewise(r: Reading, i: int) -> bool:
    """Take `vlan 10 for a and 20 for b`: a number alone is for what the one before it was for."""
    if r.last is None:
        return False
    value = r.items[i].value
    if isinstance(r.last.value, float):
        value *= GIB if r.last.value >= GIB else 1  # a number without a unit keeps the one last used
    if r.tag(i - 1) == "NO" and r.tag(i - 2) in {"COMMA", "DASH"} and r.tag(i + 1) in {"COMMA", "STOP", ""}:
        r.state(Fact(r.last.field, value, r.last.op))  # `4 cores, no 8`
        return True
    if r.tag(i - 1) == "WITH" and r.family and r.tag(i + 1) in {"NAMED", "AND", "COMMA", "STOP", "CLOSEP", ""}:
        r.state(Fact(r.last.field, value, r.last.op))  # `one with 8 GB and one with 16`
        return True
    scope = r.ahead(i + 1) if r.tag(i + 1) in {"FOR", "ON"} and r.tag(i - 1) in {"AND", "COMMA"} else None
    if not scope:
        return False
    r.state(Fact(r.last.field, value, r.last.op), scope)
    return True


def _fact(r: Reading, i: int) -> int:
    matched = grammar.match(r.items, r.line, r.offsets[i], i)
    if matched is None and r.tag(i) == "SIZE":
        matched = [_bare(r, float(r.items[i].value), i)], 1
    if matched is None:
        return 0
    found, used = matched
    if found and found[0].op == "times" and r.subjects and r.tag(i + used) in {"OF", "FOR", "THAN"}:
        other = subject_at(r.items, i + used + 1, bare=True)
        if other and (base := r.find(other)):
            r.apply.base = r.draft.guests[base[0]]  # `a db with twice the memory of web`
            for fact in found:
                r.state(fact)
            r.apply.base = None
            return used + 1 + other.length
    if r.old and any(item.tag == "CHANGE" for item in r.items[i : i + used]):
        r.apply.changing = True  # `the data disk should be 80G`
    scope = r.ahead(i + used)
    if scope is None and found and found[0].field == "gateway" and any(x.tag == "ALL" for x in r.items[i : i + used]):
        scope = r.everyone()  # `the gateway for all is 10.0.0.1`
    if scope is None and r.tag(i - 1) == "WITH" and r.own and r.joinable and not _each_ahead(r, i):
        r.scope = list(r.latest)  # `two web servers and a db with 8 GB`
    if scope is None and all(_shared(r, fact, i, used) for fact in found):
        scope = r.everyone()
    r.last = (
        found[0]
        if len(found) == 1 and isinstance(found[0].value, int | float) and found[0].op in {"set", "add"}
        else None
    )
    for fact in found:
        _say(r, fact, scope, i)
    return used


def _say(r: Reading, fact: Fact, scope: list[int] | None, i: int) -> None:
    """State a fact; an address or a VMID that several guests are to have alike is said of each."""
    target = r.scope if scope is None else scope
    alone = fact.field in {"addresses", "vmid"} and isinstance(fact.value, list) and len(fact.value) == 1
    begin = max((k for k in range(i) if r.tag(k) in HARD), default=-1) + 1
    end = next((k for k in range(i, r.clause_end(i)) if r.tag(k) == "OPENP"), r.clause_end(i))
    row = any(r.tag(k) in {"STARTING", "ONWARDS", "FIRST"} for k in range(begin, end))
    alike = any(r.tag(k) in {"ALL", "EACH", "SAME"} for k in range(begin, i if row else end))
    if alone and len(target) > 1 and alike:
        for g in list(target):
            r.apply.apply(fact, [g])
        return
    r.state(fact, scope)


def _shared(r: Reading, fact: Fact, i: int, used: int) -> bool:
    """Tell whether a fact closes a list of guests, and so is said of all: `2 web 1c and 1 db 4c, debian 12`."""
    while r.tag(i - 1) in {"ROOT", "OSWORD", "FILL", "ON", "WITH", "RUNNING", "COLON", "A", "USER"}:
        i, used = i - 1, used + 1
    several = r.told and sum(item.tag == "OSV" for item in r.items) > 1  # each is told its own
    alone = r.tag(i - 1) in {"COMMA", "STOP", "DASH"} and r.tag(i + used) in {"", "COMMA", "STOP", "EACH"}
    if not alone or fact.field not in _SHARED or len(r.subjects) < 2 or r.parens or r.family or several:
        return False
    guests = r.everyone()
    return guests[0] >= r.old and not any((g, fact.field) in r.apply.said for g in guests)


def _each_ahead(r: Reading, i: int) -> bool:
    return any(r.tag(k) == "EACH" for k in range(i, r.clause_end(i)))


def _bare(r: Reading, size: float, i: int) -> Fact:
    known = r.apply.said
    scope = r.scope if r.subjects or r.old else []
    if r.apply.changing and r.apply.correcting and r.subjects:
        return Fact("memory", size)
    apart = set(scope) if r.joinable else None  # `all with 4 GB, the last one 16 GB`
    has = any((g, "memory") in known and not (apart and set(known[g, "memory"][1]) > apart) for g in scope) or any(
        f.field == "memory" for f in r.pending
    )
    waits = any(f.field == "disk.data" and f.value[0] is None for f in r.pending)
    if r.tag(i - 1) in {"CORESHORT", "CORES"} and not has:
        return Fact("memory", size)
    if waits or sizeless(r.apply, scope):
        return Fact("disk.fill", size)
    on_it = any((g, "storage") in known and r.draft.guests[g].fields.get("memory") for g in scope)
    tera = re.search(r"\d\s?t|ter[ao]", r.items[i].low) is not None  # nobody means a terabyte of memory
    stored = on_it or tera or size >= GIB * GIB or on_storage(r, i + 1)
    return Fact("disk.any" if has or stored else "memory", size)
