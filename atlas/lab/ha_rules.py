"""cluster/ha/rules: where managed guests may be, and with or apart from whom."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.formats import split_list
from atlas.lab.records import Table
from atlas.lab.sections import check_digest, settings, table_digest, take_away
from atlas.lab.world import Lab

Data = dict[str, Any]
Fault = tuple[str, str]  # a rule, and what is wrong with it

_NEEDED = {"node-affinity": ("resources", "nodes"), "resource-affinity": ("resources", "affinity")}
_MORE = {"node-affinity": ("strict", "disable", "comment"), "resource-affinity": ("disable", "comment")}


def rules_of(lab: Lab) -> Table[Entry]:
    """Return the rules."""
    return lab.section("ha/rules")


def _members(data: Data) -> set[str]:
    return set(split_list(data["resources"]))


def _nodes(data: Data) -> dict[str, int]:
    """Return the nodes of a rule with their priorities."""
    return {name: int(weight or 0) for name, _, weight in (n.partition(":") for n in split_list(data["nodes"]))}


def _shared_nodes(near: dict[str, Data]) -> Iterator[Fault]:
    for (one, first), (other, second) in combinations(near.items(), 2):
        for sid in sorted(_members(first) & _members(second)):
            for name in (one, other):
                yield name, f"resource '{sid}' is already used in another node affinity rule"


def _contrary(tied: dict[str, Data]) -> Iterator[Fault]:
    for (one, first), (other, second) in combinations(tied.items(), 2):
        if first["affinity"] != second["affinity"] and len(_members(first) & _members(second)) > 1:
            for name, data in ((one, second), (other, first)):
                yield name, f"rule shares two or more resources with a {data['affinity']} resource affinity rule"


def _between(near: dict[str, Data], tied: dict[str, Data]) -> Iterator[Fault]:
    for one, data in tied.items():
        placed = {name: rule for name, rule in near.items() if _members(rule) & _members(data)}
        if any(len(set(_nodes(rule).values())) > 1 for rule in placed.values()):
            yield one, "resources are in node affinity rules with multiple priorities"
            for name in placed:
                text = "resources are in a resource affinity rule and cannot be in a node affinity rule"
                yield name, f"{text} with multiple priorities"
        if data["affinity"] == "positive" and len(placed) > 1:
            yield one, "resources are in multiple node affinity rules"
            for name in placed:
                text = "at least one resource is in a positive resource affinity rule and there are other resources"
                yield name, f"{text} in at least one other node affinity rule already"
        located = {sid for rule in placed.values() for sid in _members(rule) & _members(data)}
        if data["affinity"] == "negative" and len({n for r in placed.values() for n in _nodes(r)}) < len(located):
            yield one, "two or more resources are restricted to less nodes than available to the resources"
            for name in placed:
                text = "at least one resource is in a negative resource affinity rule and this rule would restrict"
                yield name, f"{text} these to less nodes than available to the resources"


def _faults(lab: Lab, rules: dict[str, Data]) -> Iterator[Fault]:
    """Give what makes rules impossible to follow, or useless."""
    used = {name: data for name, data in rules.items() if not data.get("disable")}
    near = {name: data for name, data in used.items() if data["type"] == "node-affinity"}
    tied = {name: data for name, data in used.items() if data["type"] == "resource-affinity"}
    yield from _shared_nodes(near)
    for name, data in tied.items():
        if len(_members(data)) < 2:
            yield name, "rule is ineffective as there are less than two resources"
        if data["affinity"] == "negative" and len(_members(data)) > len(lab.nodes):
            yield name, "rule defines more resources than available nodes"
    yield from _contrary(tied)
    yield from _between(near, tied)


def _check(call: Call, name: str, data: Data, given: Data, doing: str) -> None:
    """Refuse a rule about what there is not, and one that cannot be followed."""
    managed, lab = call.lab.section("ha/resources"), call.lab
    unmanaged = [sid for sid in sorted(_members(given)) if sid not in managed] if "resources" in given else []
    if unmanaged:
        raise PVEError(500, f"{doing}cannot use unmanaged resource(s) {', '.join(unmanaged)}.")
    absent = [node for node in sorted(_nodes(given)) if node not in lab.nodes] if "nodes" in given else []
    if absent:
        raise PVEError(500, f"{doing}cannot use non-existent node(s) {', '.join(absent)}.")
    rules = {other: dict(entry.data) for other, entry in rules_of(lab).items()} | {name: data}
    texts = [text for rule, text in _faults(lab, rules) if rule == name]
    if texts:
        raise PVEError(500, f"{doing}400 Rule '{name}' is invalid.\nresources: {', '.join(texts)}\n")


def _given(call: Call, kind: str, doing: str) -> Data:
    """Return what a call sets of a rule of a kind."""
    given = {
        key: value
        for key, value in settings(call.params, "rule", "type", doing=doing).items()
        if key != "disable" or value
    }
    for key in given:
        if key not in (*_NEEDED[kind], *_MORE[kind]):
            raise PVEError(500, f"{doing}unexpected property '{key}'")
    return given


def _shown(call: Call, name: str) -> Data:
    table = rules_of(call.lab)
    order = list(table).index(name) + 1
    shown = {**table[name].data, "rule": name, "order": order, "digest": table_digest(table)}
    for key in ("resources", "nodes"):
        if key in shown:
            shown[key] = ",".join(sorted(split_list(shown[key])))
    return shown


@api("GET", "/cluster/ha/rules")
def rules(call: Call) -> list[Data]:
    """List the rules."""
    kind, resource = call.params.get("type"), call.params.get("resource")
    return [
        _shown(call, name)
        for name, entry in rules_of(call.lab).items()
        if kind in (None, entry.data["type"]) and (resource is None or resource in _members(entry.data))
    ]


@api("POST", "/cluster/ha/rules")
def create_rule(call: Call) -> None:
    """Make a rule."""
    table, doing = rules_of(call.lab), "create ha rule failed: "
    name, kind = call.params["rule"], call.params["type"]
    given = _given(call, kind, "")
    for key in _NEEDED[kind]:
        if key not in given:
            raise PVEError(500, f"missing value for required option '{key}'")
    if name in table:
        raise PVEError(500, f"{doing}HA rule '{name}' already defined")
    _check(call, name, {"type": kind, **given}, given, doing)
    table[name] = Entry({"type": kind, **given})


@api("GET", "/cluster/ha/rules/{rule}")
def read_rule(call: Call) -> Data:
    """Return a rule."""
    name = call.params["rule"]
    if name not in rules_of(call.lab):
        raise PVEError(500, f"no such ha rule '{name}'")
    return _shown(call, name)


@api("PUT", "/cluster/ha/rules/{rule}")
def update_rule(call: Call) -> None:
    """Change a rule."""
    table, name, doing = rules_of(call.lab), call.params["rule"], "update HA rules failed: "
    check_digest(call.params, table_digest(table), doing)
    if name not in table:
        raise PVEError(500, f"{doing}HA rule '{name}' does not exist")
    data = dict(table[name].data)
    kind = data["type"]
    given = _given(call, kind, doing)
    names = split_list(call.params.get("delete", ""))
    take_away(data, names, given, known=(*_NEEDED[kind], *_MORE[kind]), needed=_NEEDED[kind], doing=doing)
    _check(call, name, data | given, given, doing)
    table[name].data = data | given


@api("DELETE", "/cluster/ha/rules/{rule}")
def delete_rule(call: Call) -> None:
    """Remove a rule; one that is not there is no fault."""
    rules_of(call.lab).pop(call.params["rule"], None)
