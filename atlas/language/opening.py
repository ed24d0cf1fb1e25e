"""Ports that are opened by pointing at them: `nginx on ports 80 and 443, open both`."""

from __future__ import annotations

from atlas.language.doubts import which_ports
from atlas.language.facts import Fact
from atlas.language.reading import Reading


def opened(r: Reading, i: int) -> int:
    """Take `open both` as said of the ports that were spoken of last; ask which `open some ports` are."""
    at = i + 1
    while r.tag(at) in {"FILL", "A", "ONLY"}:
        at += 1
    pointed = r.tag(at) in {"ALL", "IT"} or (at > i + 1 and r.items[at - 1].low in {"those", "these", "that"})
    end = at + (r.tag(at) in {"ALL", "IT"})
    end += r.tag(end) == "PORT"
    ports = _spoken_of(r, i) if pointed and r.tag(end) in {"", "COMMA", "STOP", "AND", "ON", "FILL"} else []
    if not ports:
        return which_ports(r, i)
    for port in ports:
        r.state(Fact("open_ports", port, "add"))
    r.unread = [word for word in r.unread if word not in map(str, ports)]
    return end - i


def _spoken_of(r: Reading, i: int) -> list[int]:
    """Return the ports of the last list of them in front of an item."""
    at = next((k for k in range(i - 1, -1, -1) if r.tag(k) == "PORT"), None)
    ports: list[int] = []
    while at is not None and r.tag(at + 1) in {"NUM", "COMMA", "AND", "COLON", "PORT"}:
        at += 1
        ports += [r.items[at].value] if r.tag(at) == "NUM" else []
    return ports
