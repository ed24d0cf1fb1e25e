"""Guests by their VMID: `a vm 321 called scratch` is to have it, `resize vm 105` is the one that has it."""

from __future__ import annotations

from atlas.language import groups
from atlas.language.facts import Fact
from atlas.language.reading import Reading

_OF_WHAT_IS = frozenset({"give", "move", "set", "put", "change", "migrate", "dai", "gib", "donne", "dale"})
"""Verbs for what is there, of those that may also ask for something new."""


def numbered(r: Reading, i: int) -> int:
    """Take `vm 105`: the guest of the draft with that VMID, a new one's VMID, or one that nobody knows here."""
    if r.tag(i + 1) != "VMIDNUM":
        return 0
    number = r.items[i + 1].value
    found = [g for g, x in enumerate(r.draft.guests) if x.fields.get("vmid") == number]
    if found:
        groups.narrow(r, found)
        return 2
    verb = r.items[i - 1 - (r.tag(i - 1) == "A")].low if i else ""
    if not (r.edit_only or r.apply.shrinking or verb in _OF_WHAT_IS):
        return 0
    r.ask("target", f"Which guest is {r.items[i].text} {number}? It is not in this draft.")
    r.scope, r.placed, r.edit_only = [], True, False
    return 2


def given(r: Reading, i: int) -> int:
    """Take the number behind a guest that was just named as the VMID that it is to have."""
    r.state(Fact("vmid", [r.items[i].value]), list(r.latest) if r.joinable and r.latest else None)
    return 1
