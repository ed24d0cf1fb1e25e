"""What migrating has in common for VMs and containers: targets, the copies of local volumes, the task."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

from atlas.lab import volume_ids, volumes
from atlas.lab import volume_store as store
from atlas.lab.call import Call
from atlas.lab.entities import Guest, Volume
from atlas.lab.guest_devices import drives, is_cloudinit, mount_type, mounts
from atlas.lab.guests import check_lock, check_node, failure, fault, flock, load, need_vm, refuse
from atlas.lab.records import plain
from atlas.lab.tasks import Task
from atlas.lab.volumes import copy_seconds
from atlas.lab.world import Lab

StorageMap = Callable[[str], str]


def storage_map(text: object) -> StorageMap:
    """Read a storage map: `1` keeps every storage, a name takes all, `a:b` pairs say which goes where."""
    pairs: dict[str, str] = {}
    default: str | None = None
    for part in str(text or "1").split(","):
        left, sign, right = part.partition(":")
        if sign:
            pairs[left] = right
        elif left != "1":
            default = left
    return lambda storage: pairs.get(storage, default or storage)


def _references(guest: Guest) -> dict[str, str]:
    """Give every volume that a guest names, with how: attached, generated, unused or snapshot."""
    found: dict[str, str] = {}
    for section in guest.snapshots.values():
        found |= dict.fromkeys(named_volumes(guest, section), "snapshot")
    found |= {str(v): "unused" for k, v in guest.config.items() if re.fullmatch(r"unused\d+", k)}
    found |= dict.fromkeys(named_volumes(guest, guest.config), "attached")
    return {v: "generated" if is_cloudinit({"file": v}) else how for v, how in found.items()}


def named_volumes(guest: Guest, section: dict[str, Any]) -> list[str]:
    """List the volumes that a guest's config, or one of its snapshots, names as drives or mount points."""
    if guest.kind == "lxc":
        return [m["volume"] for _, m in mounts(section) if mount_type(m.get("volume", "")) == "volume"]
    return [d["file"] for _, d in drives(section) if volume_ids.split_volid(d.get("file", ""))]


def local_references(lab: Lab, guest: Guest) -> dict[str, str]:
    """Keep the references that are on storages of this node alone."""
    found = _references(guest)
    return {v: how for v, how in found.items() if not lab.storage(v.partition(":")[0]).shared}


def check_targets(call: Call, guest: Guest, target: str, wanted: object) -> StorageMap:
    """Refuse storages that the target node lacks, or that the caller may not use there."""
    lab, to = call.lab, storage_map(wanted)
    content = "images" if guest.kind == "qemu" else "rootdir"
    if wanted:
        need_vm(call, guest.vmid, None, "VM.Config.Disk")
        names = {part.rpartition(":")[2] for part in str(wanted).split(",")} - {"1"}
        for name in sorted(names):
            storage = lab.storage(name, target)
            call.need(f"/storage/{name}", "Datastore.AllocateSpace")
            if content not in storage.content:
                what = "vm images" if guest.kind == "qemu" else "container directories"
                raise refuse(f"storage '{name}' does not support {what}")
    elif guest.kind == "qemu":
        for volid in _references(guest):
            lab.storage(volid.partition(":")[0], guest.node)
            lab.storage(volid.partition(":")[0], target)
    return to


