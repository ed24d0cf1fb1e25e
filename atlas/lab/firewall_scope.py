"""The firewall's configurations by scope: the cluster's, a node's, a guest's, a virtual network's."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from atlas.lab.call import Call, PVEError
from atlas.lab.entities import Entry
from atlas.lab.firewall_formats import (
    ALIAS,
    ICMP,
    IPSET,
    MACROS,
    WITH_PORTS,
    address_fault,
    ports_fault,
    protocol_fault,
)
from atlas.lab.sections import CHANGED, digest

# The scopes' templates below which their calls lie.
CLUSTER = "/cluster/firewall"
NODE = "/nodes/{node}/firewall"
VNET = "/cluster/sdn/vnets/{vnet}/firewall"
GUESTS = ("/nodes/{node}/qemu/{vmid}/firewall", "/nodes/{node}/lxc/{vmid}/firewall")


def key(call: Call) -> str:
    """Return the name of the configuration that a call is about."""
    params = call.params
    if "vmid" in params:
        return f"vm/{params['vmid']}"
    if "node" in params:
        return f"node/{params['node']}"
    return f"vnet/{params['vnet']}" if "vnet" in params else "cluster"


def part(call: Call, name: str, *, scope: str | None = None) -> dict[str, Any]:
    """Return a part of a configuration (`options`, `aliases`, `ipset`, `groups`) to read or to change.

    Args:
        call: The call.
        name: The part.
        scope: Another configuration than the call's own, such as `cluster`.
    """
    table, where = call.lab.section("firewall"), scope or key(call)
    if where not in table:
        table[where] = Entry({"rules": ()})
    found: dict[str, Any] = table[where].data.setdefault(name, {})
    return found


def check_digest(call: Call, value: dict[str, Any]) -> None:
    """Refuse a change that was made from an older state."""
    given = call.params.get("digest")
    if given and given != digest(value):
        raise PVEError(500, CHANGED)


def ip_version(text: object) -> int | None:
    """Return 4 or 6 for a list of addresses or networks of one kind, None for names."""
    versions = set()
    for item in re.split(r"[,-]", str(text)):
        try:
            versions.add(ipaddress.ip_network(item, strict=False).version)
        except ValueError:
            return None
    return versions.pop() if len(versions) == 1 else None


def sets_and_aliases(call: Call) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the IP sets and aliases that rules may name: a guest's own and the cluster's, by `scope/name` too."""
    found: list[dict[str, Any]] = []
    for name in ("ipset", "aliases"):
        shared = part(call, name, scope="cluster")
        known: dict[str, Any] = {**shared, **{f"dc/{item}": value for item, value in shared.items()}}
        if "vmid" in call.params:
            own = part(call, name)
            known |= {**own, **{f"guest/{item}": value for item, value in own.items()}}
        found.append(known)
    return found[0], found[1]


_TYPES = {
    "vm": ("in", "out", "group"),
    "group": ("in", "out", "forward"),
    "vnet": ("forward", "group"),
    "cluster": ("in", "out", "forward", "group"),
    "host": ("in", "out", "forward", "group"),
}


def _environment(call: Call) -> str:
    if "group" in call.params:
        return "group"
    return {"vm": "vm", "node": "host"}.get(key(call).partition("/")[0], key(call).partition("/")[0])


def rule_faults(call: Call, rule: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong with a rule, by parameter, in the order in which PVE finds it."""
    faults: dict[str, str] = {}

    def add(name: str, text: str | None) -> None:
        if text is not None:
            faults.setdefault(name, text)

    _check_kind(_environment(call), rule, add)
    proto = str(rule.get("proto") or "")
    icmp = proto in ICMP
    if rule.get("macro") and rule["macro"].lower() not in MACROS:
        add("macro", f"unknown macro '{rule['macro']}'")
    add("proto", protocol_fault(proto))
    for name in ("dport", "icmp-type", "sport"):
        if not rule.get(name):
            continue
        if name != "icmp-type":
            add(name, ports_fault(rule[name], icmp=icmp and name == "dport"))
        if (name == "icmp-type" and not icmp) or not proto:
            add("proto", f"missing property - '{name}' requires this property")
        elif name != "icmp-type" and proto not in WITH_PORTS and not (icmp and name == "dport"):
            add(name, f"protocol '{proto}' does not support ports")
    _check_addresses(call, rule, add)
    return faults


def _check_addresses(call: Call, rule: dict[str, Any], add: Callable[[str, str | None], None]) -> None:
    sets, aliases = sets_and_aliases(call)
    for name in ("source", "dest"):
        value = str(rule.get(name) or "")
        if not value:
            continue
        add(name, address_fault(value))
        if value.startswith("+"):
            match = IPSET.fullmatch(value)
            if match is None:
                add(name, f"invalid ipset name '{value}'")
            elif value[1:] not in sets:
                add(name, f"no such ipset '{match[2]}'")
        elif ALIAS.fullmatch(value) and value not in aliases:
            add(name, f"no such alias '{value}'")


def _check_kind(environment: str, rule: dict[str, Any], add: Callable[[str, str | None], None]) -> None:
    kind, action = rule.get("type"), str(rule.get("action") or "")
    if kind not in _TYPES[environment]:
        add("type", f"invalid rule type '{kind}' for rule_env '{environment}'")
    if kind == "forward" and action == "REJECT":
        add("action", "cannot define REJECT rules on forward chain")
    if kind in ("in", "out", "forward") and action not in ("ACCEPT", "DROP", "REJECT"):
        add("action", f"unknown action '{action}'")
    if rule.get("iface"):
        if environment in ("group", "vnet"):
            add("type", "parameter -i not allowed for this rule type")
        if environment == "vm" and not re.fullmatch(r"net\d+", rule["iface"]):
            add("iface", "value does not match the regex pattern 'net\\d+'")
