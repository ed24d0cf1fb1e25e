"""cluster/sdn/vnets/{vnet}/subnets."""

from __future__ import annotations

import ipaddress
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.formats import taken_apart
from atlas.lab.sdn import changed, configured, missing, one, view
from atlas.lab.sdn_rules import inner
from atlas.lab.sections import settings

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


def _check(call: Call, data: dict[str, Any], name: str, doing: str) -> None:
    _, network, mask = name.split("-", 2)
    gateway = str(data.get("gateway") or "")
    if configured(call.lab, "vnets")[data["vnet"]].data.get("vlanaware"):
        raise inner(doing, "vnet", text="you can't add a subnet on a vlanaware vnet")
    outside = bool(gateway) and ipaddress.ip_address(gateway) not in ipaddress.ip_network(
        f"{network}/{mask}", strict=False
    )
    if outside and not (mask == "32" and ":" not in gateway):  # a link from point to point
        raise inner(doing, "gateway", text=f"{gateway} is not in subnet {network}/{mask}")
    _check_ranges(_ranges(data), f"{network}/{mask}", doing)


def _check_ranges(ranges: list[dict[str, Any]], cidr: str, doing: str) -> None:
    taken: list[tuple[Any, Any]] = []
    for row in ranges:
        ends = {}
        for key in ("start-address", "end-address"):
            try:
                ends[key] = ipaddress.ip_address(row.get(key, ""))
            except ValueError as problem:
                raise inner(doing, "dhcp-range", text=f"{key} is not a valid IP {row.get(key, '')}") from problem
        first, last = ends["start-address"], ends["end-address"]
        if int(first) > int(last):  # one may be of IPv4, the other of IPv6: one of them is then in no subnet
            raise inner(doing, "dhcp-range", text=f"start-address {first} must be smaller than end-address {last}")
        for key, address in ends.items():
            if address not in ipaddress.ip_network(cidr, strict=False):
                raise inner(doing, "dhcp-range", text=f"{key} {address} is not in subnet {cidr}")
        if any(first <= other_last and other_first <= last for other_first, other_last in taken):
            raise inner(doing, "dhcp-range", text="dhcp ranges must not overlap")
        taken.append((first, last))


@api("GET", _BASE)
def subnets(call: Call) -> list[dict[str, Any]]:
    """List a virtual network's subnets."""
    _zone(call)
    rows = view(call.lab, "subnets", "subnet", call.params, drop=("vnet",))
    wanted, table = call.params["vnet"], configured(call.lab, "subnets")
    return [
        {**row, **_shown(row["subnet"], {k: v for k, v in row.items() if k != "subnet"}), "vnet": wanted}
        for row in rows
        if wanted == row.get("vnet", table[row["subnet"]].data["vnet"] if row["subnet"] in table else None)
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
    if name in table:
        raise PVEError(500, f"{doing}sdn subnet object ID '{name}' already defined")
    _check(call, data, name, doing)
    table[name] = Entry(data)


def _found(call: Call, doing: str) -> Entry:
    name, table = call.params["subnet"], configured(call.lab, "subnets")
    _zone(call)
    if name not in table:
        raise PVEError(500, f"{doing}{missing('subnets', name)}")
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
    doing = "update sdn subnet object failed: "
    entry = _found(call, doing)
    data = changed(call, "subnets", "subnet", entry, doing)
    _check(call, data, call.params["subnet"], doing)
    entry.data = data


@api("DELETE", f"{_BASE}/{{subnet}}")
def delete_subnet(call: Call) -> None:
    """Remove a subnet."""
    zone, name, table = _zone(call), call.params["subnet"], configured(call.lab, "subnets")
    if name not in table and configured(call.lab, "zones")[zone].data.get("ipam"):
        raise PVEError(500, "delete sdn subnet object failed: zone '' doesn't exist in IPAM DB")
    table.pop(name, None)
