"""Addresses that PVE's own IPAM has given out: cluster/sdn/vnets/{vnet}/ips and the IPAM's status."""

from __future__ import annotations

import ipaddress
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.records import Table
from atlas.lab.sdn import configured, running
from atlas.lab.sdn_rules import died
from atlas.lab.world import Lab

_BASE = "/cluster/sdn/vnets/{vnet}/ips"


def _given(lab: Lab) -> Table[Entry]:
    return lab.section("sdn/ips")


def _subnet(call: Call, ip: str) -> str:
    """Return the range of the virtual network, as it was applied, that an address is in."""
    for name, entry in running(call.lab, "subnets").items():
        _, network, mask = name.split("-", 2)
        if entry.data["vnet"] == call.params["vnet"] and _inside(ip, f"{network}/{mask}"):
            return f"{network}/{mask}"
    raise died("", f"can't find any subnet for ip {ip}")


def _inside(ip: str, cidr: str) -> bool:
    return bool(ip) and ipaddress.ip_address(ip) in ipaddress.ip_network(cidr, strict=False)


def _add(call: Call, **more: Any) -> None:
    params, ip = call.params, call.params["ip"]
    subnet = _subnet(call, ip)
    key = f"{params['zone']}/{ip}"
    if key in _given(call.lab):
        raise PVEError(500, f"IP '{ip}' already exist")
    data = {"zone": params["zone"], "vnet": params["vnet"], "subnet": subnet, "ip": ip, "mac": params.get("mac")}
    _given(call.lab)[key] = Entry({**data, **more})


def _of_mac(call: Call, version: int) -> str | None:
    for key, entry in _given(call.lab).items():
        data = entry.data
        same = data["vnet"] == call.params["vnet"] and data.get("mac") == call.params.get("mac")
        if same and ipaddress.ip_address(data["ip"]).version == version:
            return key
    return None


@api("POST", _BASE)
def add(call: Call) -> None:
    """Give an address to a MAC."""
    _add(call)


@api("PUT", _BASE)
def move(call: Call) -> None:
    """Give a MAC another address in place of the one it has."""
    old = _of_mac(call, ipaddress.ip_address(call.params["ip"]).version)
    _subnet(call, old.partition("/")[2] if old else "")
    kept = _given(call.lab).pop(old) if old else None
    vmid = {"vmid": call.params["vmid"]} if "vmid" in call.params else {}
    try:
        _add(call, **vmid)
    except PVEError:
        if old and kept:
            _given(call.lab)[old] = kept
        raise


@api("DELETE", _BASE)
def remove(call: Call) -> None:
    """Take an address back."""
    key = f"{call.params['zone']}/{call.params['ip']}"
    _subnet(call, call.params["ip"])
    if key not in _given(call.lab):
        raise PVEError(500, f"IP '{call.params['ip']}' does not exist in IPAM DB")
    del _given(call.lab)[key]


@api("GET", "/cluster/sdn/ipams/{ipam}/status")
def status(call: Call) -> list[dict[str, Any]]:
    """List the addresses that are given out, with the gateways of subnets."""
    if call.params["ipam"] != "pve":
        raise PVEError(500, "Currently only PVE IPAM is supported!")
    rows = [{k: v for k, v in entry.data.items() if v is not None} for entry in _given(call.lab).values()]
    for name, entry in configured(call.lab, "subnets").items():
        zone, network, mask = name.split("-", 2)
        if entry.data.get("gateway"):
            shown = {"zone": zone, "vnet": entry.data["vnet"], "subnet": f"{network}/{mask}"}
            rows.append({**shown, "ip": entry.data["gateway"], "gateway": 1})
    return [
        row
        for row in rows
        if call.may(f"/sdn/zones/{row['zone']}/{row['vnet']}", "SDN.Audit", "SDN.Allocate", any=True)
    ]
