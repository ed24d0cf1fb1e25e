"""nodes/{node}/storage/{storage}/content: listing, allocating, reading, noting and freeing volumes."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab import volume_ids
from atlas.lab import volume_store as store
from atlas.lab.backup_calls import forget
from atlas.lab.call import Call, PVEError, api, shaped
from atlas.lab.entities import Storage, Volume
from atlas.lab.tasks import Task
from atlas.lab.volume_access import check_access
from atlas.lab.volumes import FILE_TYPES, parse_volname

_UNITS = {"": 1024, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}  # a bare number counts KiB
_BASE = "/nodes/{node}/storage/{storage}/content"


def _storage(call: Call) -> Storage:
    return call.lab.storage(call.params["storage"], call.params["node"])


def _row(storage: Storage, volume: Volume) -> dict[str, Any]:
    row: dict[str, Any] = {
        "volid": volume.volid,
        "content": volume.content,
        "format": volume.format,
        "size": volume.size,
        "ctime": int(volume.ctime),
    }
    if volume.content in ("images", "rootdir"):
        row |= {"vmid": volume.vmid, "used": volume.used}
        row["parent"] = _parent(storage, volume)
    if volume.content == "backup":
        row |= {"subtype": volume.extra.get("subtype", "qemu"), **({"vmid": volume.vmid} if volume.vmid else {})}
        if volume.protected:
            row["protected"] = 1
    if volume.notes:
        row["notes"] = volume.notes
    return row


def _parent(storage: Storage, volume: Volume) -> str | None:
    if volume.parent is None:
        return None
    name = volume.parent.partition(":")[2]
    return f"../{name}" if storage.type in FILE_TYPES else name


@api("GET", _BASE)
def content(call: Call) -> list[dict[str, Any]]:
    """List the volumes of a storage that the caller may use."""
    storage, params = _storage(call), call.params
    rows = []
    for volume in call.lab.local_volumes(storage.id, params["node"]):
        if params.get("content") not in (None, volume.content) or volume.content not in storage.content:
            continue
        if params.get("vmid") not in (None, volume.vmid) and volume.content != "import":
            continue
        try:
            check_access(call, params.get("vmid", 0), volume.volid)
        except PVEError:
            continue
        rows.append(_row(storage, volume))
    return rows


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)([KMGT]?)", text)
    return int(match[1]) * _UNITS[match[2]] if match else 0


@api("POST", _BASE)
async def allocate(call: Call) -> str:
    """Allocate an empty volume under a given name."""
    storage, params = _storage(call), call.params
    name: str = params["filename"]
    form = params.get("format")
    if storage.type in FILE_TYPES:
        match = re.fullmatch(r"(?:base-|basevol-)?[^/\s]+\.(raw|qcow2|vmdk|subvol)", name)
        if match is None:
            raise PVEError(500, f"unable to parse volume filename '{name}'")
        if form not in (None, match[1]):
            raise PVEError(400, errors={"format": f"different storage formats ({form} != {match[1]})"})
        form = match[1]
    size = _bytes(params["size"])
    made = await store.allocate(
        call.lab, params["node"], storage.id, params["vmid"], size, form=form or "raw", name=name
    )
    return made.volid


def _volid(call: Call) -> tuple[str, Storage]:
    """Return the volume that a call names, with or without its storage."""
    volume, name = str(call.params["volume"]), call.params["storage"]
    if ":" in volume:
        given = volume.partition(":")[0]
        if name is not None and given != name:
            raise PVEError(400, errors={"volume": f"storage ID mismatch ({given} != {name})"})
    else:
        volume = f"{name}:{volume}"
    storage = call.lab.storage(volume.partition(":")[0])
    try:
        parse_volname(storage.type, volume.partition(":")[2])
    except ValueError as error:
        raise PVEError(500, str(error)) from error
    return volume, storage


@api("GET", f"{_BASE}/{{volume}}")
def read_volume(call: Call) -> dict[str, Any]:
    """Return a volume's path, size and format."""
    volid, _ = _volid(call)
    check_access(call, 0, volid)
    volume = call.lab.volume(volid, call.params["node"])
    if volume is None:
        raise PVEError(500, f"volume_size_info on '{volid}' failed - no format")
    shown: dict[str, Any] = {
        "path": volume_ids.file_path(call.lab, volid),
        "used": volume.used,
        "format": volume.format,
    }
    shown["size"] = volume.extra.get("virtual", volume.size)
    if volume.content in ("iso", "vztmpl", "snippets"):  # looked at as disks: of whole sectors
        shown |= {"format": "raw", "size": -(-int(volume.size) // 512) * 512}
    if volume.content == "backup":
        shown |= {"notes": volume.notes or "", "protected": int(volume.protected)}
    return shown


@api("PUT", f"{_BASE}/{{volume}}")
def update_volume(call: Call) -> None:
    """Note something at a backup, or protect it."""
    volid, storage = _volid(call)
    volume = call.lab.volume(volid, call.params["node"])
    kind = parse_volname(storage.type, volid.partition(":")[2]).vtype
    call.need(f"/storage/{storage.id}", "Datastore.Allocate")
    if "notes" in call.params and kind != "backup":
        raise PVEError(500, "only backups can have notes")
    if "protected" in call.params and kind != "backup":
        raise PVEError(500, "only backups support attribute 'protected'")
    if volume is None:
        raise PVEError(500, f"volume '{volid}' does not exist")
    volume.notes = call.params.get("notes", volume.notes)
    volume.protected = bool(call.params.get("protected", volume.protected))


@api("DELETE", f"{_BASE}/{{volume}}")
async def delete_volume(call: Call) -> str | None:
    """Free a volume or remove a file; what is not there is no fault; with `delay`, wait so long for the end first."""
    volid, storage = _volid(call)
    name = parse_volname(storage.type, volid.partition(":")[2])
    if name.vtype == "backup" and name.vmid:
        call.need(f"/storage/{storage.id}", "Datastore.AllocateSpace")
        call.need(f"/vms/{name.vmid}", "VM.Backup")
    else:
        call.need(f"/storage/{storage.id}", "Datastore.Allocate")
    node = call.params["node"]
    volume = call.lab.volume(volid, node)
    if volume is not None and volume.protected:
        raise PVEError(500, f"can't remove protected volume '{volid}'")

    async def work(task: Task) -> None:
        await task.spend(0.3)
        if name.vtype == "images":
            await store.free(call.lab, node, volid)
        elif name.vtype == "backup":
            await forget(call.lab, node, volid)
        else:
            gone = call.lab.volumes.pop(call.lab.volume_key(volid, node), None)
            if gone is not None and gone.path:
                await call.lab.backend.delete_disk(gone.path)
        task.log(f"Removed volume '{volid}'")

    upid = call.task("imgdel", f"{name.vmid}@{storage.id}" if name.vmid else storage.id, work)
    if not call.params.get("delay"):
        return upid
    ended = await call.lab.tasks.wait(upid)
    if ended.exitstatus != "OK" and not str(ended.exitstatus).startswith("WARNINGS"):
        raise PVEError(500, str(ended.exitstatus))
    return None


@shaped("GET", "/nodes/{node}/storage/{storage}/import-metadata")
def import_metadata(call: Call) -> dict[str, Any]:
    """Say what an appliance would become; what is in one is not looked into."""
    storage = _storage(call)
    try:
        name = parse_volname(storage.type, call.params["volume"])
    except ValueError as error:
        raise PVEError(500, str(error)) from error
    if name.vtype != "import":
        raise PVEError(500, f"invalid content type '{name.vtype}'")
    if not str(call.params["volume"]).endswith((".ova", ".ovf")):
        raise PVEError(500, "invalid format")
    return {"create-args": {}, "source": "manual-ovf", "type": "vm"}


@api("POST", f"{_BASE}/{{volume}}")
def copy_volume(call: Call) -> str:
    """Copy a volume to another name on its storage."""
    volid, storage = _volid(call)
    node, target = call.params["node"], str(call.params["target"])
    call.need(f"/storage/{storage.id}", "Datastore.AllocateSpace")
    wanted = target.partition(":")[2] if ":" in target else target
    try:
        name = parse_volname(storage.type, wanted)
    except ValueError as error:
        raise PVEError(500, str(error)) from error
    other = call.params.get("target_node") or node
    call.lab.storage(storage.id, other)

    async def work(task: Task) -> None:
        source = volume_ids.find(call.lab, node, volid)
        if call.lab.volume(f"{storage.id}:{wanted}", other) is not None:
            raise PVEError(500, f"volume '{storage.id}:{wanted}' already exists")
        await task.spend(1)
        await store.copy(call.lab, other, source, storage.id, name.vmid or 0, form=name.format, name=name.name)
        task.log(f"DEBUG: copied {volid} to {storage.id}:{wanted}")

    return call.task("imgcopy", "", work)
