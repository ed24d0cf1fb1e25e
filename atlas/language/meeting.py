"""Meeting a subject: guests of the draft that it refers to, more of them, or new ones."""

from __future__ import annotations

import re
from dataclasses import replace

from atlas.language.creating import alike, may_create
from atlas.language.groups import apply_subject, clone, create, refer, scale
from atlas.language.namelists import stem_of
from atlas.language.nouns import GENERIC, Subject, role_word
from atlas.language.parts import by_role, names_family, names_in_parens
from atlas.language.pointed import meet_pointed
from atlas.language.reading import Reading, is_storage

_COPULAS = frozenset(
    {"be", "is", "are", "become", "becomes", "è", "sarà", "diventa", "ist", "wird", "es", "será", "est", "sera"}
)


def meet(r: Reading, subject: Subject, i: int) -> bool:
    """Take up a subject: guests that are there, or new ones; tell whether it was one."""
    if r.parens and names_in_parens(r, subject):
        return True
    found = r.find(subject)
    if found:
        _meet_again(r, found, subject)
        return True
    if _meet_all(r, subject, i):
        return True
    if (pointed := meet_pointed(r, subject, i)) is not None:
        return pointed
    if _said_of_it(r, subject, i):
        return True
    if subject.named and r.tag(i - 1) in {"KIND", "OSV", "NOUN", "ROLE"} and names_family(r, subject):
        return True  # `2 vms debian 12 srv1 (…) and srv2 (…)`
    if by_role(r, subject, i) or _absent(r, subject, i):
        return True
    if subject.weak and not may_create(r, subject, i):
        return False
    if names_family(r, subject):
        return True
    if siblings := _siblings(r, subject):
        r.draft.guests[clone(r, siblings, 1)[0]].name = subject.names[0]  # `add web3`
    elif subject.named and r.tag(i - 1) == "AND" and r.subjects and not r.joinable and alike(r, subject):
        _beside(r, subject)
    else:
        create(r, subject, listed=r.tag(i + subject.length) == "COLON")
    return True


def _absent(r: Reading, subject: Subject, i: int) -> bool:
    """Ask which guest is meant where a change is wanted of one that is not there: `bump db to 8 cores`."""
    fresh = subject.count is not None or subject.indefinite or subject.more or subject.some or subject.kind
    if not r.old or r.adding or fresh or subject.big or subject.old or any(is_storage(n) for n in subject.names):
        return False
    if not subject.names and role_word(subject.role) in GENERIC:
        return False
    verb = r.tag(i - 1) in {"RESIZE", "SHRINK", "FACTOR"}
    verb = verb or (r.tag(i - 1) == "CHANGE" and r.items[i - 1].low in {"give", "move", "put", "make", "set"})
    head = r.tag(i - 1) in {"", "STOP", "COMMA", "AND"} and r.tag(i + subject.length) == "CHANGE"
    if not (verb or (subject.definite and subject.role) or (head and re.search(r"\d", subject.words))):
        return False
    r.ask("target", f"Which guest is {subject.words!r}? There is none of that name in this draft.")
    r.scope, r.placed, r.joinable = [], True, False
    return True


def _said_of_it(r: Reading, subject: Subject, i: int) -> bool:
    """Take words that say what guests are which are spoken of already; tell whether they do."""
    if _introduced(r, subject, i):
        apply_subject(r, subject, r.latest)
        r.draft.guests[r.latest[0]].name = subject.names[0] if subject.names else None
        r.scope, r.joinable, r.own = list(r.latest), True, True
        return True
    plain = not subject.names and subject.role in GENERIC and subject.count in {None, 1} and not subject.big
    if plain and subject.kind and not (subject.many or subject.more) and _apposed(r, subject, i):
        apply_subject(r, subject, r.latest)  # `web1: a debian vm`
        return True
    dashed = r.tag(i - 1) == "DASH" and r.tag(i - 2) == "KIND"  # `debian 12 vm - web1`
    cloned = r.tag(i - 1) == "COMMA" and r.joinable and r.apply.notes[-1:] == ["count"]  # `another one, web2`
    if subject.named and len(subject.names) == 1 and (dashed or cloned) and _unnamed(r):
        r.draft.guests[r.latest[0]].name = subject.names[0]
        return True
    behind = [r.tag(k) for k in range(i + subject.length, i + subject.length + 3)]
    instead = r.old and behind[:1] == ["NO"] and "KIND" in behind  # `a container instead of a vm`
    if (
        plain
        and (r.apply.changing or r.apply.correcting or instead)
        and not r.adding
        and r.scope
        and _becomes(r, subject)
    ):
        apply_subject(r, subject, r.scope)  # `make it a VM`, `the db should be a rocky 9 box`
        return True
    if subject.names or subject.count is not None or not r.scope or i == 0:
        return False
    loose = subject.indefinite or subject.many or subject.more or subject.old
    if r.tag(i - 1) == "TO" and subject.kind and not (loose or subject.role):
        return True  # `a card to be passed through to the vm`
    told = r.family and r.tag(i - 1) in {"FIRST", "SECOND", "THIRD", "FOURTH", "LAST"} and len(r.scope) == 1
    if (subject.role or subject.image) and ((r.tag(i - 1) and r.items[i - 1].low in _COPULAS) or told):
        for g in r.scope:  # `k1 is going to be the control plane`, `the first is a router, the second a server`
            r.draft.guests[g].role = r.draft.guests[g].role or subject.role
        apply_subject(r, subject, r.scope)
        return True
    return False


