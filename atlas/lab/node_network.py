"""nodes/{node}/network: interfaces, changed in a copy that is applied or thrown away as a whole."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.formats import split_list
from atlas.lab.records import plain
from atlas.lab.tasks import Task

_BASE = "/nodes/{node}/network"
_ITEM = f"{_BASE}/{{iface}}"
_BRIDGES = {"bridge", "OVSBridge"}
_GROUPS = {
    "any_bridge": _BRIDGES | {"vnet"},
    "any_local_bridge": _BRIDGES,
    "include_sdn": _BRIDGES | {"vnet", "bond", "eth", "alias", "vlan", "OVSBond", "OVSPort", "OVSIntPort"},
}
# An address is kept as it came and as it is shown: with its mask, and apart from it.
_V4, _V6 = ("cidr", "address", "netmask"), ("cidr6", "address6", "netmask6")
_WRITTEN = {"cidr": _V4, "address": _V4, "cidr6": _V6, "address6": _V6}


def interfaces(call: Call) -> dict[str, Any]:
    """Return the node's interfaces as they will be after the next apply; a copy."""
    node = call.lab.node(call.params["node"])
    found: dict[str, Any] = plain(node.settings.get("interfaces.new") or node.network)
    return found


def _store(call: Call, changed: dict[str, Any]) -> None:
    call.lab.node(call.params["node"]).settings["interfaces.new"] = changed


def _completed(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return an interface with what PVE derives from its properties."""
    data = {key: value for key, value in given.items() if value not in ("", None) or key == "bridge_ports"}
    families = []
    for version, suffix in ((4, ""), (6, "6")):
        cidr, address = data.get(f"cidr{suffix}"), data.get(f"address{suffix}")
        if cidr:
            data[f"address{suffix}"], _, data[f"netmask{suffix}"] = str(cidr).partition("/")
        elif address and data.get(f"netmask{suffix}"):
            data[f"cidr{suffix}"] = f"{address}/{data[f'netmask{suffix}']}"
        if data.get(f"address{suffix}"):
            families.append("inet" if version == 4 else "inet6")
            data[f"method{suffix}"] = "static"
        else:
            data[f"method{suffix}"] = "manual"
    data["families"] = families or ["inet"]
    if data.get("type") == "bridge":
        data = {"bridge_ports": "", "bridge_stp": "off", "bridge_fd": "0", **data}
        if data.get("bridge_vlan_aware"):
            data.setdefault("bridge_vids", "2-4094")
    if data.get("type") == "bond":
        data = {"bond_miimon": "100", "bond_mode": "balance-rr", **data}
    if data.get("type") == "vlan":
        match = re.fullmatch(r"(.+)\.(\d+)", name)
        if match:
            data |= {"vlan-raw-device": match[1], "vlan-id": match[2]}
    for key in ("mtu", "vlan-id", "ovs_tag"):
        if key in data:
            data[key] = str(data[key])
    return data


def _properties(call: Call) -> dict[str, Any]:
    return {key: value for key, value in call.params.items() if key not in ("node", "iface", "delete")}


@api("GET", _BASE)
def network(call: Call) -> list[dict[str, Any]]:
    """List the interfaces; without Sys.Audit only bridges that the caller may use."""
    node, kind = call.params["node"], call.params.get("type")
    sees_all = call.may(f"/nodes/{node}", "Sys.Audit")
    rows = []
    for name, data in interfaces(call).items():
        if kind is not None and data["type"] not in _GROUPS.get(kind, {kind}):
            continue
        if data["type"] in _BRIDGES:
            usable = call.may(f"/sdn/zones/localnetwork/{name}", "SDN.Audit", "SDN.Use", any=True)
        else:
            usable = sees_all
        if usable or (sees_all and kind is None):
            rows.append({"iface": name, **data})
    return rows


@api("GET", _ITEM)
def read(call: Call) -> dict[str, Any]:
    """Return one interface."""
    found: dict[str, Any] = _existing(call)[call.params["iface"]]
    return found


def _existing(call: Call) -> dict[str, Any]:
    found = interfaces(call)
    if call.params["iface"] not in found:
        raise PVEError(400, errors={"iface": "interface does not exist"})
    return found


@api("POST", _BASE)
def create(call: Call) -> None:
    """Add an interface to what the next apply brings."""
    found, name = interfaces(call), call.params["iface"]
    if name in found:
        raise PVEError(400, errors={"iface": "interface already exists"})
    _check_gateway(call, found)
    priority = max((int(data.get("priority", 2)) for data in found.values()), default=2) + 1
    found[name] = _completed(name, {**_properties(call), "priority": priority})
    _store(call, found)


def _check_gateway(call: Call, found: dict[str, Any]) -> None:
    for key in ("gateway", "gateway6"):
        for name, data in found.items():
            if call.params.get(key) and name != call.params["iface"] and data.get(key):
                raise PVEError(400, errors={key: f"Default gateway already exists on interface '{name}'."})


@api("PUT", _ITEM)
def update(call: Call) -> None:
    """Change an interface in what the next apply brings."""
    found, name = _existing(call), call.params["iface"]
    _check_gateway(call, found)
    data = found[name]
    for key in split_list(call.params.get("delete", "")):
        for written in _WRITTEN.get(key, (key,)):
            data.pop(written, None)
    for key, forms in _WRITTEN.items():
        if key in call.params:
            for written in forms:
                data.pop(written, None)
    found[name] = _completed(name, {**data, **_properties(call)})
    _store(call, found)


@api("DELETE", _ITEM)
def delete(call: Call) -> None:
    """Take an interface out of what the next apply brings."""
    found = _existing(call)
    del found[call.params["iface"]]
    _store(call, found)


@api("PUT", _BASE)
def apply(call: Call) -> str:
    """Apply the changes."""
    node = call.lab.node(call.params["node"])

    async def work(task: Task) -> None:
        await task.spend(1)
        pending = node.settings.pop("interfaces.new", None)
        if pending is not None:
            node.network = {name: {**data, "active": 1} for name, data in plain(pending).items()}

    return call.task("srvreload", "networking", work)


@api("DELETE", _BASE)
def revert(call: Call) -> None:
    """Throw the changes away."""
    call.lab.node(call.params["node"]).settings.pop("interfaces.new", None)
