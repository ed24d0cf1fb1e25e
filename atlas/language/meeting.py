"""Meeting a subject: guests of the draft that it refers to, more of them, or new ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from atlas.language.draft import Draft, DraftGuest, Finding
from atlas.language.facts import Fact
from atlas.language.scope import label
from atlas.language.stack import called
from atlas.language.subjects import Subject, sized

if TYPE_CHECKING:
    from atlas.language.reading import Reading


_VAGUE = frozenset(
    (
        *(
            "build",
            "test",
            "testing",
            "file",
            "mail",
            "log",
            "logging",
            "search",
            "monitor",
            "queue",
            "desktop",
            "compute",
        ),
        *("storage", "media", "dev", "prod", "staging", "production", "auth", "kubernetes", "k8s", "ci", "metrics"),
        "client",
    )
)
"""Words that are a role beside a noun (`a build server`), and anything else alone."""


def meet(r: Reading, subject: Subject, i: int) -> bool:
    """Take up a subject: guests that are there, or new ones; tell whether it was one."""
    if r.parens and _names_in_parens(r, subject):
        return True
    found = r.find(subject)
    if found:
        _meet_again(r, found, subject)
        return True
    if _meet_all(r, subject, i):
        return True
    if subject.ordinal is not None:
        return _meet_in_order(r, subject)
    if subject.it:
        if not r.draft.guests:
            r.ask("target", "Which guest do you mean? There is none in this draft yet.")
            r.dangling = True
        elif not r.subjects and r.draft.focus:
            r.scope, r.placed = list(r.draft.focus), True
        return True
    plain = subject.kind and not subject.names and not subject.role and subject.count in {None, 1}
    if plain and r.apply.changing and r.old and not r.adding and r.scope:
        r.apply.apply(Fact("kind", subject.kind), r.scope)  # `make it a VM`
        return True
    if subject.named and r.tag(i - 1) in {"KIND", "OSV", "NOUN", "ROLE"} and _names_family(r, subject):
        return True  # `2 vms debian 12 srv1 (…) and srv2 (…)`
    if subject.weak and not may_create(r, subject, i):
        return False
    if _part(r, subject, i) or _names_family(r, subject):
        return True
    create(r, subject)
    return True


def _once_more(r: Reading, found: list[int], subject: Subject) -> bool:
    """Tell whether a new guest gets a name that was just given: a kind and a name, one beside the other."""
    return bool(subject.kind and subject.names) and r.joinable and set(found) == set(r.latest) and found[0] >= r.old


def _meet_all(r: Reading, subject: Subject, i: int) -> bool:
    """Take words without a name or a role as said of all that are there; tell whether they were."""
    if r.subjects and _closes(r, subject, i):
        apply_subject(r, subject, r.everyone())
        return True
    if _recounts(r, subject):
        r.scope, r.placed = scale(r, r.draft.focus or list(range(r.old)), subject.count), True
        return True
    return False


def _recounts(r: Reading, subject: Subject) -> bool:
    """Tell whether `actually three vms` says how many there should be of those that are there."""
    plain = subject.kind and not subject.names and not subject.role and not subject.image and not subject.more
    return bool(plain and r.old and r.apply.correcting and not r.adding and isinstance(subject.count, int))


def _closes(r: Reading, subject: Subject, i: int) -> bool:
    """Tell whether `…, debian 12 vms` closes a list of guests that were named: it says what all of them are."""
    plain = subject.many and subject.kind and not subject.names and not subject.role and not subject.some
    return (
        bool(plain) and r.tag(i - 1) in {"COMMA", "STOP", "ALL"} and r.tag(i + subject.length) in {"", "STOP", "COMMA"}
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


def _meet_in_order(r: Reading, subject: Subject) -> bool:
    """Go on with `the second one` of those that are spoken of; tell whether there are any."""
    if r.adding and r.draft.guests:
        like = r.draft.guests[r.scope[-1]].role if r.scope else None
        clone(r, [g for g, x in enumerate(r.draft.guests) if like is None or x.role == like][-1:], 1)
        return True
    base = r.family or (r.scope if len(r.scope) > 1 else list(range(len(r.draft.guests))))
    if base:
        r.family = base
        narrow(r, r.picked(base, subject))
    return bool(base)


def may_create(r: Reading, subject: Subject, i: int) -> bool:
    """Tell whether a bare word is a guest of its own here."""
    follows = r.tag(i + subject.length)
    begins = i == 0 or r.tag(i - 1) in {"COMMA", "STOP", "AND", "COLON", "OPENP", "CHANGE", "FILL", "A", "CHECK", "ADD"}
    begins = begins or (r.joinable and bool(r.subjects) and r.tag(i - 1) == "WORD" and subject.named)
    if subject.by_software and subject.count is None:
        return begins and sized(r.items, i + subject.length) and not r.old
    if (r.old and not r.adding) or (subject.words.lower() in _VAGUE and follows != "ADDR"):
        return False
    if subject.named:
        return begins and (
            follows
            in {
                "ADDR",
                "COLON",
                "NUM",
                "CORESHORT",
                "SIZE",
                "ON",
                "WITH",
                "OSV",
                "AND",
                "COMMA",
                "NAME",
                "OPENP",
                "SAME",
            }
            or (not r.subjects and bool(r.kind))
            or (follows == "WORD" and all(re.search(r"\d", r.items[k].text) for k in (i, i + subject.length)))
            or (follows == "FILL" and r.tag(i + subject.length + 1) in {"ADDR", "NUM", "SIZE", "CORESHORT"})
            or r.tag(i - 1) == "AND"
            or follows == ""
        )
    return follows not in {"DISK", "NODEWORD", "PORT", "STORAGE"} and (begins or subject.indefinite)


def _names_in_parens(r: Reading, subject: Subject) -> bool:
    group = r.parens[-1]
    free = [g for g in group if r.draft.guests[g].name is None]
    names = subject.names or ([subject.role] if subject.weak and subject.role else [])
    if not names or not free or subject.count is not None:
        return False
    chosen = []
    for name, g in zip(names, free, strict=False):
        r.draft.guests[g].name = name
        chosen.append(g)
    joined = r.scope + chosen if r.joinable and set(r.scope) < set(group) else chosen
    r.scope, r.joinable = joined, True
    return True


def _names_family(r: Reading, subject: Subject) -> bool:
    """Tell whether names belong to guests that were only counted so far: `two vms, web1 on …`."""
    if not subject.names or subject.kind or subject.count is not None or not r.subjects:
        return False
    group = r.family or r.subjects[-1]
    free = [g for g in group if r.draft.guests[g].name is None and g >= r.old]
    if len(group) < 2 or not free:
        return False
    r.family = group
    chosen = []
    for name, g in zip(subject.names, free, strict=False):
        r.draft.guests[g].name = name
        chosen.append(g)
    narrow(r, chosen)
    return True


def narrow(r: Reading, chosen: list[int]) -> None:
    """Go on with some of a family, joined with those before where nothing was said between."""
    join = r.joinable and set(r.scope) <= r.told and bool(r.told & set(r.scope))
    r.scope = sorted({*r.scope, *chosen}) if join else chosen
    r.told |= set(chosen)
    r.placed = True
    r.latest = list(chosen)
    r.joinable, r.weak = True, False
    r.apply.nic, r.apply.disks = 0, None


def refer(r: Reading, found: list[int], subject: Subject) -> None:
    """Go on with guests that are there."""
    found = r.picked(found, subject)
    group = next((s for s in r.subjects if set(found) < set(s)), None)
    if group is not None and len(group) > 1:
        r.family = group
    if subject.count is not None and subject.count != len(found) and not subject.names and subject.ordinal is None:
        found = scale(r, found, subject.count)
    apply_subject(r, subject, found)
    if group is None and found not in r.subjects:
        enter(r, found)
    else:
        narrow(r, found)


def scale(r: Reading, found: list[int], count: int) -> list[int]:
    """Make a group that large: clones of its last guest are added, the last ones go."""
    r.apply.notes.append("count")
    if any(g >= r.old for g in found):
        return found[:count]
    if count > len(found):
        only = r.draft.guests[found[0]]
        if len(found) == 1 and only.name and next_name(r.draft, only.name) is None:
            only.name, only.prefix = None, only.name  # one wiki becomes wiki-1, wiki-2, wiki-3
        new = clone(r, found, count - len(found))
        return found + new
    for g in sorted(found[count:], reverse=True):
        delete(r, g)
    return found[:count]


def clone(r: Reading, found: list[int], count: int) -> list[int]:
    """Add guests like the last of a group; return them."""
    model = r.draft.guests[found[-1]]
    start = len(r.draft.guests)
    for n in range(min(count, 1000)):
        guest = model.model_copy(deep=True, update={"name": next_name(r.draft, model.name)})
        guest.fields.pop("vmid", None)
        for network in guest.fields.get("networks", []):
            network.pop("mac", None)
            if "/" in str(network.get("address", "")) or str(network.get("address", ""))[:1].isdigit():
                del network["address"]
                r.apply.static.add(start + n)
        r.draft.guests.append(guest)
    new = list(range(start, len(r.draft.guests)))
    for question in r.draft.questions:
        if found[-1] in question.guests:  # what is asked of one is asked of its like
            question.guests = [*question.guests, *new]
    r.apply.notes.append("count")
    enter(r, new)
    return new


def create(r: Reading, subject: Subject) -> None:
    """Add the guests of a subject."""
    count = subject.count if subject.count is not None else max(1, len(subject.names))
    whole = isinstance(count, int) and 1 <= count <= 1000
    if not whole:
        text = f"{count} guests cannot be made: a group has 1 to 1000"
        r.draft.findings.append(Finding(kind="error", code="invalid_count", text=text, fields=["count"]))
        count = 1
    if len(subject.names) not in {0, 1, count} and subject.count is not None:
        text = f"{count} guests were asked for and {len(subject.names)} names given: {', '.join(subject.names)}"
        r.draft.findings.append(Finding(kind="error", code="name_count_mismatch", text=text, fields=["count", "name"]))
    start = len(r.draft.guests)
    title, r.title = r.title, ""
    role = title if title and (subject.by_software or not subject.role) else subject.role
    for n in range(count):
        guest = DraftGuest(role=role, fields={"kind": r.kind} if r.kind else {})
        if len(subject.names) == count:
            guest.name = subject.names[n]
        elif len(subject.names) == 1:
            guest.prefix = subject.names[0]
        r.apply.said[start + n, "new"] = (True, ())
        r.draft.guests.append(guest)
    new = list(range(start, start + count))
    r.generic = new if count > 1 and not subject.role and not subject.names and not r.subjects else []
    r.apply.notes.append("guest")
    enter(r, new, own=subject.count is not None or subject.indefinite or subject.definite)
    apply_subject(r, subject, new)
    if subject.some or (subject.many and subject.count is None and not subject.names):
        r.ask("count", f"How many {subject.words or 'guests'} do you want?", new)
    if subject.big:
        r.ask(
            "size",
            f"How large is {subject.big}: cores, memory and disk for {label(r.draft.guests[start])}?",
            new,
        )
    if subject.old:
        r.ask("target", f"Which guest is meant by {subject.words!r}? I know only what you say here.", new)


def _part(r: Reading, subject: Subject, i: int) -> bool:
    """Take `5 vms: 2 web and 3 db` as five guests told apart by their roles."""
    counted = subject.count is not None or subject.indefinite
    if not r.generic or not counted or not subject.role or subject.kind or r.tag(i - 1) == "WITH":
        return False
    count = subject.count if isinstance(subject.count, int) else 1
    free = [g for g in r.generic if not r.draft.guests[g].role][:count]
    if len(free) < count:
        _mismatch(r)
    for g in free:
        r.draft.guests[g].role = subject.role
    r.parted = True
    if free:
        enter(r, free)
        apply_subject(r, subject, free)
    return True


def _mismatch(r: Reading) -> None:
    text = f"{len(r.generic)} guests were asked for, and the parts do not add up to that"
    if not any(f.code == "count_mismatch" for f in r.draft.findings):
        r.draft.findings.append(Finding(kind="error", code="count_mismatch", text=text, fields=["count"]))


def parts_left(r: Reading) -> None:
    """Say so where guests that were told apart by role are fewer than were asked for."""
    if r.parted and any(g < len(r.draft.guests) and not r.draft.guests[g].role for g in r.generic):
        _mismatch(r)


def enter(r: Reading, group: list[int], *, own: bool = False) -> None:
    """Go on with a group, joined with the one before where nothing was said between."""
    r.own = own
    if r.joinable and r.subjects and not r.told and r.bracketed:
        r.wider = [*r.scope, *group]
        r.scope = list(group)
    elif r.joinable and r.subjects and not r.told:
        r.scope = [*r.scope, *group]
    else:
        r.scope = list(group)
    r.subjects.append(group)
    r.latest = list(group)
    r.family, r.told = [], set()
    r.joinable, r.weak = True, False
    r.apply.nic, r.apply.disks = 0, None


def apply_subject(r: Reading, subject: Subject, group: list[int]) -> None:
    """Apply what a subject's own words say of it."""
    if subject.kind:
        r.apply.apply(Fact("kind", subject.kind), group)
    if subject.image:
        r.apply.apply(Fact("image", subject.image), group)
    for fact in subject.facts:
        r.apply.apply(fact, group)
    if subject.software and (subject.indefinite or group[0] >= r.old) and not _purpose_only(subject):
        r.apply.apply(Fact("software", subject.software, "add"), group)


