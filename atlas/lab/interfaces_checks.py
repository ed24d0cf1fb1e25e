"""What PVE checks of a node's interfaces before it writes them: ports and bonds, parents and sizes, addresses."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from atlas.lab.call import PVEError
from atlas.lab.formats import split_list

Data = dict[str, Any]
_PORTS = ("bridge_ports", "ovs_ports", "slaves", "ovs_bonds")
# The longest network that an address is in says what it is for; a host may have only some kinds.
_KINDS_OF_V6 = {
    "::/8": "RESERVED",
    "::/128": "UNSPECIFIED",
    "::1/128": "LOOPBACK",
    "100::/64": "DISCARD",
    "2000::/3": "GLOBAL-UNICAST",
    "2001::/32": "TEREDO",
    "2001:db8::/32": "DOCUMENTATION",
    "2001:10::/28": "ORCHID",
    "2002::/16": "6TO4",
    "fc00::/7": "UNIQUE-LOCAL-UNICAST",
    "fe80::/10": "LINK-LOCAL-UNICAST",
    "ff00::/8": "MULTICAST",
}


def _ports(data: Data) -> list[tuple[str, str]]:
    return [(key, port) for key in _PORTS for port in split_list(str(data.get(key) or ""))]


def check_ports(found: dict[str, Data], name: str, given: Data) -> None:
    """Refuse a port that another interface has."""
    mine = _ports(given)
    for other, data in found.items():
        for port in (p for _, p in _ports(data) if other != name):
            if port in (p for _, p in mine):
                raise PVEError(400, errors={mine[0][0]: f"{port} is already used on interface '{other}'."})


def check_gateway(found: dict[str, Data], name: str, given: Data) -> None:
    """Refuse a second default gateway."""
    for key, words in (("gateway", "Default gateway"), ("gateway6", "Default ipv6 gateway")):
        for other, data in found.items():
            if given.get(key) and other != name and data.get(key):
                raise PVEError(400, errors={key: f"{words} already exists on interface '{other}'."})


def check_v6(address: str) -> None:
    """Refuse an address that no host may have."""
    inside = [n for n in map(ipaddress.IPv6Network, _KINDS_OF_V6) if ipaddress.IPv6Address(address) in n]
    kind = _KINDS_OF_V6[str(max(inside, key=lambda n: n.prefixlen))] if inside else "RESERVED"
    if not kind.endswith("UNICAST"):
        text = f"{address} with type '{kind}', cannot be used as host IPv6 address."
        raise PVEError(400, errors={"address": text})


def check_all(found: dict[str, Data]) -> None:
    """Refuse interfaces that do not go together."""
    for name, data in found.items():
        if data.get("type") == "bond":
            _check_bond(found, name, data)
    for name, data in found.items():
        if data.get("type") == "vlan":
            _check_vlan(found, name, data)
    for name, data in found.items():
        if data.get("type") == "bridge":
            _check_bridge(found, name, data)


def _check_size(found: dict[str, Data], parent: str, child: str) -> None:
    wanted, holder = int(found.get(child, {}).get("mtu") or 0), found.get(parent, {})
    has = int(holder.get("mtu") or (wanted if holder.get("type") == "bond" else 1500))
    if has < wanted:
        raise PVEError(500, f"interface '{parent}' - mtu {has} is lower than '{child}' - mtu {wanted}")


def _check_bond(found: dict[str, Data], name: str, data: Data) -> None:
    slaves = split_list(str(data.get("slaves") or ""))
    for slave in slaves:
        kind = found.get(slave, {}).get("type", "")
        if kind not in ("eth", "bond"):
            text = f"bond '{name}' - wrong interface type on slave '{slave}' ('{kind}' != 'eth or bond')"
            raise PVEError(500, text)
        found[slave]["autostart"] = 1
        _check_size(found, name, slave)
    if slaves and data.get("bond-primary") not in (None, "", *slaves):
        where = " at /usr/share/perl5/PVE/Network/Interfaces.pm line 893."
        raise PVEError(500, f"bond '{name}' - bond-primary interface is not a slave{where}")


def _check_vlan(found: dict[str, Data], name: str, data: Data) -> None:
    where = " at /usr/share/perl5/PVE/Network/Interfaces.pm line 942."
    match, parent = re.fullmatch(r"(?:(\S+)\.|vlan)(\d+)", name), data.get("vlan-raw-device")
    if match and match[1]:
        parent = match[1]
        data.pop("vlan-raw-device", None)
    if not parent:
        raise PVEError(500, f"missing vlan-raw-device option{where}")
    if match:
        data.pop("vlan-id", None)
    elif not data.get("vlan-id"):
        raise PVEError(500, f"missing vlan-id option{where}")
    if match and int(match[2]) > 4094:
        raise PVEError(500, f"vlan '{name}' - vlan-id {match[2]} should be <= 4094")
    if parent not in found:
        raise PVEError(500, f"vlan '{name}' - unable to find parent '{parent}'")
    kind = found[parent].get("type")
    if kind not in ("eth", "bridge", "bond", "vlan"):
        text = f"vlan '{name}' - wrong interface type on parent '{parent}' ('{kind}' != 'eth|bond|bridge|vlan' )"
        raise PVEError(500, text)
    _check_size(found, parent, name)


def _check_bridge(found: dict[str, Data], name: str, data: Data) -> None:
    for port in split_list(str(data.get("bridge_ports") or "")):
        if port == "none":
            continue
        vlan = re.fullmatch(r"(\S+)\.\d+", port)
        held = found.get(port, {"mtu": found.get(vlan[1], {}).get("mtu")} if vlan else None)
        if held is None:
            raise PVEError(500, f"bridge '{name}' - unable to find bridge port '{port}'")
        if held.get("method") == "static" or held.get("method6") == "static":
            raise PVEError(500, f"iface {port} - ip address can't be set on interface if bridged in {name}")
        _check_size({**found, port: held}, port, name)
