"""nodes/{node}/storage: what a node sees of the storages, and pruning of backups."""

from __future__ import annotations

import time
from typing import Any

from atlas.lab.backup_calls import forget
from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Storage, Volume
from atlas.lab.formats import split_list
from atlas.lab.storage_view import usage
from atlas.lab.tasks import Task

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


_RULES = (
    *(("keep-last", "%s"), ("keep-hourly", "%Y/%m/%d/%H"), ("keep-daily", "%Y/%m/%d")),
    *(("keep-weekly", "%G/%V"), ("keep-monthly", "%Y/%m"), ("keep-yearly", "%Y")),
)


def _mark(group: list[Volume], rules: dict[str, str]) -> dict[str, str]:
    """Say of each backup of one guest whether the rules keep it; of a time's backups the newest stays."""
    newest = sorted((v for v in group if not v.protected), key=lambda volume: -volume.ctime)
    marks = {volume.volid: "protected" for volume in group if volume.protected}
    if not any(int(value) for key, value in rules.items() if key != "keep-all"):
        return marks | {volume.volid: "keep" for volume in newest}

    def period(volume: Volume, form: str) -> str:
        # Each backup is a period of its own for `keep-last`, also two of one second.
        return volume.volid if form == "%s" else time.strftime(form, time.gmtime(volume.ctime))

    for rule, form in _RULES:
        wanted = int(rules.get(rule, 0))
        before = {period(volume, form) for volume in newest if marks.get(volume.volid) == "keep"}
        taken: set[str] = set()
        for volume in newest if wanted else ():
            when = period(volume, form)
            if volume.volid in marks or when in before:
                continue
            if when not in taken and len(taken) >= wanted:
                break
            marks[volume.volid] = "remove" if when in taken else "keep"
            taken.add(when)
    return {volume.volid: "remove" for volume in newest} | marks


def _pruned(call: Call, storage: Storage) -> list[dict[str, Any]]:
    """List the backups that the call is about with what pruning does to each."""
    text = str(call.params.get("prune-backups") or storage.options.get("prune-backups", ""))
    rules = dict(part.split("=", 1) for part in split_list(text) if "=" in part)
    groups: dict[tuple[object, object], list[Volume]] = {}
    for volume in call.lab.local_volumes(storage.id, call.params["node"]):
        kind = volume.extra.get("subtype", "qemu")
        if volume.content != "backup" or call.params.get("vmid") not in (None, volume.vmid):
            continue
        if call.params.get("type") in (None, kind):
            groups.setdefault((kind, volume.vmid), []).append(volume)
    rows = []
    for (kind, vmid), group in groups.items():
        marks = _mark(group, rules)
        for volume in group:
            row = {"volid": volume.volid, "ctime": int(volume.ctime), "mark": marks[volume.volid], "type": kind}
            rows.append(row | ({"vmid": vmid} if vmid else {}))
    return rows


@api("GET", "/nodes/{node}/storage/{storage}/prunebackups")
def prune_preview(call: Call) -> list[dict[str, Any]]:
    """List the backups with what pruning would do to each."""
    return _pruned(call, _check_prune(call))


@api("DELETE", "/nodes/{node}/storage/{storage}/prunebackups")
def prune(call: Call) -> str:
    """Prune backups."""
    storage = _check_prune(call)

    async def work(task: Task) -> None:
        await task.spend(0.5)
        for row in _pruned(call, storage):
            if row["mark"] == "remove":
                await forget(call.lab, call.params["node"], row["volid"])
                task.log(f"Removed volume '{row['volid']}'")

    return call.task("prunebackups", storage.id, work)
