"""Words that point at guests: all, each, the others, the same, the old one, and what stands in brackets."""

from __future__ import annotations

from atlas.language import groups
from atlas.language.doubts import elsewhere
from atlas.language.draft import label
from atlas.language.nouns import Subject
from atlas.language.reading import Reading
from atlas.language.subjects import subject_at


def open_paren(r: Reading, _i: int) -> int:
    """Go on with the last subject alone: what stands in brackets is said of it."""
    r.parens.append(list(r.scope) if r.subjects else [])
    if r.subjects and r.joinable:
        r.scope = list(r.scope if r.wider else r.latest)  # said of the last subject, or of all since the last bracket
    r.joinable = r.bracketed = False
    return 1


def close_paren(r: Reading, _i: int) -> int:
    """Go back to whom was spoken of before the bracket."""
    if r.parens:
        group = r.parens.pop()
        if group:
            r.scope, r.wider = r.wider or group, []
            r.joinable = r.bracketed = not r.family
            r.told = r.told if r.family else set()
    return 1


def everyone(r: Reading, i: int) -> int:
    """Take `all`, `both` and `two of them` as whom the rest is said of."""
    some = r.items[i - 2].value if r.tag(i - 1) == "OF" and r.tag(i - 2) == "NUM" else 0
    base = r.scope or r.everyone()
    if r.items[i].low == "them" and 0 < some < len(base) and r.old and all(r.draft.guests[g].name for g in base):
        r.ask("target", f"Which of {', '.join(label(r.draft.guests[g]) for g in base)} do you mean?", base)
        return 1
    if r.items[i].low == "them" and 0 < some < len(base):
        groups.narrow(r, base[:some])  # `make two of them 8 GB`
        r.count = None
        return 1
    if (r.items[i].low == "them" and len(r.scope) > 1) or r.tag(i + 1) in {"NODEWORD", "PORT"}:
        return 1
    r.joinable = False
    if r.tag(i + 1) == "EXCEPT" and (but := r.all_but(i))[1] > 1:
        r.scope, r.weak, r.placed = but[0], True, True
        return but[1]
    follows = subject_at(r.items, i + 1, bare=True)
    if follows and (found := r.find(follows) or _of_kind(r, follows)):
        r.scope, r.weak = found, True
        if follows.image:
            groups.apply_subject(r, follows, found)  # `both debian vms`
        return 1 + follows.length
    two = r.items[i].low == "both" and r.tag(i - 1) == "OPENP" and len(r.subjects) > 2  # `1 a and 1 b (both 8c 32g)`
    r.scope, r.family, r.told = [g for s in r.subjects[-2:] for g in s] if two else r.everyone(), [], set()
    r.weak = bool(r.scope)
    return 1


def _of_kind(r: Reading, subject: Subject) -> list[int]:
    """Return the guests that `all vms` or `all containers` means."""
    if not subject.kind or subject.names or subject.role or subject.count is not None:
        return []
    alike = [g for g in r.everyone() if r.draft.guests[g].fields.get("kind", "vm") == subject.kind]
    images = {g: r.draft.guests[g].fields.get("image") for g in alike}
    return [g for g in alike if subject.image in {None, images[g]} or not any(images.values())]


def each(r: Reading, i: int) -> int:
    """Take `each` at the head of a clause as said of all."""
    if r.tag(i - 1) in {"COMMA", "STOP", "AND"} and r.tag(i + 1) not in {"COMMA", "STOP", ""} and len(r.subjects) > 1:
        r.scope, r.family, r.told = r.everyone(), [], set()
    return 1


def excepted(r: Reading, i: int) -> int:
    """Go on with the one that differs: `4 GB each, except n4 which gets 16 GB`."""
    subject = subject_at(r.items, i + 1, bare=True)
    found = (
        r.picked(r.find(subject) or (list(r.scope) if subject.ordinal is not None else []), subject) if subject else []
    )
    if subject is None or not found or len(found) >= len(r.draft.guests):
        return 0
    at = i + 1 + subject.length
    while r.tag(at) in {"FILL", "CHANGE", "COLON", "WITH"}:
        at += 1
    if r.tag(at) not in {"NUM", "SIZE", "CORESHORT", "ON", "ADDR", "DHCP", "VLAN", "OSV"}:
        return 0
    groups.narrow(r, found)
    return 1 + subject.length


def compared(r: Reading, i: int) -> int:
    """Skip what something is compared with: `more than web`."""
    subject = subject_at(r.items, i + 1, bare=True)
    return 1 + (subject.length if subject else int(r.tag(i + 1) == "OLD"))


def others(r: Reading, i: int) -> int:
    """Take `the others` as those of whom nothing was said yet."""
    if (used := elsewhere(r, i)) is not None:
        return used
    base = r.family or list(range(len(r.draft.guests)))
    if "removed" in r.apply.notes and not r.told:
        groups.narrow(r, base)  # `remove a3, and put the others on vlan 9`
        return 1
    if not r.told and not r.subjects and r.old and 0 < len(r.draft.focus) < len(base):
        groups.narrow(r, [g for g in base if g not in r.draft.focus])  # those that the message before was not about
        return 1
    rest = [g for g in base if g not in r.told and g not in r.scope] or [g for g in base if g not in r.told]
    if rest:
        groups.narrow(r, rest)
    return 1