def _purpose_only(subject: Subject) -> bool:
    return subject.software.partition("@")[0] == "kubernetes"


def delete(r: Reading, g: int) -> None:
    """Remove a guest; everything that counts positions follows."""
    del r.draft.guests[g]
    r.called = called(r.draft)

    def moved(group: Sequence[int]) -> list[int]:
        return [x - (x > g) for x in group if x != g]

    r.scope, r.family = moved(r.scope), moved(r.family)
    r.subjects = [moved(s) for s in r.subjects]
    r.draft.focus = moved(r.draft.focus)
    r.old -= g < r.old
    r.draft.questions = [q.model_copy(update={"guests": moved(q.guests)}) for q in r.draft.questions if q.guests != [g]]
    r.apply.said = {(x - (x > g), f): v for (x, f), v in r.apply.said.items() if x != g}
    r.apply.notes.append("removed")


def next_name(draft: Draft, name: str | None) -> str | None:
    """Return the next free name in a numbered row (`web3` after `web2`), None where names are free."""
    match = re.fullmatch(r"(.*?)(\d+)", name or "")
    if match is None:
        return None
    taken = {g.name for g in draft.guests}
    number = int(match[2]) + 1
    while f"{match[1]}{number:0{len(match[2])}d}" in taken:
        number += 1
    return f"{match[1]}{number:0{len(match[2])}d}"
