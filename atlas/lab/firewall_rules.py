"""Firewall rules and options, of every scope, and security groups."""

from __future__ import annotations

from typing import Any

from atlas.lab import firewall_named
from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.firewall_formats import MACROS
from atlas.lab.firewall_scope import CLUSTER, GUESTS, NODE, VNET, check_digest, check_vnet, key, part, rule_faults
from atlas.lab.formats import split_list
from atlas.lab.sections import digest
from atlas.lab.table import load

_FIELDS = (
    "type", "action", "enable", "iface", "source", "dest", "macro", "proto", "sport", "dport", "icmp-type", "log",
    "comment",
)  # fmt: skip
_GROUPS = f"{CLUSTER}/groups"


def _holder(call: Call) -> dict[str, Any]:
    """Return what has the key `rules`: a scope's configuration, or a security group."""
    if "group" in call.params:
        groups = part(call, "groups")
        if call.params["group"] not in groups:
            raise PVEError(500, f"no such security group '{call.params['group']}'")
        found: dict[str, Any] = groups[call.params["group"]]
        return found
    check_vnet(call)
    table = call.lab.section("firewall")
    if key(call) not in table:
        table[key(call)] = Entry({"rules": ()})
    return table[key(call)].data


def _shown(call: Call, rule: dict[str, Any], position: int | str, sum_: str) -> dict[str, Any]:
    shown = {**rule, "pos": position, "digest": sum_}
    faults, version = rule_faults(call, rule)
    if version:
        shown["ipversion"] = version
    return shown | ({"errors": faults} if faults else {})


def _rules(call: Call) -> list[dict[str, Any]]:
    rules = _holder(call)["rules"]
    sum_ = digest({"rules": rules})
    return [_shown(call, rule, position, sum_) for position, rule in enumerate(rules)]


def _check(call: Call, rule: dict[str, Any]) -> None:
    """Refuse a rule by the first fault, as PVE does; macros get their own way of writing."""
    for name, fault in rule_faults(call, rule)[0].items():
        raise PVEError(400, errors={name: fault})
    if rule.get("macro"):
        rule["macro"] = MACROS[rule["macro"].lower()]
    # What the line of a rule in the configuration has no place for is lost.
    rule["enable"] = int(bool(rule.get("enable", 1)))
    rule |= {"comment": rule["comment"].split("\n")[0]} if rule.get("comment") else {}


def _copy(call: Call, rule: dict[str, Any]) -> None:
    """Set a rule's properties as the call says; nothing, or a dash, takes one away."""
    for name in _FIELDS:
        if call.params.get(name) in ("", "-"):
            rule.pop(name, None)
        elif name in call.params:
            rule[name] = call.params[name]


def _create(call: Call) -> None:
    holder = _holder(call)
    check_digest(call, {"rules": holder["rules"]})
    rule: dict[str, Any] = {}
    _copy(call, rule)
    rule["enable"] = call.params.get("enable", 0)
    _check(call, rule)
    holder["rules"] = (rule, *holder["rules"])  # a new rule comes first, whatever place is asked for


def _at(call: Call) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    holder, position = _holder(call), int(call.params["pos"])
    rules = [dict(rule) for rule in holder["rules"]]
    if position >= len(rules):
        raise PVEError(500, f"no rule at position {position}")
    check_digest(call, {"rules": holder["rules"]})
    return holder, rules, position


def _read(call: Call) -> dict[str, Any]:
    holder, rules, position = _at(call)
    return _shown(call, rules[position], str(position), digest({"rules": holder["rules"]}))


def _update(call: Call) -> None:
    holder, rules, position = _at(call)
    target = call.params.get("moveto")
    if target not in (None, position):
        moved = rules[position]
        before, after = rules[:target], rules[target:]
        holder["rules"] = tuple([r for r in before if r is not moved] + [moved] + [r for r in after if r is not moved])
        return
    rule = rules[position]
    _copy(call, rule)
    for name in split_list(call.params.get("delete", "")):
        if name not in _FIELDS:
            raise PVEError(400, errors={"delete": f"no such property ('{name}')"})
        if name in ("type", "action"):
            raise PVEError(400, errors={"delete": f"unable to delete required property '{name}'"})
        rule.pop(name, None)
    _check(call, rule)
    holder["rules"] = tuple(rules)


def _delete(call: Call) -> None:
    holder, rules, position = _at(call)
    del rules[position]
    holder["rules"] = tuple(rules)


for _base in (*(f"{scope}/rules" for scope in (CLUSTER, NODE, VNET, *GUESTS)), f"{_GROUPS}/{{group}}"):
    api("GET", _base)(_rules)
    api("POST", _base)(_create)
    api("GET", f"{_base}/{{pos}}")(_read)
    api("PUT", f"{_base}/{{pos}}")(_update)
    api("DELETE", f"{_base}/{{pos}}")(_delete)


def _options(call: Call) -> dict[str, Any]:
    check_vnet(call)
    options = part(call, "options")
    return {**options, "digest": digest(options)}


def _update_options(call: Call) -> None:
    check_vnet(call)
    options = part(call, "options")
    check_digest(call, options)
    method = load().method("PUT", call.path)
    known = method.parameters if method else {}
    for name in split_list(call.params.get("delete", "")):
        if name not in known or name in ("delete", "digest", "node", "vmid", "vnet"):
            raise PVEError(400, errors={"delete": f"no such option '{name}'"})
        options.pop(name, None)
    options.update({k: v for k, v in call.params.items() if k not in ("delete", "digest", "node", "vmid", "vnet")})


for _scope in (CLUSTER, NODE, VNET, *GUESTS):
    api("GET", f"{_scope}/options")(_options)
    api("PUT", f"{_scope}/options")(_update_options)


@api("GET", _GROUPS)
def groups(call: Call) -> list[dict[str, Any]]:
    """List the security groups."""
    return firewall_named.rows(part(call, "groups"), "group")


@api("POST", _GROUPS)
def create_group(call: Call) -> None:
    """Make a security group, or rename one."""
    firewall_named.make(call, "groups", "group", "Security group", {"rules": ()})
    if call.params.get("rename"):
        _follow(call, call.params["rename"], call.params["group"])


def _follow(call: Call, old: str, new: str) -> None:
    """Let the rules of nodes and guests that use a group use it by its new name."""
    for entry in call.lab.section("firewall").values():
        rules = entry.data.get("rules", ())
        if any(rule["type"] == "group" and rule["action"] == old for rule in rules):
            entry.data["rules"] = tuple(
                {**rule, "action": new} if rule["type"] == "group" and rule["action"] == old else rule for rule in rules
            )


@api("DELETE", f"{_GROUPS}/{{group}}")
def delete_group(call: Call) -> None:
    """Remove a security group that has no rules."""
    if _holder(call)["rules"]:
        raise PVEError(500, f"Security group '{call.params['group']}' is not empty")
    del part(call, "groups")[call.params["group"]]


@api("GET", f"{CLUSTER}/macros")
def macros(_: Call) -> list[dict[str, str]]:
    """List the macros."""
    return [{"macro": name, "descr": f"{name} traffic"} for name in MACROS.values()]


def _log(call: Call) -> list[dict[str, Any]]:
    call.extra["total"] = 0
    return [{"n": 1, "t": "no content"}]


for _scope in (NODE, *GUESTS):
    api("GET", f"{_scope}/log")(_log)
