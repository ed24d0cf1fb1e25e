"""Growing and moving a VM's disks, and turning a VM into a template."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab import volume_ids
from atlas.lab import volume_store as store
from atlas.lab.call import Call, api
from atlas.lab.entities import Guest
from atlas.lab.guest_config import add_unused, truth
from atlas.lab.guest_devices import boot_order, drives, is_cdrom, is_cloudinit, parse_drive, print_boot, print_drive
from atlas.lab.guests import (
    assert_unmodified,
    check_digest,
    check_lock,
    failure,
    fault,
    flock,
    load,
    need_vm,
    refuse,
    root_only,
)
from atlas.lab.qemu_drives import release
from atlas.lab.qemu_pending import in_use
from atlas.lab.tasks import Task
from atlas.lab.volumes import FILE_TYPES, copy_seconds, free_name, parse_size, parse_volname, place
from atlas.lab.world import Lab

VM = "/nodes/{node}/qemu/{vmid}"


def _here(call: Call) -> tuple[str, int]:
    return str(call.params["node"]), int(call.params["vmid"])


@api("PUT", f"{VM}/resize")
def resize(call: Call) -> object:
    """Grow a disk to a size, or by one."""
    root_only(call, "skiplock")
    node, vmid = _here(call)
    slot, wanted = str(call.params["disk"]), str(call.params["size"])

    async def work(task: Task) -> None:
        async with flock(call.lab, vmid, "qemu"):
            guest = load(call.lab, node, vmid, "qemu")
            check_digest(guest, call.params.get("digest"))
            if not call.params.get("skiplock"):
                check_lock(guest)
            if slot not in guest.config:
                raise refuse(f"disk '{slot}' does not exist")
            drive = parse_drive(str(guest.config[slot]))
            if is_cdrom(drive):
                raise refuse("you can't resize a cdrom")
            call.need(f"/storage/{drive['file'].partition(':')[0]}", "Datastore.AllocateSpace")
            volume = volume_ids.find(call.lab, node, drive["file"])
            size = parse_size(wanted.lstrip("+")) + (volume.size if wanted.startswith("+") else 0)
            if size < volume.size:
                raise refuse("shrinking disks is not supported")
            if size == volume.size:
                return
            await task.spend(0.2)
            await store.resize(call.lab, node, volume, size)
            guest.config[slot] = print_drive({**drive, "size": str(size)})

    return call.task("resize", vmid, work)


def _checked_move(call: Call, slot: str, storage_id: str) -> tuple[Guest, dict[str, str]]:
    """Refuse a move that cannot be; return the VM and the drive."""
    node, vmid = _here(call)
    guest = load(call.lab, node, vmid, "qemu")
    check_lock(guest)
    assert_unmodified(guest, call.params.get("digest"))
    if slot not in guest.config:
        raise refuse(f"disk '{slot}' does not exist")
    drive = parse_drive(str(guest.config[slot]))
    volid = drive.get("file", "")
    if is_cdrom(drive, cloudinit_counts=False):
        raise refuse("you can't move a cdrom")
    storage, name = volume_ids.parse(call.lab, volid)
    form = call.params.get("format")
    if storage.id == storage_id and (not form or form == name.format):
        raise refuse("you can't move to the same storage with same format")
    if "images" not in call.lab.storage(storage_id, node).content:
        raise fault(storage=f"storage '{storage_id}' does not support vm images")
    if call.params.get("delete") and in_use(guest, slot, volid):
        raise refuse("you can't move a disk with snapshots and delete the source")
    return guest, drive


@api("POST", f"{VM}/move_disk")
def move(call: Call) -> object:
    """Move a disk to another storage or format, or give it to another VM."""
    params = call.params
    _, vmid = _here(call)
    slot, storage_id, other = str(params["disk"]), params.get("storage"), params.get("target-vmid")
    if other and storage_id:
        text = "either set 'storage' or 'target-vmid', but not both"
        raise fault(storage=text, target_vmid=text)
    if other:
        return _reassign(call, slot, int(other))
    if not storage_id:
        text = "both 'storage' and 'target-vmid' missing, either needs to be set"
        raise fault(storage=text, target_vmid=text)
    call.need(f"/storage/{storage_id}", "Datastore.AllocateSpace")
    _checked_move(call, slot, storage_id)

    async def work(task: Task) -> None:
        async with flock(call.lab, vmid, "qemu"):
            await _move(call, task, slot, storage_id)

    return call.task("qmmove", vmid, work)


async def _move(call: Call, task: Task, slot: str, storage_id: str) -> None:
    guest, drive = _checked_move(call, slot, storage_id)
    lab, node, old = call.lab, guest.node, drive["file"]
    task.log(f"copying volume '{old}' from current storage '{old.partition(':')[0]}' to target storage '{storage_id}'")
    made: list[str] = []
    try:
        if is_cloudinit(drive):
            source = volume_ids.find(lab, node, old)
            name = parse_volname(lab.storage(source.storage).type, old.partition(":")[2]).name
            volume = await store.copy(lab, node, source, storage_id, guest.vmid, name=_fitting(lab, name, storage_id))
        else:
            source = volume_ids.find(lab, node, old)
            volume = await store.copy(lab, node, source, storage_id, guest.vmid, form=call.params.get("format"))
        made.append(volume.volid)
        await task.spend(copy_seconds(source.size))
        if truth(guest.config.get("template")):
            volume = store.make_base(lab, node, volume)
    except BaseException as error:
        died = failure(lab, task, error)
        if died is None:
            raise
        await release(lab, node, made)
        raise refuse(f"storage migration failed: {died.message}") from error
    kept = {key: value for key, value in drive.items() if key != "format"}
    guest.config[slot] = print_drive({**kept, "file": volume.volid, "size": str(volume.size)})
    if not call.params.get("delete"):
        key = add_unused(guest.config, old)
        task.log(f"adding source volume '{old}' as '{key}' to config")
        return
    task.log(f"removing source volume '{old}' after successful copy")
    for line in await release(lab, node, [old]):
        task.log(line)


def _fitting(lab: Lab, name: str, storage_id: str) -> str:
    """Give a cloud-init volume's name the ending that the target storage wants."""
    bare = re.sub(r"\.\w+$", "", name)
    return f"{bare}.qcow2" if lab.storage(storage_id).type in FILE_TYPES else bare


