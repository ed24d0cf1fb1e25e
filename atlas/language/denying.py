"""What is not wanted (any more): `call it shop, not kiosk`, `on pve4, not on pve1`, `and not port 80 after all`."""

from __future__ import annotations

from atlas.language.facts import Fact
from atlas.language.reading import Reading

_ENDS = frozenset({"", "COMMA", "STOP", "AND", "FILL"})


def denied(r: Reading, i: int) -> int:
    """Skip what is denied and is not so anyway, take back a port that is open, and ask about a login."""
    at = i + 1
    while r.tag(at) in {"FILL", "PORT", "A", "ROOT"}:
        at += 1
    if r.tag(at) == "USER":
        r.unread.append(r.items[at].text)  # `no root login`
        return at + 1 - i + (r.tag(at + 1) == "FILL")
    if r.tag(at) == "NUM" and r.tag(at + 1) in _ENDS:
        number = r.items[at].value
        open_ = [g for g in r.scope if number in r.draft.guests[g].fields.get("open_ports", [])]
        if open_ and r.old:
            r.state(Fact("open_ports", number, "remove"), open_)
            return at + 1 - i
    nodes = {r.draft.guests[g].fields.get("node") for g in r.scope} - {None}
    if r.tag(i + 1) == "ON" and r.tag(i + 2) == "WORD" and nodes and r.items[i + 2].text not in nodes:
        return 3
    renamed = r.apply.notes[-1:] == ["name"] and r.tag(i + 1) in {"WORD", "NAME", "ROLE"}
    return 2 if renamed and r.tag(i + 2) in _ENDS else 0
