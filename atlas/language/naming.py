"""Naming: `called web1 and web2`, `prefix sensor`, `rename app to api`."""

from __future__ import annotations

import re

from atlas.language import groups
from atlas.language.draft import Finding
from atlas.language.facts import Fact
from atlas.language.nouns import Subject, role_word
from atlas.language.parts import names_family
from atlas.language.reading import NAMES, Reading, values_of

_COPULAS = frozenset(
    {
        "them",
        "sie",
        "ihn",
        "es",
        "it",
        "be",
        "is",
        "are",
        "should",
        "shall",
        "will",
        "soll",
        "sollen",
        "sein",
        "ist",
        "sind",
        "sia",
        "sono",
    }
)
_ALSO_NAMES = frozenset({"ON", "BIG", "NETWORK", "DNS", "BACKUP", "CHECK"})
"""What a last name may mean elsewhere, where one guest still has none: `norte y sur`."""
_NO_NAMES = frozenset({"PREFIX", "STARTING", "ON", "WITH", "FOR", "SIZE", "CORESHORT", "NUM", "ADDR", "SAME", "TO"})
"""What follows `named` and is no name: `named after …`, `names starting with web`."""


def named(r: Reading, i: int) -> int:
    """Take `called web1 and web2`: names for the guests that are spoken of."""
    at = i + 1
    while _before_names(r, at):
        at += 1
    if r.tag(at) == "STARTING" or (at < len(r.items) and r.items[at].low in {"begin", "begins", "start", "starts"}):
        return prefix(r, at) + at - i  # `names should begin with web`
    names, end = names_at(r, at)
    if not names:
        return 1
    if len(names) == 1 and not _many(r):
        names, end = _with_blanks(r, at, end, names)
    if r.tag(i - 1) == "HEADING":
        r.draft.stack = names[0]
        return end - i
    if r.tag(i - 1) == "NUM" and r.count is not None and len(names) in {1, r.count}:
        _one_called(r, names)
        return end - i
    if not r.subjects and not r.old:
        groups.create(r, Subject(count=r.count, names=names))
        r.count = None
        return end - i
    last = r.subjects[-1] if r.subjects else r.scope
    if _next_row(r, i, last):
        groups.create(r, Subject(count=1, names=names))  # `name: a, 2 cores`, and on the next line `name: b, …`
        return end - i
    if r.joinable and r.latest and r.tag(i - 1) in {"ROLE", "NOUN", "SWV"}:
        last = r.latest  # `…, controller named c1`
    if r.family and 0 < len(r.scope) < len(r.family) and len(names) == len(r.scope):
        last = r.scope  # `two vms: one with 8 GB called a, one with 16 GB called b`
    if r.tag(i - 1) == "ALL" and len(names) == 1:
        for g in last:
            r.draft.guests[g].name = names[0]
        return end - i
    give(r, names, last if len(names) in {1, len(last)} else r.scope, rename=False)
    return end - i


def _one_called(r: Reading, names: list[str]) -> None:
    """Take `one called graf` as one more guest, or as one of several that were only counted so far."""
    count, r.count = r.count, None
    if count == 1 and names_family(r, Subject(names=names)):
        return  # `two vms: one named left …, one named right`
    kind = r.draft.guests[-1].fields.get("kind") if r.subjects else None
    groups.create(r, Subject(count=count, names=names, kind=kind))


def _next_row(r: Reading, i: int, last: list[int]) -> bool:
    """Tell whether a line begins the next guest, since the one before has its name."""
    fresh = len(last) == 1 and last[0] >= r.old and bool(r.draft.guests[last[0]].name)
    return fresh and r.tag(i - 1) in {"STOP", ""} and r.tag(i + 1) == "COLON" and not r.apply.correcting


def _many(r: Reading) -> bool:
    """Tell whether several guests are spoken of, whose names may stand one beside the other."""
    return len(r.subjects[-1] if r.subjects else r.scope) > 1 or (r.count or 1) > 1


