"""Tags: `tag it storage and prod`, `tags: vpn;infra`."""

from __future__ import annotations

from dataclasses import replace

from atlas.language import meeting
from atlas.language.facts import Fact
from atlas.language.reading import NAMES, Reading, values_of
from atlas.language.subjects import subject_at


def tags(r: Reading, i: int) -> int:
    """Take `tag it storage and prod`."""
    if r.tag(i + 1) == "NUM":
        return 0
    at = i + 1
    subject = subject_at(r.items, at, bare=True)
    if subject and not subject.it and r.tag(at + subject.length) in {"WITH", "FOR", "COLON"}:
        if not meeting.meet(r, replace(subject, weak=False), at):  # `tag web1 with prod`
            return 0
        at += subject.length
    while (
        r.tag(at) in {"IT", "COLON", "A", "WITH", "ALL", "AS", "FOR"}
        or (r.tag(at) == "FILL" and r.items[at].low in {"them", "it", "as"})
        or (r.tag(at) in {"KIND", "NOUN"} and r.tag(at + 1) in NAMES | {"COLON", "WITH"})
    ):
        at += 1
    tags: list[str] = []
    while r.tag(at) in NAMES | {
        "FILL",
        "CHECK",
        "DNS",
        "HA",
        "DAILY",
        "OSV",
        "ONBOOT",
        "FAST",
        "HEADING",
        "BIG",
        "NODEWORD",
        "NETWORK",
    } and at < len(r.items):
        tags.append(values_of(r.items[at : at + 1])[0].lower())
        at += 1
        joint = at
        while r.tag(joint) in {"COMMA", "AND"} or (r.tag(joint) == "STOP" and r.items[joint].text == ";"):
            joint += 1
        beside = joint == at and r.items[i].low in {"tags", "etichette", "etiquetas"}  # `tags logs infra`
        if (
            (joint == at and not beside)
            or r.tag(joint) not in {"WORD", "ROLE", "NAME", "QUOTED"}
            or not _short(r, joint)
        ):
            break
        at = joint
    scope = r.ahead(at)
    for tag in tags:
        r.state(Fact("tags", tag, "add"), scope)
    return at - i if tags else 0


def _short(r: Reading, at: int) -> bool:
    return r.tag(at - 1) == "AND" or r.tag(at + 1) in {"COMMA", "AND", "STOP", ""}
