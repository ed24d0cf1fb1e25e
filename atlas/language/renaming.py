"""Other names for guests that are there: `rename app to api`, `call the jump host jump, the agents a1 and a2`."""

from __future__ import annotations

from dataclasses import replace

from atlas.language.draft import label
from atlas.language.naming import give, names_at
from atlas.language.reading import NAMES, Reading
from atlas.language.subjects import subject_at


def rename(r: Reading, i: int) -> int:
    """Take `rename app to api`, and `call the jump host jump, the agents a1 and a2`."""
    end = _renamed(r, i + 1)
    while end and r.items[i].low == "call" and (more := _renamed(r, _past_joints(r, end))) > end:
        end = more
    if not end and r.items[i].low != "call" and r.scope and r.tag(i + 2) in {"", "COMMA", "STOP"}:
        r.ask("names", f"What should {label(r.draft.guests[r.scope[0]])} be called?", r.scope)  # `rename it`
        return 2
    return end and end - i


def _past_joints(r: Reading, at: int) -> int:
    while r.tag(at) in {"COMMA", "AND"}:
        at += 1
    return at


def _renamed(r: Reading, at: int) -> int:
    """Give whom words speak of the names behind them; return where they end, 0 if there are none."""
    subject = subject_at(r.items, at, bare=True)
    own, found = list[str](), list[int]()
    if subject and subject.names and subject.role and r.find(replace(subject, names=[])):
        own, subject.names = subject.names, []  # `the jump host jump`
    found = r.find(subject) if subject else []
    if own:
        give(r, own, found, rename=True)
        return at + (subject.length if subject else 1)
    if subject and (found or subject.it):
        at += subject.length
    elif r.tag(at) in {"IT", "ALL"} or (r.tag(at) in NAMES and r.tag(at + 1) not in {"", "COMMA", "STOP"}):
        found = r.scope if r.tag(at) in {"IT", "ALL"} else []
        at += 1
    found = found or r.scope
    while r.tag(at) in {"TO", "ON", "AS", "FOR", "FILL", "A"}:
        at += 1
    names, end = names_at(r, at)
    if not names:
        return 0
    if not found:
        r.ask("target", "Which guest should be renamed?")
    give(r, names, found, rename=True)
    r.scope = list(found)
    r.draft.focus = list(found)
    return end
