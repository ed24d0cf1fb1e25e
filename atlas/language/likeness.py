"""What guests are like: the system or the sizes of others, all of a named one, or of an old one that is asked for."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from atlas.language.draft import DraftGuest
from atlas.language.facts import Fact
from atlas.language.nouns import Subject
from atlas.language.reading import Reading

_PARTS = {"CORES": "cpu", "MEMORY": "memory", "DISK": "disks", "SIZE": "memory"}
_ENDS = frozenset({"", "COMMA", "STOP"})


def same(r: Reading, i: int) -> int:
    """Take `same os` from the group before; `like the old one` is a question."""
    before = r.subjects[-2] if len(r.subjects) > 1 else list(range(r.old))[-1:] if r.subjects else []
    used = _as_named(r, i) or (_as_before(r, i, r.draft.guests[before[0]]) if before else 0)
    return used or _unsaid(r, i)


def _as_named(r: Reading, i: int) -> int:
    """Make the new guests that are spoken of like one that is named: `add web3, like web2`."""
    at = i + 1 + (r.tag(i + 1) in {"FOR", "AS", "TO", "OF"})
    found = r.find(Subject(names=[r.items[at].text])) if r.tag(at) in {"NAME", "WORD"} else []
    if len(found) != 1 or found == r.scope or any(g < r.old for g in r.scope):
        return 0
    for g in r.scope:
        own = {k: v for k, v in r.draft.guests[g].fields.items() if (g, k) in r.apply.said}
        r.draft.guests[g].fields = _like(r.draft.guests[found[0]]) | own
    return at + 1 - i


def _as_before(r: Reading, i: int, model: DraftGuest) -> int:
    """Give those that are spoken of what the guests before them have, in part or whole."""
    follows = r.tag(i + 1)
    if follows in {"OSWORD", "ROOT", "OSV"}:
        if image := model.fields.get("image"):
            r.state(Fact("image", image))
        return 2
    if r.tag(i - 1) == "FILL" and follows in _ENDS | {"FILL", "WITH"}:
        for g in r.scope:  # `kafka1 with 4 cores. kafka2 is the same but with 32 GB`
            r.draft.guests[g].fields = _like(model) | r.draft.guests[g].fields
        return 1
    if follows in _PARTS:
        _fill(r, model, (_PARTS[follows],))  # `… same cores, same disk`
        return 2
    if follows in _ENDS | {"SPECS"}:
        _fill(r, model, ("cpu", "memory", "disks", "image"))  # `a1 with 2 cores, a2 with the same`
        return 1 + (follows == "SPECS")
    return 0


def _fill(r: Reading, model: DraftGuest, fields: tuple[str, ...]) -> None:
    for field in fields:
        for g in r.scope if field in model.fields else ():
            r.draft.guests[g].fields.setdefault(field, deepcopy(model.fields[field]))


def _unsaid(r: Reading, i: int) -> int:
    """Ask what `the same storage as the other vms` and `like the old one` mean."""
    alike = r.tag(i) == "SAME"
    ahead = [r.tag(k) for k in range(i, min(i + 5, r.clause_end(i)))]
    thing = {"TEMPLATE": "template", "STORAGE": "storage", "VLAN": "vlan", "NODEWORD": "node"}.get(r.tag(i + 1))
    end = next((k for k, tag in enumerate(ahead) if tag in {"OLD", "OTHERS"}), None)
    if end is not None and alike and thing is not None:
        r.ask(thing, f"Which {thing} do you mean? I know only what you say here.", r.scope)
        return end + 1 + (r.tag(i + end + 1) in {"KIND", "NOUN"})
    if "OLD" in ahead or (alike and "IT" in ahead):
        r.ask(
            "target", "Which guest do you mean? I know only what you say here, so name what it should be like.", r.scope
        )
        r.apply.notes.append("target")
        return len(ahead)
    return 0


def _like(guest: DraftGuest) -> dict[str, Any]:
    """Return what a guest is like, without what only one guest can have."""
    fields = {k: v for k, v in deepcopy(guest.fields).items() if k != "vmid"}
    for network in fields.get("networks", []):
        network.pop("mac", None)
        if network.get("address") != "dhcp":
            network.pop("address", None)
    return fields


_UNSAID = {
    "DISK": "disk",
    "STORAGE": "storage",
    "TEMPLATE": "template",
    "IMAGE": "template",
    "NETWORK": "ip",
    "IP": "ip",
    "KEYWORD": "ssh_key",
    "BRIDGE": "bridge",
    "VLAN": "vlan",
    "NODEWORD": "node",
    "GATEWAY": "gateway",
    "GPU": "gpu",
    "USER": "user",
    "OSV": "os",
    "OSWORD": "os",
    "MEMORY": "memory",
    "CORES": "cores",
    "PORT": "ports",
    "SWV": "software",
}
"""What is asked for where `the usual …` is all that was said."""


def which_old(r: Reading, i: int) -> int:
    """Ask what `the old disk` is, since nothing is known but what is said here."""
    if r.tag(i + 1) in {"WORD", "ROOT", "DATA", *_UNSAID}:
        field = _UNSAID.get(r.tag(i + 1), "target")
        r.ask(field, f"What is {r.items[i].text} {r.items[i + 1].text}? I know only what you say here.", r.scope)
        return 2
    return _unsaid(r, i)