def _apposed(r: Reading, subject: Subject, i: int) -> bool:
    """Tell whether words beside a bare name say what it is: `web1: debian vm`, `web1, a debian vm`."""
    mark = r.tag(i - 1) in {"COLON", "OPENP"} or (r.tag(i - 1) == "COMMA" and subject.indefinite)
    fresh = mark and (r.joinable or r.tag(i - 1) == "OPENP") and len(r.latest) == 1 and r.latest[0] >= r.old
    return (
        fresh and {f for g, f in r.apply.said if g == r.latest[0]} <= {"new"} and bool(r.draft.guests[r.latest[0]].name)
    )


def _unnamed(r: Reading) -> bool:
    """Tell whether the guest that was spoken of last is a new one without a name."""
    return len(r.latest) == 1 and r.latest[0] >= r.old and r.draft.guests[r.latest[0]].name is None


def _introduced(r: Reading, subject: Subject, i: int) -> bool:
    """Tell whether a guest was only mentioned so far: `he needs a test machine. Please create a VM named t1 …`."""
    begin = next((k for k in range(i - 1, -1, -1) if r.tag(k) in {"STOP", "COMMA"}), -1)
    verb = any(r.tag(k) in {"FILL", "CHANGE"} for k in range(begin + 1, i))
    fresh = verb and r.tag(begin) == "STOP" and len(r.subjects) == 1 and len(r.latest) == 1 and r.latest[0] >= r.old
    if not fresh or r.adding or subject.more or subject.role not in GENERIC or subject.count not in {None, 1}:
        return False
    guest = r.draft.guests[r.latest[0]]
    said = {field for g, field in r.apply.said if g == r.latest[0]}
    return bool(subject.kind or subject.names) and guest.name is None and said <= {"new", "kind"}


def _beside(r: Reading, subject: Subject) -> None:
    """Add a guest of the same row: `a debian vm web1 on pve1 and web2 on pve2`, and what follows is said of both."""
    stem = stem_of(subject.names[0])
    row = [s for s in r.subjects if all(g >= r.old and stem_of(r.draft.guests[g].name or "") == stem for g in s)]
    before = [g for s in row for g in s]
    create(r, subject)
    group = [*before, *r.subjects[-1]]
    fields = r.draft.guests[before[0]].fields if before else {}
    for g in r.subjects[-1]:
        r.draft.guests[g].fields |= {f: fields[f] for f in ("kind", "image") if f in fields}
    if before:
        r.subjects = [*(s for s in r.subjects if not set(s) <= set(group)), group]
        r.family, r.told = group, set(group)


def _siblings(r: Reading, subject: Subject) -> list[int]:
    """Return the guests of the draft in whose numbered row a further one is added by its bare name."""
    if not r.adding or len(subject.names) != 1 or subject.kind or subject.image or subject.count is not None:
        return []
    stem = stem_of(subject.names[0])
    return [g for g in range(r.old) if stem and stem_of(r.draft.guests[g].name or "") == stem]


def _becomes(r: Reading, subject: Subject) -> bool:
    """Tell whether words say what guests become that are there, or that were named just now and are corrected."""
    there = r.old and (subject.kind or (subject.image and r.subjects))
    return bool(there or (r.apply.correcting and r.subjects and subject.kind))


def _once_more(r: Reading, found: list[int], subject: Subject) -> bool:
    """Tell whether a new guest gets a name that was just given: a kind and a name, one beside the other."""
    if not (subject.kind and subject.names) or found[0] < r.old:
        return False
    other = subject.image and r.draft.guests[found[0]].fields.get("image") not in {None, subject.image}
    return bool(other and not r.apply.correcting) or (r.joinable and set(found) == set(r.latest))


def _meet_all(r: Reading, subject: Subject, i: int) -> bool:
    """Take words without a name or a role as said of all that are there; tell whether they were."""
    if r.subjects and _closes(r, subject, i):
        apply_subject(r, subject, r.everyone())
        r.scope, r.weak = r.everyone(), True
        return True
    if _recounts(r, subject):
        r.scope, r.placed = scale(r, r.draft.focus or list(range(r.old)), subject.count), True
        apply_subject(r, subject, r.scope)
        return True
    return False


def _recounts(r: Reading, subject: Subject) -> bool:
    """Tell whether `actually three vms` says how many there should be of those that are there."""
    plain = subject.kind and not subject.names and not subject.role and not subject.image and not subject.more
    return bool(plain and r.old and r.apply.correcting and not r.adding and isinstance(subject.count, int))


def _closes(r: Reading, subject: Subject, i: int) -> bool:
    """Tell whether `…, debian 12 vms` closes a list of guests that were named: it says what all of them are."""
    many = subject.many or (subject.count == len(r.everyone()) > 1 and all(g >= r.old for g in r.everyone()))
    plain = many and subject.kind and not subject.names and not subject.role and not subject.some
    return (
        bool(plain)
        and r.tag(i - 1) in {"COMMA", "STOP", "ALL", "COLON", "CLOSEP"}
        and (r.tag(i + subject.length) in {"", "STOP", "COMMA"} or not subject.many)
    )


def _meet_again(r: Reading, found: list[int], subject: Subject) -> None:
    """Go on with guests that are there: fewer of them, more of them, or these."""
    more = subject.more or r.more
    if _once_more(r, found, subject):
        create(r, subject)  # `vm e9 and vm e9` is said of two, and cannot be
    elif subject.fewer:
        refer(r, found, replace(subject, count=None))
        r.scope = scale(r, found, max(0, len(found) - (subject.count or 1)))
    elif more or (r.adding and subject.indefinite and not subject.names):
        clone(r, found, subject.count or 1)
    elif subject.ordinal is not None and r.adding:
        clone(r, found, 1)  # `add a third one`
    else:
        refer(r, found, subject)
