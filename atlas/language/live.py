"""What is said to exist already: guests that are live, whose removal has to be confirmed."""

from __future__ import annotations

from atlas.language.draft import destroys
from atlas.language.reading import Reading
from atlas.language.subjects import subject_at

_STATES = frozenset(
    {"is", "are", "now", "went", "being", "currently", "è", "sono", "ist", "sind", "está", "están", "est", "sont", "ya"}
    | {"both", "all", "they", "these", "already", "already,", "them"}
)


def live(r: Reading, i: int) -> int:
    """Take `they are live` as said of those that are spoken of; `the disks live on tank` says where they are."""
    said = " " in r.items[i].text or (i > 0 and r.items[i - 1].low in _STATES)
    if not said or (r.tag(i + 1) == "ON" and r.items[i].low == "live"):
        return 1
    for g in r.scope or r.everyone():
        r.draft.guests[g].live = True
    r.apply.notes.append("live")
    return 1


def remake(r: Reading, i: int) -> int:
    """Have it confirmed where guests that exist are to be made anew: `reinstall web1 with debian 13`."""
    r.apply.changing, r.adding = True, False
    subject = subject_at(r.items, i + 1, bare=True)
    found = (r.scope if subject.it else r.find(subject)) if subject else []
    r.draft.findings += [destroys(r.draft.guests[g]) for g in found if r.draft.guests[g].live]
    return 1
