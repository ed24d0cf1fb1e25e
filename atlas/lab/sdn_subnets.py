"""cluster/sdn/vnets/{vnet}/subnets."""

from __future__ import annotations

import ipaddress
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.formats import taken_apart
from atlas.lab.sdn import configured, inner, one, view
from atlas.lab.sections import change, settings

_BASE = "/cluster/sdn/vnets/{vnet}/subnets"


def _zone(call: Call) -> str:
    name = call.params["vnet"]
    vnet = configured(call.lab, "vnets").get(name)
    if vnet is None:
        raise PVEError(500, f"sdn vnet '{name}' does not exist")
    return str(vnet.data["zone"])


def _shown(name: str, data: dict[str, Any]) -> dict[str, Any]:
    zone, network, mask = name.split("-", 2)
    parts = {"id": name, "subnet": name, "zone": zone, "network": network, "mask": mask, "cidr": f"{network}/{mask}"}
    return {**data, "dhcp-range": _ranges(data), **parts}


def _ranges(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [taken_apart({}, text) for text in data.get("dhcp-range", ())]


def _check(data: dict[str, Any], name: str, doing: str) -> None:
    _, network, mask = name.split("-", 2)
    gateway = data.get("gateway")
    if gateway and ipaddress.ip_address(gateway) not in ipaddress.ip_network(f"{network}/{mask}", strict=False):
        raise inner(doing, "gateway", f"{gateway} is not in subnet {network}/{mask}")
    _check_ranges(_ranges(data), f"{network}/{mask}", doing)


def _check_ranges(ranges: list[dict[str, Any]], cidr: str, doing: str) -> None:
    taken: list[tuple[Any, Any]] = []
    for row in ranges:
        ends = {}
        for key in ("start-address", "end-address"):
            try:
                ends[key] = ipaddress.ip_address(row.get(key, ""))
            except ValueError as problem:
                raise inner(doing, "dhcp-range", f"{key} is not a valid IP {row.get(key, '')}") from problem
        first, last = ends["start-address"], ends["end-address"]
        if int(first) > int(last):  # one may be of IPv4, the other of IPv6: one of them is then in no subnet
            raise inner(doing, "dhcp-range", f"start-address {first} must be smaller than end-address {last}")
        for key, address in ends.items():
            if address not in ipaddress.ip_network(cidr, strict=False):
                raise inner(doing, "dhcp-range", f"{key} {address} is not in subnet {cidr}")
        if any(first <= other_last and other_first <= last for other_first, other_last in taken):
            raise inner(doing, "dhcp-range", "dhcp ranges must not overlap")
        taken.append((first, last))


@api("GET", _BASE)
def subnets(call: Call) -> list[dict[str, Any]]:
    """List a virtual network's subnets."""
    _zone(call)
    rows = view(call.lab, "subnets", "subnet", call.params)
    wanted = call.params["vnet"]
    return [
        {**row, **_shown(row["subnet"], {k: v for k, v in row.items() if k != "subnet"})}
        for row in rows
        if wanted in (row.get("vnet"), (row.get("pending") or {}).get("vnet"))
    ]


@api("POST", _BASE)
def create_subnet(call: Call) -> None:
    """Make a subnet."""
    doing = "create sdn subnet object failed: "
    cidr = call.params["subnet"]
    name = f"{_zone(call)}-{cidr.replace('/', '-')}"
    data = {"type": "subnet", **settings(call.params, "subnet", "lock-token")}
    table = configured(call.lab, "subnets")
    if "/" not in cidr:
        raise PVEError(400, errors={"subnet": "invalid format - value does not look like a valid CIDR network\n"})
    _check(data, name, doing)
    if name in table:
        raise PVEError(500, f"{doing}sdn subnet object ID '{name}' already defined")
    table[name] = Entry(data)


def _found(call: Call) -> Entry:
    name, table = call.params["subnet"], configured(call.lab, "subnets")
    _zone(call)
    if name not in table:
        raise PVEError(500, f"sdn '{name}' does not exist")
    return table[name]


@api("GET", f"{_BASE}/{{subnet}}")
def read_subnet(call: Call) -> dict[str, Any]:
    """Return a subnet."""
    _zone(call)
    row = one(call, "subnets", "subnet")
    return {**row, **_shown(row["subnet"], {key: value for key, value in row.items() if key != "subnet"})}


@api("PUT", f"{_BASE}/{{subnet}}")
def update_subnet(call: Call) -> None:
    """Change a subnet."""
    entry = _found(call)
    data = dict(entry.data)
    change(data, call.params, "subnet", "vnet", "lock-token")
    _check(data, call.params["subnet"], "update sdn subnet object failed: ")
    entry.data = data


@api("DELETE", f"{_BASE}/{{subnet}}")
def delete_subnet(call: Call) -> None:
    """Remove a subnet."""
    _found(call)
    del configured(call.lab, "subnets")[call.params["subnet"]]
