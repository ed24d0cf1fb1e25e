"""The parts of an inventory that concern a whole cluster: pools, users, groups, roles, ACLs, and objects by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from atlas.errors import ApiRefused

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


@dataclass(frozen=True)
class Look:
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


def own(row: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """Return an object's own fields: without its digest, and what else does not belong to it."""
    return {key: value for key, value in row.items() if key not in ("digest", *without)}


def pools(look: Look, guests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pools with the guests and storages that are in them."""

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


def access(look: Look) -> dict[str, Any]:
    """Return users with their tokens' names, groups, roles and ACLs."""
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


def sections(look: Look) -> dict[str, dict[str, Any]]:
    """Return what is an object by name: HA, SDN, backup and replication jobs, mappings, realms."""
    found: dict[str, dict[str, Any]] = {}
    for name, (path, key, without) in _LISTS.items():
        rows = look.rows(*path.split("/"))
        found[name] = {str(row[key]): _plain(own(row, key, *without)) for row in rows}
        if name.startswith("sdn/"):
            applied = look.rows(*path.split("/"), running=1)
            found[f"sdn/running/{name[4:]}"] = {str(row[key]): own(row, key) for row in applied}
    for when, params in (("", {}), ("running/", {"running": 1})):
        found[f"sdn/{when}subnets"] = {
            str(row["subnet"]): own(row, *_SUBNET_SHOWN, *(() if row.get("dhcp-range") else ("dhcp-range",)))
            for vnet in found["sdn/vnets"]
            for row in look.rows("cluster", "sdn", "vnets", vnet, "subnets", **params)
        }
    realms = look.rows("access", "domains")
    found["domains"] = {r["realm"]: own(look.fields("access", "domains", r["realm"]) or r, "realm") for r in realms}
    return {name: rows for name, rows in found.items() if rows}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Write what the API shows taken apart (a backup job's retention) as it is given."""
    return {
        key: ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else value
        for key, value in row.items()
    }