def _checked_reassign(call: Call, slot: str, other: int, wanted: str) -> tuple[Guest, Guest, dict[str, str]]:
    """Refuse to give a disk to a VM where PVE would."""
    lab, vmid = call.lab, int(call.params["vmid"])
    source, target = lab.guests.get(str(vmid)), lab.guests.get(str(other))
    if source is None:
        raise refuse(f"could not find VM {vmid}")
    if target is None:
        raise refuse(f"could not find target VM {other}")
    if source.node != target.node:
        raise refuse(f"Both VMs need to be on the same node ({source.node} != {target.node})")
    check_lock(source)
    check_lock(target)
    if truth(source.config.get("template")) or truth(target.config.get("template")):
        raise refuse("Can't move disks from or to template VMs")
    if slot not in source.config:
        raise refuse(f"Disk '{slot}' for VM '{vmid}' does not exist")
    if wanted in target.config:
        raise refuse(f"Target disk key '{wanted}' is already in use for VM '{other}'")
    drive = parse_drive(str(source.config[slot]))
    if is_cdrom(drive, cloudinit_counts=False):
        raise refuse("CD drive contents can't be moved to another VM")
    if in_use(source, slot, drive["file"]):
        raise refuse("Can't move disk used by a snapshot to another VM")
    if not volume_ids.able(lab, "rename", drive["file"]):
        raise refuse("Storage does not support moving of this disk to another VM")
    if source.status == "running" and not slot.startswith("unused"):
        raise refuse("Cannot move disk to another VM while the source VM is running - detach first")
    return source, target, drive


def _reassign(call: Call, slot: str, other: int) -> str:
    vmid, wanted = int(call.params["vmid"]), str(call.params.get("target-disk") or slot)
    need_vm(call, other, None, "VM.Config.Disk")
    if other == vmid:
        raise fault(target_vmid="must be different than source VMID to reassign disk")
    _, _, drive = _checked_reassign(call, slot, other, wanted)
    call.need(f"/storage/{drive['file'].partition(':')[0]}", "Datastore.AllocateSpace")

    async def work(task: Task) -> None:
        async with flock(call.lab, vmid, "qemu"), flock(call.lab, other, "qemu"):
            source, target, drive = _checked_reassign(call, slot, other, wanted)
            task.log(f"reassign disk '{slot}' from VM '{vmid}' as '{wanted}' to VM '{other}'")
            volume = renamed(call.lab, source.node, drive["file"], other)
            order = boot_order(source.config)
            if slot in order:
                source.config["boot"] = print_boot([key for key in order if key != slot]) or " "
            del source.config[slot]
            kept = volume if wanted.startswith("unused") else print_drive({**drive, "file": volume})
            target.config[wanted] = kept

    return call.task("qmmove", f"{vmid}-{slot}>{other}-{wanted}", work)


def renamed(lab: Lab, node: str, volid: str, owner: int) -> str:
    """Rename a volume to the next free disk of another guest, and return its new ID."""
    volume = volume_ids.find(lab, node, volid)
    storage, name = volume_ids.parse(lab, volid)
    taken = [v.volid.partition(":")[2] for v in lab.local_volumes(storage.id, node)]
    new = place(storage.type, owner, free_name(storage.type, owner, name.format, taken))
    prefix = volid.partition(":")[2].removesuffix(place(storage.type, name.vmid or 0, name.name)) if name.base else ""
    return store.rename(lab, node, volume, f"{storage.id}:{prefix}{new}").volid


def _check_template(guest: Guest, disk: object) -> None:
    check_lock(guest)
    if guest.snapshots:
        raise refuse("unable to create template, because VM contains snapshots")
    if truth(guest.config.get("template")) and not disk:
        raise refuse("you can't convert a template to a template")
    if guest.status == "running":
        raise refuse("you can't convert a VM to template if VM is running")


@api("POST", f"{VM}/template")
def template(call: Call) -> object:
    """Turn a VM into a template: its disks become bases."""
    node, vmid = _here(call)
    disk = call.params.get("disk")
    _check_template(load(call.lab, node, vmid, "qemu"), disk)

    async def work(task: Task) -> None:
        async with flock(call.lab, vmid, "qemu"):
            guest = load(call.lab, node, vmid, "qemu")
            _check_template(guest, disk)
            guest.config["template"] = 1
            await task.spend(0.2)
            for slot, drive in list(drives(guest.config)):
                if not is_cdrom(drive) and disk in {None, slot}:
                    guest.config[slot] = _based(call.lab, node, drive)

    return call.task("qmtemplate", vmid, work)


def _based(lab: Lab, node: str, drive: dict[str, Any]) -> str:
    if volume_ids.able(lab, "template", drive["file"]):
        volume = store.make_base(lab, node, volume_ids.find(lab, node, drive["file"]))
        return print_drive({**drive, "file": volume.volid})
    return print_drive(drive)
