"""Read a cluster into an inventory, from which a lab becomes its twin. Only reading calls, of any Proxmox VE API."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from atlas.lab.inventory import FORMAT, VERSION, public
from atlas.parts import Get, Look, access, own, pools, sections


def read(get: Get, token: str) -> dict[str, Any]:
    """Read all that a token may see of a cluster.

    Args:
        get: Reads a path of the API, as `Client.get` does.
        token: Whose token it is, `user@realm!name`, without the secret; the twin gives it the same rights.

    Returns:
        The inventory; what could not be read is named in `left_out`.

    Raises:
        ProxmoxError: The cluster does not answer, or not to this token.
    """
    look = Look(get)
    resources = look.need("cluster", "resources")
    rows = {kind: [r for r in resources if r.get("type") == kind] for kind in ("node", "storage")}
    nodes = _nodes(look, rows["node"])
    online = {node["name"] for node in nodes if node["online"]}
    guests = [r for r in resources if r.get("type") in ("qemu", "lxc")]
    here = [r for r in guests if r["node"] in online]
    for row in guests:
        if row["node"] not in online:
            look.leave_out(f"{row['type']} {row['vmid']}", f"its node {row['node']} is not online")
    found = {
        "format": FORMAT,
        "version": VERSION,
        "read": {"time": int(time.time()), "pve": str(look.need("version").get("version", "")), "token": token},
        "cluster": _cluster(look),
        "nodes": nodes,
        "storages": _storages(look, rows["storage"]),
        "volumes": _volumes(look, [r for r in rows["storage"] if r["node"] in online]),
        "guests": look.each(lambda row: _guest(look, row), here),
        "pools": pools(look, guests),
        **access(look),
        "permissions": look.need("access", "permissions"),
        "sections": sections(look),
        "left_out": sorted(look.left_out, key=lambda row: str(row["call"])),
    }
    kept: dict[str, Any] = public({key: _without_none(value) for key, value in found.items()})
    return kept


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value if item is not None] if isinstance(value, list) else value


def _cluster(look: Look) -> dict[str, Any]:
    name = next((r["name"] for r in look.rows("cluster", "status") if r.get("type") == "cluster"), None)
    options = {key: value for key, value in look.fields("cluster", "options").items() if value not in ("", None)}
    return {"name": name, "options": {k: v for k, v in options.items() if k != "digest"}}


def _nodes(look: Look, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the nodes; first the one that answered, so that the twin answers as that one."""
    known = {r["name"]: r for r in look.rows("cluster", "status") if r.get("type") == "node"}

    def node(row: dict[str, Any]) -> dict[str, Any]:
        name = str(row["node"])
        status = known.get(name, {})
        online = row.get("status") == "online"
        found = {"name": name, "number": status.get("nodeid"), "online": int(online), "address": status.get("ip")}
        found |= {"cores": row.get("maxcpu"), "memory": row.get("maxmem"), "disk": row.get("maxdisk")}
        if not online:
            look.leave_out(f"GET /nodes/{name}", "the node is not online")
            return found
        return {
            **found,
            "network": look.rows("nodes", name, "network"),
            "config": own(look.fields("nodes", name, "config")),
            "dns": look.fields("nodes", name, "dns"),
            "timezone": look.fields("nodes", name, "time").get("timezone"),
            "hosts": look.fields("nodes", name, "hosts").get("data"),
        }

    def order(row: dict[str, Any]) -> tuple[bool, int, str]:
        status = known.get(row["node"], {})
        return not status.get("local"), int(status.get("nodeid") or 0), str(row["node"])

    return look.each(node, sorted(rows, key=order))


def _storages(look: Look, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def space(name: str) -> dict[str, list[int]]:
        mine = [r for r in rows if r["storage"] == name and r.get("maxdisk")]
        return {r["node"]: [int(r["maxdisk"]), int(r.get("disk", 0))] for r in mine}

    return [
        {
            "storage": row["storage"],
            "type": row["type"],
            "options": own(row, "storage", "type"),
            "space": space(row["storage"]),
        }
        for row in look.rows("storage")
    ]


def _volumes(look: Look, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what lies on the storages; of a shared one, what one node sees."""
    asked = {r["storage"] if r.get("shared") else r["id"]: r for r in reversed(rows) if r.get("status") == "available"}

    def content(row: dict[str, Any]) -> list[dict[str, Any]]:
        found = look.rows("nodes", row["node"], "storage", row["storage"], "content")
        return [_volume(volume, None if row.get("shared") else row["node"]) for volume in found]

    return [volume for found in look.each(content, asked.values()) for volume in found]


_PARENT = re.compile(r"(?:\.\./)?(\d+/[^/@]+|[^/@]+)(?:@.*)?")


def _volume(row: Mapping[str, Any], node: str | None) -> dict[str, Any]:
    keys = ("volid", "content", "format", "size", "used", "vmid", "notes", "subtype")
    base = _PARENT.fullmatch(str(row.get("parent") or ""))
    numbers = {key: int(row[key]) for key in ("ctime", "protected") if row.get(key)}
    parent = f"{row['volid'].partition(':')[0]}:{base[1]}" if base else None
    return {"node": node, **{key: row.get(key) for key in keys}, "parent": parent, **numbers}


def _guest(look: Look, row: Mapping[str, Any]) -> dict[str, Any] | None:
    at = ("nodes", row["node"], row["type"], row["vmid"])
    config = look.fields(*at, "config", current=1)
    if not config:  # it has gone meanwhile, or may not be read
        return None
    changes = [r for r in look.rows(*at, "pending") if "pending" in r or r.get("delete")]
    found = {key: row[key] for key in ("vmid", "type", "node", "status")} | {"uptime": row.get("uptime")}
    if row["status"] == "running" and row["type"] == "qemu":
        found["paused"] = int(look.fields(*at, "status", "current").get("qmpstatus") == "paused") or None
    taken = {r["name"]: r for r in look.rows(*at, "snapshot") if r.get("name") != "current"}
    kept = ("description", "parent", "snaptime", "snapstate")
    sections = {
        name: {k: r[k] for k in kept if r.get(k)} | own(look.fields(*at, "snapshot", name, "config"))
        for name, r in taken.items()
    }
    return {**found, "config": own(config), "pending": changes or None, "snapshots": sections or None}
