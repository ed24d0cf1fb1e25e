"""Parts of a group that was only counted: its members told apart by names or by roles."""

from __future__ import annotations

from atlas.language.draft import Finding
from atlas.language.groups import apply_subject, enter, narrow
from atlas.language.nouns import Subject, sized
from atlas.language.reading import Reading


def names_in_parens(r: Reading, subject: Subject) -> bool:
    """Take names in brackets as those of the group before: `two vms (app1, app2)`."""
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


def names_family(r: Reading, subject: Subject) -> bool:
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


def by_role(r: Reading, subject: Subject, i: int) -> bool:
    """Take `5 vms: 2 web and 3 db` as five guests told apart by their roles."""
    counted = subject.count is not None or subject.indefinite
    listed = subject.weak and r.tag(i - 1) in {"COMMA", "STOP", "COLON", "AND"} and sized(r.items, i + subject.length)
    if not r.generic or not (counted or listed) or subject.kind or r.tag(i - 1) == "WITH":
        return False
    if not subject.role and not (listed and len(subject.names) == 1):
        return False
    subject.role = subject.role or subject.names[0]  # `3 vms: pg (4c 8g), queue (2c 4g), …`
    count = subject.count if isinstance(subject.count, int) else 1
    free = [g for g in r.generic if g not in r.roled][:count]
    if len(free) < count:
        _mismatch(r)
    for g in free:
        r.draft.guests[g].role = subject.role
    r.parted = True
    r.roled |= set(free)
    if free:
        r.joinable = r.joinable and r.subjects[-1] != r.generic  # nothing is said of a part and the whole together
        enter(r, free)
        apply_subject(r, subject, free)
    return True


def some(r: Reading, i: int) -> bool:
    """Take `two vms: one on pve1 and one on pve2` as said of one after the other."""
    group = r.family or (r.subjects[-1] if r.subjects else [])
    free = [g for g in group if g not in r.told]
    count = r.items[i].value
    begins = r.tag(i - 1) in {"COMMA", "STOP", "COLON", "AND", "OPENP", "DASH"} and r.items[i].text.isalpha()
    if not begins or r.tag(i + 1) not in {"ON", "WITH", "SIZE", "CORESHORT"} or not 0 < count < len(group):
        return False
    if len(free) < count:
        return False
    r.family = group
    narrow(r, free[:count])
    r.joinable = False
    return True


def _mismatch(r: Reading) -> None:
    text = f"{len(r.generic)} guests were asked for, and the parts do not add up to that"
    if not any(f.code == "count_mismatch" for f in r.draft.findings):
        r.draft.findings.append(Finding(kind="error", code="count_mismatch", text=text, fields=["count"]))


def parts_left(r: Reading) -> None:
    """Say so where guests that were told apart by role are fewer than were asked for."""
    if r.parted and any(g < len(r.draft.guests) and g not in r.roled for g in r.generic):
        _mismatch(r)
