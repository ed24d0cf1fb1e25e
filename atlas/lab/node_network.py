"""nodes/{node}/network: interfaces, changed in a copy that is applied or thrown away as a whole."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.formats import split_list
from atlas.lab.interfaces_checks import check_all, check_gateway, check_ports, check_v6
from atlas.lab.interfaces_file import parsed, rendered
from atlas.lab.records import plain
from atlas.lab.tasks import Task

_BASE = "/nodes/{node}/network"
_ITEM = f"{_BASE}/{{iface}}"
_BRIDGES = {"bridge", "OVSBridge"}
_GROUPS = {"any_bridge": _BRIDGES | {"vnet"}, "any_local_bridge": _BRIDGES}
_FILE = "/etc/network/interfaces"
_LOOPBACK = {
    "type": "loopback",
    "method": "loopback",
    "method6": "manual",
    "families": ["inet"],
    "autostart": 1,
    "active": 1,
    "priority": 1,
}


def _interfaces(call: Call) -> dict[str, Any]:
    """Return the node's interfaces as they will be after the next apply; a copy."""
    node = call.lab.node(call.params["node"])
    found: dict[str, Any] = plain(node.settings.get("interfaces.new") or node.network)
    return {"lo": dict(_LOOPBACK), **found}


def _store(call: Call, changed: dict[str, Any]) -> None:
    """Keep what the file holds after it was written: what it has no place for is lost."""
    check_all(changed)
    node = call.lab.node(call.params["node"])
    physical = {name for name, data in node.network.items() if data.get("exists") and data.get("type") == "eth"}
    found = parsed(rendered(changed), physical)
    for name in found.keys() & {"lo", *(name for name, data in node.network.items() if data.get("active"))}:
        found[name]["active"] = 1
    node.settings["interfaces.new"] = found


def _changes(call: Call) -> str:
    """Return how what the next apply brings differs from what is, as the web interface shows it."""
    node, stamp = call.lab.node(call.params["node"]), "%Y-%m-%d %H:%M:%S.%f000 +0000"
    if "interfaces.new" not in node.settings:
        return ""
    before, after = rendered({"lo": _LOOPBACK, **plain(node.network)}), rendered(_interfaces(call))
    now = datetime.fromtimestamp(call.lab.clock.now(), UTC).strftime(stamp)
    names = (f"{_FILE}\t{now}", f"{_FILE}.new\t{now}")
    return "".join(difflib.unified_diff(before.splitlines(True), after.splitlines(True), *names))


def _given(call: Call) -> dict[str, Any]:
    """Return the properties that a call sets, an address apart from its mask."""
    data = {key: value for key, value in call.params.items() if key not in ("node", "iface", "delete")}
    for suffix in ("", "6"):
        cidr = data.pop(f"cidr{suffix}", None)
        if not cidr:
            continue
        for key in (f"address{suffix}", f"netmask{suffix}"):
            if data.get(key):
                raise PVEError(400, errors={key: f"{key} conflicts with cidr{suffix}"})
        data[f"address{suffix}"], _, data[f"netmask{suffix}"] = str(cidr).partition("/")
    if data.get("address6"):
        check_v6(data["address6"])
    families = [family for family, key in (("inet", "address"), ("inet6", "address6")) if data.get(key)]
    for suffix in ("", "6"):
        data[f"method{suffix}"] = "static" if data.get(f"address{suffix}") else "manual"
    if data.get("bridge_vids") is not None:
        data["bridge_vids"] = " ".join(split_list(data["bridge_vids"]))
    return {**data, "families": families or ["inet"]}


@api("GET", _BASE)
def network(call: Call) -> list[dict[str, Any]]:
    """List the interfaces, of bridges those that the caller may see or use."""
    kind = call.params.get("type")
    changes = _changes(call)
    if changes:
        call.extra["changes"] = changes
    rows = []
    for name, data in _interfaces(call).items():
        if name == "lo" or (kind not in (None, "include_sdn") and data["type"] not in _GROUPS.get(kind, {kind})):
            continue
        path = f"/sdn/zones/localnetwork/{name}"
        if data["type"] not in _BRIDGES or call.may(path, "SDN.Audit", "SDN.Use", any=True):
            rows.append({"iface": name, **data})
    return rows


@api("GET", _ITEM)
def read(call: Call) -> dict[str, Any]:
    """Return one interface."""
    found: dict[str, Any] = _existing(call)[call.params["iface"]]
    return found


def _existing(call: Call) -> dict[str, Any]:
    found = _interfaces(call)
    if call.params["iface"] not in found:
        raise PVEError(400, errors={"iface": "interface does not exist"})
    return found


@api("POST", _BASE)
def create(call: Call) -> None:
    """Add an interface to what the next apply brings."""
    found, name = _interfaces(call), call.params["iface"]
    if name in found:
        raise PVEError(400, errors={"iface": "interface already exists"})
    check_gateway(found, name, call.params)
    check_ports(found, name, call.params)
    found[name] = _given(call)
    if call.params["type"].startswith("OVS"):
        raise PVEError(500, "Open VSwitch is not installed (need package 'openvswitch-switch')")
    _store(call, found)


@api("PUT", _ITEM)
def update(call: Call) -> None:
    """Change an interface in what the next apply brings."""
    found, name = _existing(call), call.params["iface"]
    data = found[name]
    for key in split_list(call.params.get("delete", "")):
        data.pop(key, None)
        suffix = key.removeprefix("cidr")
        for part in ("address", "netmask") if key in ("cidr", "cidr6") else ():
            data.pop(f"{part}{suffix}", None)
    given = _given(call)
    check_gateway(found, name, given)
    check_ports(found, name, given)
    found[name] = {**data, **given}
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
            node.network = {name: {**data, "active": 1} for name, data in plain(pending).items() if name != "lo"}

    return call.task("srvreload", "networking", work)


@api("DELETE", _BASE)
def revert(call: Call) -> None:
    """Throw the changes away."""
    call.lab.node(call.params["node"]).settings.pop("interfaces.new", None)
