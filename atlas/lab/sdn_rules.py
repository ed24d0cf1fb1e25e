"""What an SDN object of a type has and needs, and what of it must fit the others."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import PVEError
from atlas.lab.entities import Entry
from atlas.lab.records import Table

Data = dict[str, Any]

_NAMES = ("nodes", "mtu", "dns", "reversedns", "dnszone", "ipam")
# kind -> type -> what one cannot be without, and what it may have besides
OPTIONS: dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "zones": {
        "simple": ((), (*_NAMES, "dhcp")),
        "vlan": (("bridge",), (*_NAMES, "bridge-disable-mac-learning")),
        "qinq": (("bridge", "tag"), (*_NAMES, "bridge-disable-mac-learning", "vlan-protocol")),
        "vxlan": ((), (*_NAMES, "peers", "vxlan-port", "fabric")),
        "evpn": (
            ("controller", "vrf-vxlan"),
            (
                *(*_NAMES, "exitnodes", "exitnodes-local-routing", "exitnodes-primary", "advertise-subnets", "mac"),
                *("disable-arp-nd-suppression", "bridge-disable-mac-learning", "rt-import", "vxlan-port"),
                "secondary-controllers",
            ),
        ),
        "faucet": (("controller", "dp-id"), ("nodes", "dns", "reversedns", "dnszone", "ipam")),
    },
    "vnets": {"vnet": (("zone",), ("tag", "alias", "vlanaware", "isolate-ports"))},
    "subnets": {"subnet": (("vnet",), ("gateway", "snat", "dnszoneprefix", "dhcp-range", "dhcp-dns-server"))},
    "controllers": {
        "evpn": (
            ("asn",),
            (
                *("peers", "fabric", "nodes", "bgp-mode", "ebgp", "ebgp-multihop", "loopback", "peer-group-name"),
                *("route-map-in", "route-map-out"),
            ),
        ),
        "bgp": (
            ("asn", "node", "peers"),
            ("bgp-multipath-as-path-relax", "ebgp", "ebgp-multihop", "loopback", "route-map-in", "route-map-out"),
        ),
        "isis": (("isis-domain", "isis-net", "isis-ifaces", "node"), ("loopback",)),
        "faucet": ((), ()),
    },
    "ipams": {
        "pve": ((), ()),
        "netbox": (("url", "token"), ("fingerprint",)),
        "phpipam": (("url", "token", "section"), ("fingerprint",)),
    },
    "dns": {"powerdns": (("url", "key"), ("ttl", "reversemaskv6", "reversev6mask", "fingerprint"))},
}


def inner(doing: str, *names: str, text: str) -> PVEError:
    """A parameter error that was raised under a lock reaches the client as 500 with its text."""
    lines = "".join(f"{name}: {text}\n" for name in names)
    return PVEError(500, f"{doing}400 Parameter verification failed.\n{lines}")


def died(doing: str, text: str) -> PVEError:
    """An error of PVE's that tells its place in the code."""
    return PVEError(500, f"{doing}{text} at /usr/share/perl5/PVE/Network/SDN.pm line 200.")


def check_known(kind: str, data: Data, given: Data, doing: str, *, new: bool) -> None:
    """Refuse what an object of a type does not have, and one that lacks what it needs."""
    needed, more = OPTIONS[kind][data["type"]]
    for name in given:
        if name not in ("type", *needed, *more):
            raise PVEError(500, f"{doing}unexpected property '{name}'")
    for name in needed if new else ():
        if name not in given:
            raise PVEError(500, f"missing value for required option '{name}'")


def check_zone(tables: dict[str, Table[Entry]], name: str, data: Data, given: Data, doing: str) -> None:
    """Refuse a zone that names what there is not, or has what another zone has."""
    for key in ("dns", "reversedns"):
        if given.get(key) and given[key] not in tables["dns"]:
            raise inner(doing, key, text=f"{given[key]} don't exist")
    if given.get("dnszone") and not given.get("dns"):
        raise inner(doing, "dnszone", text="missing dns server")
    if given.get("ipam") and given["ipam"] not in tables["ipams"]:
        raise inner(doing, "ipam", text=f"{given['ipam']} not existing")
    if data["type"] == "vxlan" and bool(data.get("peers")) == bool(data.get("fabric")):
        raise inner(doing, "fabric", "peers", text="must have exactly one of peers / fabric defined")
    if data["type"] == "evpn":
        controller = tables["controllers"].get(data["controller"])
        if controller is None:
            raise died(doing, f"controller {data['controller']} don't exist")
        if controller.data["type"] != "evpn":
            raise died(doing, f"{data['controller']} is not a evpn controller type")
        for other, entry in tables["zones"].items():
            if other != name and entry.data.get("vrf-vxlan") == data["vrf-vxlan"]:
                raise died(doing, f"vrf-vxlan {data['vrf-vxlan']} is already declared in {other}")


