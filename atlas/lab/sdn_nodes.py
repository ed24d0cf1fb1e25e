"""nodes/{node}/sdn: what was applied, as a node has it."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.sdn import running

Data = dict[str, Any]
_BASE = "/nodes/{node}/sdn"
_NIC = re.compile(r"net(\d+)")


def _check_zone(call: Call) -> None:
    name = str(call.params["zone"])
    if name != "localnetwork" and name not in running(call.lab, "zones"):
        raise PVEError(400, errors={"zone": "zone does not exist"})


def _visible(call: Call) -> list[str]:
    """Return the virtual networks of the zone that the caller sees; the node's own bridges for `localnetwork`."""
    zone = str(call.params["zone"])
    if zone == "localnetwork":
        names = [n for n, d in call.lab.node(call.params["node"]).network.items() if d.get("type") == "bridge"]
    else:
        names = [name for name, entry in running(call.lab, "vnets").items() if entry.data["zone"] == zone]
    seen = ("SDN.Audit", "SDN.Allocate", "SDN.Use")
    return [name for name in names if call.may(f"/sdn/zones/{zone}/{name}", *seen, any=True)]


@api("GET", f"{_BASE}/zones/{{zone}}/content")
def content(call: Call) -> list[Data]:
    """List a zone's virtual networks."""
    return [{"vnet": name, "status": "available"} for name in _visible(call)]


def _ports(call: Call, bridge: str) -> list[Data]:
    """List the guests' interfaces on a bridge."""
    found = []
    for guest in call.lab.guests.values():
        if guest.node != call.params["node"] or guest.status != "running":
            continue
        for key, value in guest.config.items():
            match = _NIC.fullmatch(key)
            parts = dict(part.split("=", 1) for part in str(value).split(",") if "=" in part)
            if match and parts.get("bridge") == bridge:
                kind = "tap" if guest.kind == "qemu" else "veth"
                port: Data = {"name": f"{kind}{guest.vmid}i{match[1]}", "vmid": guest.vmid, "index": key}
                found.append(port | ({"primary_vlan": int(parts["tag"])} if parts.get("tag") else {}))
    return found


@api("GET", f"{_BASE}/zones/{{zone}}/bridges")
def bridges(call: Call) -> list[Data]:
    """List a zone's bridges with the guests on them."""
    _check_zone(call)
    network = call.lab.node(call.params["node"]).network
    return [
        {
            "name": name,
            "vlan_filtering": int(network.get(name, {}).get("bridge_vlan_aware") or 0),
            "ports": [
                *({"name": port} for port in str(network.get(name, {}).get("bridge_ports") or "").split()),
                *_ports(call, name),
            ],
        }
        for name in _visible(call)
    ]


@api("GET", f"{_BASE}/fabrics/{{fabric}}/interfaces")
def interfaces(call: Call) -> list[Data]:
    """List the interfaces of the node that a fabric runs over."""
    fabric, node = call.params["fabric"], call.params["node"]
    entry = running(call.lab, "fabric-nodes").get(f"{fabric}/{node}")
    if entry is None:
        return []
    names = [
        dict(p.split("=", 1) for p in text.split(",") if "=" in p)["name"] for text in entry.data.get("interfaces", ())
    ]
    return [{"name": name, "state": "up", "type": "point-to-point"} for name in names]
