"""Which bare words are guests of their own: names in a list, words that sizes follow."""

from __future__ import annotations

import re

from atlas.language.namelists import stem_of
from atlas.language.nouns import Subject, sized
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


def alike(r: Reading, subject: Subject) -> bool:
    """Tell whether a name is numbered as another one of the draft or the message is."""
    own = subject.names[0].lower() if subject.names else ""
    stem = stem_of(own)
    words = {item.low for item in r.items if item.tag in {"WORD", "NAME"}} - {own}
    words |= {g.name or g.prefix or "" for g in r.draft.guests}
    return bool(stem) and stem in map(stem_of, words)


def _goes_on(r: Reading, at: int) -> str:
    """Return what follows behind auxiliary verbs: the `on` of `db-main must be on pve1`."""
    while r.tag(at) in {"FILL", "CHANGE"}:
        at += 1
    return r.tag(at)


def may_create(r: Reading, subject: Subject, i: int) -> bool:
    """Tell whether a bare word is a guest of its own here."""
    follows = r.tag(i + subject.length)
    begins = i == 0 or r.tag(i - 1) in {
        "COMMA",
        "STOP",
        "AND",
        "COLON",
        "OPENP",
        "DASH",
        "ONLY",
        "CHANGE",
        "FILL",
        "A",
        "CHECK",
        "ADD",
    }
    begins = begins or (r.tag(i - 1) == "ANSWER" and r.items[i - 1].low == "up")  # `spin up web1`
    begins = begins or (r.tag(i - 1) == "ADDR" and follows == "COLON" and alike(r, subject))
    begins = begins or (r.joinable and bool(r.subjects) and r.tag(i - 1) == "WORD" and subject.named)
    if subject.by_software and subject.count is None:
        return begins and sized(r.items, i + subject.length) and not r.old
    if (r.old and not r.adding) or (
        subject.words.lower() in _VAGUE and follows != "ADDR" and not sized(r.items, i + subject.length)
    ):
        return False
    if r.old and subject.named and not (re.search(r"[\d-]", subject.words) or sized(r.items, i + subject.length)):
        return False  # `also, I forgot: vlan 70`
    listed = (
        follows == "COLON" and r.tag(i + subject.length + 1) == "SWV" and not sized(r.items, i + subject.length + 2)
    )
    if subject.named and r.subjects and listed and subject.words.isalpha():
        return False  # `a vm, …, lamp: apache, mariadb, php`
    if begins and len(subject.names) > 1:
        return True  # a row such as `web1..3` is nothing else
    if (
        subject.named
        and r.subjects
        and follows in {"", "COMMA", "STOP"}
        and r.joinable is False
        and not alike(r, subject)
    ):
        return False  # `two vms, 4 GB, zz9`: whatever that is, nothing is said of it
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
                "DASH",
                "SAME",
                "ANYWHERE",
            }
            or (not r.subjects and bool(r.kind))
            or (follows == "WORD" and all(re.search(r"\d", r.items[k].text) for k in (i, i + subject.length)))
            or (follows in {"FILL", "CHANGE"} and not r.old and _goes_on(r, i + subject.length) == "ON")
            or (follows == "FILL" and r.tag(i + subject.length + 1) in {"ADDR", "NUM", "SIZE", "CORESHORT", "SAME"})
            or r.tag(i - 1) == "AND"
            or follows == ""
        )
    return follows not in {"DISK", "NODEWORD", "PORT", "STORAGE"} and (begins or subject.indefinite)
