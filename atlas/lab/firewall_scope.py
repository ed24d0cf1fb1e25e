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
    icmp_mismatch,
    ports_fault,
    protocol_fault,
)
from atlas.lab.sdn import running
from atlas.lab.sdn_rules import died
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


def check_vnet(call: Call) -> None:
    """Refuse a virtual network that was not applied."""
    if "vnet" in call.params and call.params["vnet"] not in running(call.lab, "vnets"):
        raise died("", "invalid vnet specified")


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


def resolve(call: Call, name: str) -> dict[str, Any] | None:
    """Return what an alias stands for, looked for where its prefix (`dc/`, `guest/`) says."""
    scope, _, plain = name.lower().rpartition("/")
    found: dict[str, Any] | None = None
    if scope != "dc" and "vmid" in call.params:
        found = part(call, "aliases").get(plain)
    if scope != "guest" and found is None:
        found = part(call, "aliases", scope="cluster").get(plain)
    return found


def _known(call: Call, kind: str) -> set[str]:
    """Return the names of a kind that rules may use, the cluster's and a guest's own."""
    own = part(call, kind) if "vmid" in call.params else {}
    return {*own, *part(call, kind, scope="cluster")}


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


def rule_faults(call: Call, rule: dict[str, Any]) -> tuple[dict[str, str], int | None]:
    """Return what is wrong with a rule, by parameter, in the order in which PVE finds it, and its version of IP."""
    faults: dict[str, str] = {}

    def add(name: str, text: str | None) -> None:
        if text is not None:
            faults.setdefault(name, text)

    _check_kind(_environment(call), rule, add)
    proto = str(rule.get("proto") or "")
    if rule.get("macro") and rule["macro"].lower() not in MACROS:
        add("macro", f"unknown macro '{rule['macro']}'")
    add("proto", protocol_fault(proto))
    _check_ports(rule, proto, add)
    return faults, _check_addresses(call, rule, add)


def _check_ports(rule: dict[str, Any], proto: str, add: Callable[[str, str | None], None]) -> None:
    icmp = proto in ICMP
    for name in ("dport", "icmp-type", "sport"):
        if not rule.get(name):
            continue
        if name != "icmp-type":
            add(name, ports_fault(rule[name], icmp=icmp and name == "dport"))
        if (name == "icmp-type" and not icmp) or not proto:
            add("proto", f"missing property - '{name}' requires this property")
        elif name == "icmp-type":
            if rule.get("dport"):
                add(name, "'icmp-type' cannot be specified together with 'dport'")
            add(name, icmp_mismatch(rule[name], proto))
        elif proto not in WITH_PORTS and not (icmp and name == "dport"):
            add(name, f"protocol '{proto}' does not support ports")


def _check_addresses(call: Call, rule: dict[str, Any], add: Callable[[str, str | None], None]) -> int | None:
    """Check where a rule is from and to; all that it names must be of one version of IP, which is returned."""
    version = {"icmp": 4, "icmpv6": 6, "ipv6-icmp": 6}.get(str(rule.get("proto") or ""))
    mixed = "detected mixed ipv4/ipv6 addresses in rule"
    for name in ("source", "dest"):
        value = str(rule.get(name) or "")
        if not value:
            continue
        fault = address_fault(value)
        other = None if fault else ip_version(value)
        add(name, fault or (mixed if version and other not in (None, version) else None))
        version = version or other
        if value.startswith("+"):
            match = IPSET.fullmatch(value)
            if match is None:
                add(name, f"invalid ipset name '{value}'")
            elif match[2] not in _known(call, "ipset"):
                add(name, f"no such ipset '{match[2]}'")
            continue
        alias = ALIAS.fullmatch(value)
        if alias and alias[2].lower() not in _known(call, "aliases"):
            add(name, f"no such alias '{value}'")
        found = resolve(call, value) if alias else None
        other = ip_version(found["cidr"]) if found else None
        if version and other not in (None, version):
            raise PVEError(500, mixed)
        version = version or other
    return version


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
