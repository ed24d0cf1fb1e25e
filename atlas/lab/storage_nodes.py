"""nodes/{node}/storage: what a node sees of the storages, and pruning of backups."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.formats import split_list
from atlas.lab.storage_view import usage
from atlas.lab.tasks import Task
from atlas.lab.world import Storage

SEEN = ("Datastore.Audit", "Datastore.AllocateSpace")
FORMATS = {
    "dir": ("raw", ["raw", "qcow2", "vmdk", "subvol"]),
    "nfs": ("raw", ["raw", "qcow2", "vmdk"]),
    "cifs": ("raw", ["raw", "qcow2", "vmdk"]),
    "zfspool": ("raw", ["raw", "subvol"]),
}


def _row(call: Call, storage: Storage) -> dict[str, Any]:
    node = call.params["node"]
    enabled = storage.enabled and storage.on(node)
    row: dict[str, Any] = {
        "type": storage.type,
        "content": ",".join(sorted(storage.content)) or "none",
        "shared": int(storage.shared),
        "enabled": int(enabled),
        "active": int(enabled),
        "total": 0,
        "used": 0,
        "avail": 0,
    }
    if enabled:
        total, used = usage(call.lab, storage, node)
        row |= {"total": total, "used": used, "avail": total - used}
    return row


@api("GET", "/nodes/{node}/storage")
def storages(call: Call) -> list[dict[str, Any]]:
    """List the storages as the node sees them."""
    params, lab = call.params, call.lab
    wanted = params.get("storage")
    if wanted is not None and wanted not in lab.storages:
        raise PVEError(400, errors={"storage": "No such storage."})
    kinds = set(split_list(params.get("content", "")))
    rows = []
    for name, storage in lab.storages.items():
        if wanted not in (None, name) or not call.may(f"/storage/{name}", *SEEN, any=True):
            continue
        row = {"storage": name, **_row(call, storage)}
        if (params.get("enabled") and not row["enabled"]) or (kinds and not kinds & storage.content):
            continue
        if params.get("target") and not (storage.shared and storage.on(params["target"])):
            continue
        if row["total"]:
            row["used_fraction"] = row["used"] / row["total"]
        if params.get("format"):
            default, supported = FORMATS.get(storage.type, ("raw", ["raw"]))
            row["formats"] = {"default": storage.options.get("format", default), "supported": sorted(supported)}
        rows.append(row)
    return rows


@api("GET", "/nodes/{node}/storage/{storage}/status")
def status(call: Call) -> dict[str, Any]:
    """Return a storage's size and state on the node."""
    storage = call.lab.storages.get(call.params["storage"])
    if storage is None:
        raise PVEError(400, errors={"storage": "No such storage."})
    return _row(call, storage)


def _check_prune(call: Call) -> Storage:
    storage = call.lab.storage(call.params["storage"], call.params["node"])
    if "prune-backups" not in call.params and "prune-backups" not in storage.options:
        raise PVEError(500, f"no prune-backups options configured for storage '{storage.id}'")
    return storage


@api("GET", "/nodes/{node}/storage/{storage}/prunebackups")
def prune_preview(call: Call) -> list[dict[str, Any]]:
    """List the backups with what pruning would do to each."""
    storage = _check_prune(call)
    return [
        {"volid": volume.volid, "ctime": int(volume.ctime), "mark": "keep", "type": volume.extra.get("subtype", "qemu")}
        for volume in call.lab.local_volumes(storage.id, call.params["node"])
        if volume.content == "backup"
    ]


@api("DELETE", "/nodes/{node}/storage/{storage}/prunebackups")
def prune(call: Call) -> str:
    """Prune backups: the lab makes none, so there is nothing to remove."""
    storage = _check_prune(call)

    async def work(task: Task) -> None:
        await task.spend(0.5)

    return call.task("prunebackups", storage.id, work)
