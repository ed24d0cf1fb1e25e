"""Networks by their words: `the iot vlan (id 66)`; what is only hinted at, such as `the dmz`, is asked for."""

from __future__ import annotations

from atlas.language.reading import Reading

_WORDS = frozenset({"WORD", "NAME", "ROLE", "KIND", "NOUN", "DATA", "STORAGE", "BACKUP", "QUOTED", "GATEWAY", "SWV"})
NETS = frozenset({"VLAN", "NETWORK", "BRIDGE"})
_ZONES = frozenset({"dmz", "lan", "wan", "mgmt", "intranet"})
"""Networks that are called by what they are for; which one that is here, only the person knows."""


def on_network(r: Reading, i: int, at: int) -> int:
    """Skip the words for a network, as in `on the iot vlan (id 66)`; ask for a VLAN or node that is only hinted at."""
    if at < len(r.items) and r.items[at].low in _ZONES and r.tag(at + 1) not in NETS:
        return _zone(r, i, at)
    if r.tag(at - 1) == "STORAGE" and r.tag(at) in {"", "COMMA", "STOP", "AND"}:
        r.ask("storage", f"Which storage is {' '.join(x.text for x in r.items[i + 1 : at])!r}? Give its name.", r.scope)
        return at - i
    node = at
    while r.tag(node) in {"BIG", "OLD", "LATEST"}:
        node += 1
    hint = node > at or any(r.items[k].low in {"new", "other", "second"} for k in range(i, at))
    hint = hint or (r.tag(node) == "NODEWORD" and r.tag(node + 1) == "WITH")  # `on the node with most space`
    if r.tag(node) == "NODEWORD" and hint and r.tag(node + 1) not in {"WORD", "NAME", "COLON"}:
        r.ask("node", f"Which node is {' '.join(x.text for x in r.items[i + 1 : node + 1])!r}?", r.scope)
        return node + 1 - i
    named = at + (r.tag(at) not in {"VLAN", "NETWORK", "BRIDGE"})
    if r.tag(named) not in {"VLAN", "NETWORK", "BRIDGE"} or named == i + 1 or r.items[named].low == "tagged":
        return 0
    if named > at and r.tag(at) not in _WORDS | {"SOME", "FAST", "BIG", "OLD", "CHECK", "DNS"}:
        return 0
    if r.tag(named) == "BRIDGE" and r.tag(at) in {"OLD", "SAME", "BIG"} and r.tag(named + 1) not in {"WORD", "VMBR"}:
        r.ask("bridge", f"Which bridge is {' '.join(x.text for x in r.items[at : named + 1])!r}?", r.scope)
        return named + 1 - i
    if r.tag(named) == "NETWORK" and named > at:
        return _zone(r, i, named)
    if r.tag(named) == "VLAN" and not _numbered(r, named + 1):
        r.ask("vlan", f"Which number has the {' '.join(x.text for x in r.items[at : named + 1])}?", r.scope)
        return named + 1 - i
    return named - i


def _zone(r: Reading, i: int, at: int) -> int:
    """Ask for the VLAN of `the dmz` and `the storage network`, unless the message says more of where that is."""
    if not any(item.tag in {"VMBR", "VLAN", "VLANNUM", "ADDR", "TAG"} for item in r.items):
        r.ask("vlan", f"Which VLAN is {' '.join(x.text for x in r.items[i + 1 : at + 1])!r}?", r.scope)
    return at + 1 - i


def _numbered(r: Reading, at: int) -> bool:
    """Tell whether a number follows soon: `the iot vlan (id 66)`."""
    return any(r.tag(k) in {"NUM", "VLANNUM"} for k in range(at, at + 4))