_IN_A_NAME = frozenset({"WORD", "ROLE", "BIG", "DATA", "NODEWORD", "NOUN", "HEADING"})
_BEHIND_A_NAME = frozenset({"COMMA", "STOP", "", "WITH", "CLOSEP", "OPENP", "COLON", "DASH", "ON"})


def _with_blanks(r: Reading, at: int, end: int, names: list[str]) -> tuple[list[str], int]:
    """Keep a name of several words whole, to be refused: `called big data node, debian 12`."""
    stop = end
    while r.tag(stop) in _IN_A_NAME and not r.items[stop].guessed and r.items[stop].text.isalpha():
        stop += 1
    plain = end == at + 1 and r.items[at].tag != "QUOTED" and r.items[at].text.isalpha()
    if stop == end or not plain or r.tag(stop) not in _BEHIND_A_NAME:
        return names, end
    return [" ".join(item.text for item in r.items[at:stop])], stop


def _before_names(r: Reading, at: int) -> bool:
    """Tell whether a word leads up to a name, rather than being one: `should be`, `it`, `the`."""
    if r.tag(at) == "COLON" or (r.tag(at) == "TO" and r.tag(at + 1) in NAMES):
        return True
    if r.tag(at) == "ON" and r.apply.changing and r.tag(at + 1) in NAMES and r.tag(at + 2) in {"", "COMMA", "STOP"}:
        return True  # `cambia il nome in web1`
    asked = r.tag(at) == "STOP" and r.items[at].text == "?"
    if asked or (r.tag(at) == "FILL" and r.items[at].low in {"lets", "say"}):
        return True  # `name? let's say web1`
    boundary = r.tag(at + 1) in {"", "AND", "COMMA", "STOP", "CLOSEP", "OPENP", "WITH", "COLON"}
    if r.tag(at) in {"ALL", "IT", "A", "CHANGE"}:
        return not boundary
    return r.tag(at) == "FILL" and (r.items[at].low in _COPULAS) and not boundary


def prefix(r: Reading, i: int) -> int:
    """Take `prefix sensor`: the beginning of names."""
    at = i + 1
    while r.tag(at) in {"COLON", "A", "FILL", "ALL", "WITH", "NAMED"}:
        at += 1
    if r.tag(at) == "NUM" and r.items[at].value <= 128:
        r.state(Fact("prefix", r.items[at].value), r.everyone())  # `prefix 24` is that of addresses
        return at + 1 - i
    if at >= len(r.items) or not (r.tag(at) == "QUOTED" or _worded(r, at)):
        return 1
    said = values_of(r.items[at : at + 1])[0].rstrip("-_")
    targets = r.scope or r.everyone()
    guests = [r.draft.guests[g] for g in targets]
    if not guests or any(x.name for x in guests) or len({role_word(x.role) for x in guests}) > 1:
        r.prefix = said  # of guests that are yet to come, or that are told apart by more than a number
    else:
        for guest in guests:
            guest.prefix = said
    r.apply.notes.append("name")
    return at + 1 - i


def prefixed(r: Reading) -> None:
    """Put what was said to begin all names in front of them: `names start with acme: a web and two db vms`."""
    new = r.draft.guests[r.old :] or r.draft.guests
    roles = {role_word(x.role) for x in new}
    for guest in new if r.prefix else ():
        role = re.sub(r"[^a-z0-9]+", "-", role_word(guest.role)).strip("-")
        if guest.name:
            guest.name = f"{r.prefix}-{guest.name}"
        else:
            rest = guest.prefix or (role if len(roles) > 1 else "")
            guest.prefix = f"{r.prefix}-{rest}" if rest else r.prefix


