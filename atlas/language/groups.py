"""Groups of guests: made, enlarged, cut down, told apart and spoken of again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from atlas.language.draft import Draft, DraftGuest, Finding, destroys, label
from atlas.language.facts import Fact
from atlas.language.nouns import COUNTERS, GENERIC, Subject, role_word
from atlas.language.reading import Reading
from atlas.language.stack import called


def narrow(r: Reading, chosen: list[int]) -> None:
    """Go on with some of a family, joined with those before where nothing was said between."""
    join = r.joinable and set(r.scope) <= r.told and bool(r.told & set(r.scope))
    r.scope = sorted({*r.scope, *chosen}) if join else chosen
    r.told |= set(chosen)
    r.placed = True
    r.latest = list(chosen)
    r.joinable, r.weak, r.comma, r.own = True, False, False, False
    r.apply.nic, r.apply.disks = 0, None


def refer(r: Reading, found: list[int], subject: Subject) -> None:
    """Go on with guests that are there."""
    found = r.picked(found, subject)
    group = next((s for s in r.subjects if len(s) > len(found) and set(found) < set(s)), None)
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
        return _recounted(r, found, count)
    if count > len(found):
        only = r.draft.guests[found[0]]
        if len(found) == 1 and only.name and next_name(r.draft, only.name) is None:
            only.name, only.prefix = None, only.name  # one wiki becomes wiki-1, wiki-2, wiki-3
        new = clone(r, found, count - len(found))
        return found + new
    for g in sorted(found[count:], reverse=True):
        delete(r, g)
    return found[:count]


def _recounted(r: Reading, found: list[int], count: int) -> list[int]:
    """Correct how many guests this message makes: `two vms called wiki, no wait, make that 3`."""
    if not r.apply.correcting or any(r.draft.guests[g].name for g in found):
        return found[:count]
    for g in sorted(found[count:], reverse=True):
        delete(r, g)
    if count <= len(found):
        return found[:count]
    new = list(range(len(r.draft.guests), len(r.draft.guests) + count - len(found)))
    r.draft.guests += [r.draft.guests[found[-1]].model_copy(deep=True) for _ in new]
    r.apply.said |= {(g, field): v for g in new for (x, field), v in list(r.apply.said.items()) if x == found[-1]}
    group = [*found, *new]
    r.subjects = [group if s == found else s for s in r.subjects]
    r.latest = group if r.latest == found else r.latest
    return group


def clone(r: Reading, found: list[int], count: int) -> list[int]:
    """Add guests like the last of a group; return them."""
    model = r.draft.guests[found[-1]]
    start = len(r.draft.guests)
    for n in range(min(count, 1000)):
        guest = model.model_copy(deep=True, update={"name": next_name(r.draft, model.name)})
        guest.fields.pop("vmid", None)
        for network in guest.fields.get("networks", []):
            network.pop("mac", None)
            length = str(network.get("address", "")).partition("/")[2]
            if length:
                r.apply.prefixes[start + n] = int(length)
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


def create(r: Reading, subject: Subject, *, listed: bool = False) -> None:
    """Add the guests of a subject.

    Args:
        r: The message.
        subject: The words for them.
        listed: Whether a list of what they are follows: `6 servers: 2 web and 4 db`.
    """
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
    role = title if title and (subject.by_software or role_word(subject.role) in COUNTERS | GENERIC) else subject.role
    for n in range(count):
        guest = DraftGuest(role=role, fields={"kind": r.kind} if r.kind else {})
        if len(subject.names) == count:
            guest.name = subject.names[n]
        elif len(subject.names) == 1:
            guest.prefix = subject.names[0]
        r.apply.said[start + n, "new"] = (True, ())
        r.draft.guests.append(guest)
    new = list(range(start, start + count))
    plain = role_word(subject.role) in (GENERIC if listed else GENERIC - {"server"}) and not subject.names
    r.generic = new if count > 1 and plain and not r.subjects else []
    r.apply.notes.append("guest")
    enter(r, new, own=subject.count is not None or subject.indefinite or subject.definite)
    apply_subject(r, subject, new)
    if subject.some or (subject.many and subject.count is None and not subject.names):
        r.ask("count", f"How many {subject.words or 'guests'} do you want?", new)
    r.unread += [subject.words] if subject.guess else []
    if subject.big:
        r.ask(
            "size",
            f"How large is {subject.big}: cores, memory and disk for {label(r.draft.guests[start])}?",
            new,
        )
    if subject.old:
        r.ask("target", f"Which guest is meant by {subject.words!r}? I know only what you say here.", new)


def enter(r: Reading, group: list[int], *, own: bool = False) -> None:
    """Go on with a group, joined with the one before where nothing was said between."""
    r.own = own
    if r.joinable and r.subjects and not r.told and r.bracketed:
        r.wider = [*r.scope, *group]
        r.scope, r.bracketed = list(group), False
    elif r.joinable and r.subjects and not r.told:
        r.scope = [*r.scope, *group]
        r.wider = [*r.wider, *group] if r.wider else []
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
    if r.draft.guests[g].live:
        r.draft.findings.append(destroys(r.draft.guests[g]))
    del r.draft.guests[g]
    r.called = called(r.draft)

    def moved(group: Sequence[int]) -> list[int]:
        return [x - (x > g) for x in group if x != g]

    r.scope, r.family = moved(r.scope), moved(r.family)
    r.latest, r.wider, r.generic = moved(r.latest), moved(r.wider), moved(r.generic)
    r.subjects, r.parens = [moved(s) for s in r.subjects], [moved(s) for s in r.parens]
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