def _begin_copy(lab: Lab, volume: Volume, target: str, storage_id: str) -> Volume:
    """Allocate a volume's copy on the target node; nothing is behind it until it is finished."""
    storage = lab.storage(storage_id, target)
    name = volume_ids.parse(lab, volume.volid)[1]
    form = volume.format if volume.format in volumes.formats(storage.type) else store.default_format(storage)
    taken = [v.volid.partition(":")[2] for v in lab.local_volumes(storage_id, target)]
    stem = re.sub(r"\.(raw|qcow2|vmdk)$", "", name.name)
    kept = f"{stem}.{form}" if storage.type in volumes.FILE_TYPES else stem
    vmid = name.vmid or 0
    if volumes.place(storage.type, vmid, kept) in taken:
        kept = volumes.free_name(storage.type, vmid, form, taken)
    copy = Volume(**{f.name: plain(getattr(volume, f.name)) for f in fields(volume)})
    copy.volid = f"{storage_id}:{volumes.place(storage.type, vmid, kept)}"
    copy.storage, copy.format, copy.parent, copy.path = storage_id, form, None, None
    copy.node = None if storage.shared else target
    lab.volumes[lab.volume_key(copy.volid, target)] = copy
    return copy


def _finish_copy(lab: Lab, volume: Volume, copy: Volume, node: str) -> None:
    """Free the volume that was copied; the disk behind it is the same file all along."""
    copy.path = volume.path
    del lab.volumes[lab.volume_key(volume.volid, node)]


def _renamed(guest: Guest, names: dict[str, str]) -> None:
    """Write new volume IDs wherever the guest names the old ones."""
    for section in (guest.config, guest.pending, *guest.snapshots.values()):
        for key, value in list(section.items()):
            first, sign, rest = str(value).partition(",")
            if first in names:
                section[key] = names[first] + sign + rest


async def carry_out(
    call: Call, task: Task, prepare: Callable[[Guest, Task], Awaitable[list[Volume]]], to: StorageMap
) -> None:
    """Migrate a guest as its task does: lock, copy, move the config, unlock."""
    lab, params = call.lab, call.params
    node, vmid, target = str(params["node"]), int(params["vmid"]), str(params["target"])
    kind = "lxc" if "/lxc/" in call.path else "qemu"
    word = "CT" if kind == "lxc" else "VM"
    locked, copies = False, list[Volume]()
    try:
        async with flock(lab, vmid, kind):
            guest = load(lab, node, vmid, kind)
            check_lock(guest)
            task.log(f"starting migration of {word} {vmid} to node '{target}'")
            if not lab.online(target):
                raise refuse("Can't connect to destination address using public key")
            found = await prepare(guest, task)
            guest.config["lock"] = "migrate"
            locked = True
        if found:
            task.log("copying local disk images")
        await task.spend(1.0)
        for volume in found:
            copies.append(_begin_copy(lab, volume, target, to(volume.storage)))
            await task.spend(copy_seconds(volume.size))
            task.log(f"volume '{volume.volid}' is '{copies[-1].volid}' on the target")
        for volume, copy in zip(found, copies, strict=True):
            _finish_copy(lab, volume, copy, node)
        _renamed(guest, {volume.volid: copy.volid for volume, copy in zip(found, copies, strict=True)})
        guest.node = target
        del guest.config["lock"]
        task.log("migration finished successfully")
    except BaseException as error:
        died = failure(lab, task, error)
        if died is None:
            raise
        for copy in copies:
            await store.free(lab, target, copy.volid)
        if locked:
            guest.config.pop("lock", None)
        task.log(f"ERROR: migration aborted (duration 00:00:01): {died.message}")
        raise refuse("migration aborted") from error


def check_target(call: Call) -> str:
    """Return the node that a guest is to go to; refuse its own, and one that does not exist."""
    node, target = str(call.params["node"]), str(call.params["target"])
    if target == node:
        raise fault(target="target is local node.")
    check_node(call.lab, target)
    return target


def by_ha(call: Call, sid: str, target: str) -> str | None:
    """Hand the migration of a guest that HA manages to the HA manager."""
    entry = call.lab.section("ha/resources").get(sid)
    if entry is None:
        return None
    kind, _, vmid = sid.partition(":")

    async def work(task: Task) -> None:
        task.log(f"Requesting HA migration for {kind.upper()} {vmid} to node {target}")
        guest = call.lab.guest(vmid)
        guest.node = target

    return call.task("hamigrate", vmid, work)
