"""pools: CRUD, nested up to three levels, with guests and storages as members."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, Forbidden, PVEError, api
from atlas.lab.cluster_resources import members
from atlas.lab.entities import Pool
from atlas.lab.formats import split_list


def _pool(call: Call, doing: str = "") -> Pool:
    name = call.params["poolid"]
    if name not in call.lab.pools:
        raise PVEError(500, f"{doing}pool '{name}' does not exist")
    return call.lab.pools[name]


def _with_members(call: Call, pool: Pool) -> dict[str, Any]:
    shown: dict[str, Any] = {"members": members(call, pool, call.params.get("type"))}
    if pool.comment is not None:
        shown["comment"] = pool.comment
    return shown


@api("GET", "/pools")
def pools(call: Call) -> list[dict[str, Any]]:
    """List the pools that the caller may see, or one with its members."""
    if "poolid" in call.params:
        call.need(f"/pool/{call.params['poolid']}", "Pool.Audit")
        pool = _pool(call)
        return [{"poolid": pool.poolid, **_with_members(call, pool)}]
    rows = []
    for name, pool in call.lab.pools.items():
        if call.may(f"/pool/{name}", "Pool.Audit"):
            rows.append({"poolid": name} | ({"comment": pool.comment} if pool.comment is not None else {}))
    return rows


@api("GET", "/pools/{poolid}")
def read_pool(call: Call) -> dict[str, Any]:
    """Return a pool with its members."""
    pool = _pool(call)
    return {"poolid": pool.poolid, **_with_members(call, pool)}


@api("POST", "/pools")
def create_pool(call: Call) -> None:
    """Make a pool; its parent must be there."""
    name, doing = call.params["poolid"], "create pool failed: "
    if name in call.lab.pools:
        raise PVEError(500, f"{doing}pool '{name}' already exists")
    parent = name.rpartition("/")[0]
    if parent and parent not in call.lab.pools:
        raise PVEError(500, f"{doing}parent '{parent}' of pool '{name}' does not exist")
    call.lab.pools[name] = Pool(name, call.params.get("comment"))


@api("PUT", "/pools")
@api("PUT", "/pools/{poolid}")
def update_pool(call: Call) -> None:
    """Change a pool's comment, or add and remove members; all of it or, where a part is refused, nothing."""
    params, doing = call.params, "update pools failed: "
    _pool(call, doing)
    pools = {name: Pool(name, p.comment, dict(p.vms), dict(p.storages)) for name, p in call.lab.pools.items()}
    pool = pools[params["poolid"]]
    if "comment" in params:
        pool.comment = params["comment"]
    for vmid in split_list(params.get("vms", "")):
        _may_modify(call, f"/vms/{vmid}", doing)
        _change(call, pools, "vms", vmid, f"VM {vmid}", doing)
    for storage in split_list(params.get("storage", "")):
        _may_modify(call, f"/storage/{storage}", doing)
        _change(call, pools, "storages", storage, f"Storage '{storage}'", doing)
    for name in {pool.poolid, *(name for name, p in pools.items() if p.vms != call.lab.pools[name].vms)}:
        call.lab.pools[name] = pools[name]


def _may_modify(call: Call, path: str, doing: str) -> None:
    """Refuse under the lock, where a 403 becomes the text of a 500."""
    try:
        call.lab.rights.may_modify(call.user, path)
    except Forbidden as error:
        raise PVEError(500, f"{doing}403 {error.message}") from error


def _change(call: Call, pools: dict[str, Pool], kind: str, name: str, what: str, doing: str) -> None:
    there: dict[str, Any] = getattr(pools[call.params["poolid"]], kind)
    if call.params.get("delete"):
        if name not in there:
            raise PVEError(500, f"{doing}{what} is not a pool member")
        del there[name]
        return
    if name in there:
        raise PVEError(500, f"{doing}{what} is already a pool member")
    other = next((p.poolid for p in pools.values() if name in p.vms), None) if kind == "vms" else None
    if other is not None:
        if not call.params.get("allow-move"):
            raise PVEError(500, f"{doing}{what} belongs already to pool '{other}' and 'allow-move' is not set")
        if not call.may(f"/pool/{other}", "Pool.Allocate"):
            raise PVEError(500, f"{doing}403 {Forbidden(f'/pool/{other}, Pool.Allocate').message}")
        del pools[other].vms[name]
    there[name] = 1


@api("DELETE", "/pools")
@api("DELETE", "/pools/{poolid}")
def delete_pool(call: Call) -> None:
    """Remove a pool that holds nothing that exists."""
    doing = "delete pool failed: "
    pool, lab = _pool(call, doing), call.lab
    empty = f"{doing}pool '{pool.poolid}' is not empty (contains "
    for name in sorted(lab.pools):
        if name.startswith(f"{pool.poolid}/"):
            raise PVEError(500, f"{empty}pool '{name}')")
    for vmid in pool.vms:
        if vmid in lab.guests:
            raise PVEError(500, f"{empty}VM {vmid})")
    for storage in pool.storages:
        if storage in lab.storages:
            raise PVEError(500, f"{empty}storage '{storage}')")
    del lab.pools[pool.poolid]
    lab.acl.pop(f"/pool/{pool.poolid}", None)
