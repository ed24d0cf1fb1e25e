"""Meeting words that point: `the second one`, `a third one`, `it`, `the container`."""

from __future__ import annotations

from atlas.language.draft import label
from atlas.language.groups import apply_subject, clone, create, narrow
from atlas.language.nouns import Subject
from atlas.language.reading import Reading


def meet_pointed(r: Reading, subject: Subject, i: int) -> bool | None:
    """Go on with `the second one`, `the small one` or `it`; None where nothing of that kind is said."""
    if subject.ordinal is not None:
        return _meet_in_order(r, subject)
    if subject.big and subject.definite and r.old and not (subject.role or subject.kind):
        r.ask("target", f"Which guest is {subject.words}? Say its name.")
        return True
    if subject.it:
        coming = any(
            f.field in {"image", "software", "cpu.cores", "memory"} for f in r.pending
        )  # `…, redis next to it`
        announced = r.tag(i + 1) == "COLON" and not r.old  # `create this one: …`
        if not r.draft.guests and not coming and not announced:
            r.ask("target", "Which guest do you mean? There is none in this draft yet.")
            r.dangling = True
        elif (told := _of_that_kind(r, i)) and r.subjects:
            narrow(r, told)  # `two vms and a container. … The container is called west`
        elif not r.subjects and r.draft.focus:
            r.scope, r.placed = list(r.draft.focus), True
            if r.items[i].low == "it" and len({r.draft.guests[g].name for g in r.scope}) > 1:
                names = ", ".join(label(r.draft.guests[g]) for g in r.scope)
                r.ask("target", f"Which guest do you mean: {names}?", r.scope)
        return True
    return None


def _of_that_kind(r: Reading, i: int) -> list[int]:
    """Return the guests that `the container` means, where there are others too."""
    kind = {"container": "container", "vm": "vm"}.get(r.items[i].low.rpartition(" ")[2], "")
    alike = [g for g, x in enumerate(r.draft.guests) if x.fields.get("kind", "vm") == kind]
    return alike if len(alike) < len(r.draft.guests) else []


def _meet_in_order(r: Reading, subject: Subject) -> bool:
    """Go on with `the second one` of those that are spoken of; tell whether there are any."""
    if not r.old and not r.family and subject.ordinal == len(r.draft.guests) > 0 and subject.indefinite:
        create(r, Subject(count=1, kind=r.draft.guests[-1].fields.get("kind")))  # `…, and a third called web3`
        return True
    if r.adding and r.draft.guests:
        like = r.draft.guests[r.scope[-1]].role if r.scope else None
        clone(r, [g for g, x in enumerate(r.draft.guests) if like is None or x.role == like][-1:], 1)
        return True
    base = r.family or (r.scope if len(r.scope) > 1 else list(range(len(r.draft.guests))))
    if r.old and not r.family and subject.ordinal == len(base) and subject.indefinite:
        clone(r, base[-1:], 1)  # `and a second one called web2`
        return True
    if base:
        r.family = base
        narrow(r, r.picked(base, subject))
        if (subject.image or subject.role) and len(r.scope) == 1:
            apply_subject(r, subject, r.scope)  # `the second a debian server`
            r.draft.guests[r.scope[0]].role = r.draft.guests[r.scope[0]].role or subject.role
    return bool(base)