def check_controller(table: Table[Entry], name: str, data: Data, doing: str) -> None:
    """Refuse a second EVPN controller, and one that has not just one way to its peers."""
    if data["type"] != "evpn":
        return
    if any(entry.data["type"] == "evpn" for other, entry in table.items() if other != name):
        raise died(doing, "only 1 global evpn controller can be defined")
    if bool(data.get("peers")) == bool(data.get("fabric")):
        raise died(doing, "must have exactly one of peers / fabric defined")


_TAGS = {"vlan": ("missing vlan tag", 4096), "vxlan": ("missing vxlan tag", 16777216)}
_TAGS["evpn"] = _TAGS["vxlan"]


def check_vnet(tables: dict[str, Table[Entry]], name: str, data: Data, doing: str) -> None:
    """Refuse a virtual network whose tag its zone does not take, or whose zone there is not."""
    zone, tag = tables["zones"].get(data["zone"]), data.get("tag")
    if zone is None:
        raise died(doing, "cannot lookup undefined type!")
    kind = zone.data["type"]
    if kind == "simple" and tag is not None:
        raise inner(doing, "tag", text="vlan tag is not allowed on simple zone")
    missing, most = _TAGS.get(kind, ("", 4096))
    if missing and tag is None:
        raise inner(doing, "tag", text=missing)
    if tag is not None and int(tag) > most:
        word = {"vlan": "vlan tag max", "qinq": "VLAN tag maximal"}.get(kind, "vxlan tag max")
        raise inner(doing, "tag", text=f"{word} value is {most}")
    if kind == "evpn" and data.get("vlanaware"):
        raise inner(doing, "vlan-aware", text="vlan-aware option can't be enabled with evpn")
    _check_tag(tables, name, data, kind, doing)
    if data.get("vlanaware") and any(entry.data["vnet"] == name for entry in tables["subnets"].values()):
        raise inner(doing, "vlanaware", text="vlanaware vnet is not compatible with subnets")


def _check_tag(tables: dict[str, Table[Entry]], name: str, data: Data, kind: str, doing: str) -> None:
    tag = data.get("tag")
    for other, entry in tables["vnets"].items():
        where = tables["zones"].get(entry.data["zone"])
        same_zone, same_tag = entry.data["zone"] == data["zone"], entry.data.get("tag") == tag
        if other == name or not same_tag:
            continue
        if kind in ("vxlan", "evpn") and where and where.data["type"] in ("vxlan", "evpn"):
            raise inner(
                doing, "tag", text=f"vxlan tag {tag} already exist in vnet {other} in zone {entry.data['zone']} "
            )
        if kind == "qinq" and same_zone:
            text = f"tag {tag} already exist" if tag else "tag-less vnet already exists"
            raise inner(doing, "tag", text=f"{text} in zone {data['zone']} vnet {other}")
        if kind == "vlan" and same_zone:
            raise inner(doing, "tag", text=f"tag {tag} already exist in vnet {other}")


def check_kept(subnets: Table[Entry], kind: str, name: str, before: Data, data: Data, doing: str) -> None:
    """Refuse to change what the subnets of a zone or of a virtual network lie in."""
    if kind == "zones" and data.get("ipam") != before.get("ipam") and any(s.startswith(f"{name}-") for s in subnets):
        raise inner(doing, "ipam", text="can't change ipam if a subnet is already defined in this zone")
    if kind == "vnets" and data["zone"] != before["zone"] and any(s.data["vnet"] == name for s in subnets.values()):
        raise inner(doing, "zone", text="can't change zone if subnets exist")


def check_unused(tables: dict[str, Table[Entry]], kind: str, name: str, doing: str) -> None:
    """Refuse to remove what others need."""
    if kind == "zones":
        for vnet, entry in tables["vnets"].items():
            if entry.data["zone"] == name:
                raise died(doing, f"zone {name} is used by vnet {vnet}")
    if kind == "controllers":
        for zone, entry in tables["zones"].items():
            if entry.data.get("controller") == name:
                raise died(doing, f"controller {name} is used by {zone}")
    if kind == "vnets" and any(entry.data["vnet"] == name for entry in tables["subnets"].values()):
        raise inner(doing, "vnet", text="Can't delete vnet if subnets exists")