def names_at(r: Reading, at: int) -> tuple[list[str], int]:
    """Return the names listed at an item, and where they end."""
    names: list[str] = []
    odd = False  # whether the first name is a number's word: `llamadas uno y dos`
    while at < len(r.items):
        tag = r.tag(at)
        # A word that comes first is a name whatever else it could mean: `called solo`.
        short = len(r.items[at].text) == 1
        taken = (
            tag in NAMES
            or r.items[at].guessed
            or (odd and tag == "NUM")
            or ((not names or short or r.tag(at - 1) == "AND") and _worded(r, at, last=bool(names)))
        )
        odd = not names and tag == "NUM" if not names else odd
        if not taken or (names and tag in {"KIND", "NOUN", "ROOT", "DATA", "STORAGE"}):
            break
        names += [str(n) for n in values_of(r.items[at : at + 1])]
        at += 1
        joint = at
        while r.tag(joint) in {"COMMA", "AND", "SLASH"}:
            joint += 1
        listed = r.tag(joint) in {"WORD", "NAME", "NAMES", "QUOTED"} or (
            joint > at
            and r.tag(joint - 1) == "AND"
            and (
                r.tag(joint) in {"ROLE", "SWV"}
                or (joint < len(r.items) and len(r.items[joint].text) == 1 and _worded(r, joint))
            )
        )
        listed = listed or (odd and r.tag(joint) == "NUM" and r.items[joint].text.isalpha())
        guests = len(r.subjects[-1] if r.subjects else r.scope)
        lacks = r.tag(joint - 1) == "AND" and len(names) == guests - 1 and joint < len(r.items)
        listed = listed or (lacks and joint > at and r.tag(joint) in _ALSO_NAMES)
        if joint > at and listed and (r.tag(joint - 1) == "AND" or _lists(r, joint)):
            at = joint
        elif joint > at or r.tag(at) not in {"WORD", "NAME", "NAMES", "QUOTED"} or not _beside(r, at, names[0]):
            break
    return names, at


def _beside(r: Reading, at: int, first: str) -> bool:
    """Tell whether a word right behind a name is one more: it looks like a name, or the first does not either."""
    numbered = re.compile(r"[\d-]")
    many = len(r.subjects[-1] if r.subjects else r.scope) != 1 or (r.count or 1) > 1
    plain = many and not numbered.search(first) and r.tag(at + 1) != "ON"
    return bool(numbered.search(r.items[at].text)) or plain


def _worded(r: Reading, at: int, *, last: bool = False) -> bool:
    """Tell whether an item is a word that can be a name, and none that leads elsewhere; the last one may be any."""
    text, ends = r.items[at].text, r.tag(at + 1) in {"", "COMMA", "STOP", "AND", "CLOSEP"}
    leads = r.tag(at) in _NO_NAMES and not ((ends or (last and r.tag(at) == "ON")) and text.isalpha())
    return bool(re.fullmatch(r"[^\W_][\w-]*", text)) and not leads and not text.isdigit()


def _lists(r: Reading, at: int) -> bool:
    """Tell whether a word behind a comma is one more name of a list: nothing is said of it."""
    return r.tag(at + 1) in {"COMMA", "AND", "STOP", "CLOSEP", "", "WITH", "WORD"} and (
        r.tag(at) in {"NAMES", "QUOTED"} or not r.items[at].guessed
    )


def give(r: Reading, names: list[str], scope: list[int], *, rename: bool) -> None:
    """Give guests names, one each; a single name for several is the beginning of theirs."""
    r.apply.notes.append("name")
    guests = r.draft.guests
    unnamed = [g for g in range(len(guests)) if guests[g].name is None and guests[g].prefix is None]
    if len(names) == 1 and len(scope) > 1:
        for g in scope:
            guests[g].prefix, guests[g].name = names[0], None
        return
    target = scope if len(names) == len(scope) else unnamed if len(names) == len(unnamed) else None
    if target is None and rename and len(names) == 1 and len(scope) == 1:
        target = scope
    if target is None:
        text = f"{len(scope)} guest{'s' if len(scope) != 1 else ''} and {len(names)} names: {', '.join(names)}"
        r.draft.findings.append(Finding(kind="error", code="name_count_mismatch", text=text, fields=["count", "name"]))
        return
    for g, name in zip(target, names, strict=True):
        guests[g].name, guests[g].prefix = name, None
