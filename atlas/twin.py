"""Read a cluster into an inventory, from which a lab becomes its twin. Only reading calls, of any Proxmox VE API."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from atlas.errors import ApiRefused
from atlas.lab.inventory import FORMAT, VERSION, public

READERS = 8
# Section of the inventory -> path of the list, what names each object, and fields that do not belong to it.
_LISTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "backup": ("cluster/backup", "id", ("next-run",)),
    "replication": ("cluster/replication", "id", ()),
    "ha/resources": ("cluster/ha/resources", "sid", ("type",)),
    "ha/rules": ("cluster/ha/rules", "rule", ("order",)),
    "mapping/dir": ("cluster/mapping/dir", "id", ("type", "checks")),
    "mapping/pci": ("cluster/mapping/pci", "id", ("type", "checks")),
    "mapping/usb": ("cluster/mapping/usb", "id", ("type", "checks")),
    "sdn/zones": ("cluster/sdn/zones", "zone", ()),
    "sdn/vnets": ("cluster/sdn/vnets", "vnet", ()),
    "sdn/controllers": ("cluster/sdn/controllers", "controller", ()),
}
_SUBNET_SHOWN = ("id", "subnet", "zone", "network", "mask", "cidr")

T = TypeVar("T")
R = TypeVar("R")
Get = Callable[..., Any]


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
    look = _Look(get)
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
        "pools": _pools(look, guests),
        **_access(look),
        "permissions": look.need("access", "permissions"),
        "sections": _sections(look),
        "left_out": sorted(look.left_out, key=lambda row: str(row["call"])),
    }
    kept: dict[str, Any] = public({key: _without_none(value) for key, value in found.items()})
    return kept


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value if item is not None] if isinstance(value, list) else value


@dataclass(frozen=True)
class _Look:
    """Reads that may be refused: then they are noted, and the rest goes on."""

    get: Get
    left_out: list[dict[str, str]] = field(default_factory=list)

    def need(self, *path: object, **params: Any) -> Any:
        """Read what there is no inventory without."""
        return self.get(*path, **params)

    def rows(self, *path: object, **params: Any) -> list[dict[str, Any]]:
        """Read a list; an empty one where it is refused."""
        return self._ask(path, params) or []

    def fields(self, *path: object, **params: Any) -> dict[str, Any]:
        """Read an object; an empty one where it is refused."""
        return self._ask(path, params) or {}

    def _ask(self, path: tuple[object, ...], params: dict[str, Any]) -> Any:
        try:
            return self.get(*path, **params)
        except ApiRefused as refused:
            self.leave_out(f"GET /{'/'.join(map(str, path))}", refused.reason or f"status {refused.status}")
            return None

    def leave_out(self, call: str, reason: str) -> None:
        """Note what the inventory lacks."""
        self.left_out.append({"call": call, "reason": reason})

    def each(self, call: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Read several things at once, in their order."""
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(call, items))


def _cluster(look: _Look) -> dict[str, Any]:
    name = next((r["name"] for r in look.rows("cluster", "status") if r.get("type") == "cluster"), None)
    options = {key: value for key, value in look.fields("cluster", "options").items() if value not in ("", None)}
    return {"name": name, "options": {k: v for k, v in options.items() if k != "digest"}}


def _nodes(look: _Look, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
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
            "config": _own(look.fields("nodes", name, "config")),
            "dns": look.fields("nodes", name, "dns"),
            "timezone": look.fields("nodes", name, "time").get("timezone"),
            "hosts": look.fields("nodes", name, "hosts").get("data"),
        }

    def order(row: dict[str, Any]) -> tuple[bool, int, str]:
        status = known.get(row["node"], {})
        return not status.get("local"), int(status.get("nodeid") or 0), str(row["node"])

    return look.each(node, sorted(rows, key=order))


def _own(row: Mapping[str, Any], *without: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("digest", *without)}


def _storages(look: _Look, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def space(name: str) -> dict[str, list[int]]:
        mine = [r for r in rows if r["storage"] == name and r.get("maxdisk")]
        return {r["node"]: [int(r["maxdisk"]), int(r.get("disk", 0))] for r in mine}

    return [
        {
            "storage": row["storage"],
            "type": row["type"],
            "options": _own(row, "storage", "type"),
            "space": space(row["storage"]),
        }
        for row in look.rows("storage")
    ]


def _volumes(look: _Look, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
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


def _guest(look: _Look, row: Mapping[str, Any]) -> dict[str, Any] | None:
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
        name: {k: r[k] for k in kept if r.get(k)} | _own(look.fields(*at, "snapshot", name, "config"))
        for name, r in taken.items()
    }
    return {**found, "config": _own(config), "pending": changes or None, "snapshots": sections or None}


def _pools(look: _Look, guests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def pool(row: dict[str, Any]) -> dict[str, Any]:
        shown = next(iter(look.rows("pools", poolid=row["poolid"])), {})
        members = shown.get("members", [])
        return {
            "poolid": row["poolid"],
            "comment": row.get("comment"),
            "guests": sorted(int(guest["vmid"]) for guest in guests if guest.get("pool") == row["poolid"]),
            "storages": sorted({str(m["storage"]) for m in members if m.get("storage")}),
        }

    return look.each(pool, look.rows("pools"))


def _access(look: _Look) -> dict[str, Any]:
    keys = ("userid", "enable", "expire", "comment", "email", "firstname", "lastname")
    users = [
        {**{key: row.get(key) for key in keys}, "groups": _words(row.get("groups")), "tokens": row.get("tokens") or []}
        for row in look.rows("access", "users", full=1)
    ]
    groups = [{key: row.get(key) for key in ("groupid", "comment")} for row in look.rows("access", "groups")]
    roles = [
        {"roleid": row["roleid"], "privs": _words(row.get("privs"))}
        for row in look.rows("access", "roles")
        if not row.get("special")
    ]
    acl = [
        {key: row.get(key) for key in ("path", "type", "ugid", "roleid", "propagate")}
        for row in look.rows("access", "acl")
    ]
    return {"users": users, "groups": groups, "roles": roles, "acl": acl}


def _words(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else re.findall(r"[^,;\s]+", str(value or ""))


def _sections(look: _Look) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, (path, key, without) in _LISTS.items():
        rows = look.rows(*path.split("/"))
        found[name] = {str(row[key]): _plain(_own(row, key, *without)) for row in rows}
        if name.startswith("sdn/"):
            applied = look.rows(*path.split("/"), running=1)
            found[f"sdn/running/{name[4:]}"] = {str(row[key]): _own(row, key) for row in applied}
    for when, params in (("", {}), ("running/", {"running": 1})):
        found[f"sdn/{when}subnets"] = {
            str(row["subnet"]): _own(row, *_SUBNET_SHOWN, *(() if row.get("dhcp-range") else ("dhcp-range",)))
            for vnet in found["sdn/vnets"]
            for row in look.rows("cluster", "sdn", "vnets", vnet, "subnets", **params)
        }
    realms = look.rows("access", "domains")
    found["domains"] = {r["realm"]: _own(look.fields("access", "domains", r["realm"]) or r, "realm") for r in realms}
    return {name: rows for name, rows in found.items() if rows}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Write what the API shows taken apart (a backup job's retention) as it is given."""
    return {
        key: ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else value
        for key, value in row.items()
    }
