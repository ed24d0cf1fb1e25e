"""The firewall's configurations by scope: the cluster's, a node's, a guest's, a virtual network's."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from atlas.lab.call import Call, PVEError
from atlas.lab.sections import CHANGED, digest
from atlas.lab.world import Entry

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


def rule_faults(call: Call, rule: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong with a rule, by parameter."""
    faults: dict[str, str] = {}
    sets, aliases = sets_and_aliases(call)
    for name in ("source", "dest"):
        for item in str(rule.get(name, "")).split(","):
            if item.startswith("+") and item[1:] not in sets:
                faults[name] = f"no such ipset '{item[1:].rpartition('/')[2]}'"
            elif re.match(r"[A-Za-z]", item) and ip_version(item) is None and item not in aliases:
                faults[name] = f"no such alias '{item.rpartition('/')[2]}'"
    for name in ("dport", "sport", "icmp-type"):
        if rule.get(name) and not rule.get("proto") and not rule.get("macro"):
            faults["proto"] = f"missing property - '{name}' requires this property"
    if "vmid" in call.params and rule.get("iface") and not re.fullmatch(r"net\d+", rule["iface"]):
        faults["iface"] = "value does not match the regex pattern 'net\\d+'"
    return faults
