"""Growing and moving a container's volumes, and turning a container into a template."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab import lxc_volumes, volume_ids
from atlas.lab import volume_store as store
from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Guest
from atlas.lab.guest_config import add_unused, truth
from atlas.lab.guest_devices import mount_type, mounts, parse_mount, print_mount
from atlas.lab.guests import (
    assert_unmodified,
    check_lock,
    check_protection,
    failure,
    flock,
    load,
    need_vm,
    refuse,
    this_guest,
)
from atlas.lab.qemu_disks import renamed
from atlas.lab.tasks import Task
from atlas.lab.volumes import copy_seconds, parse_size

CT = "/nodes/{node}/lxc/{vmid}"


def _mount_of(guest: Guest, slot: str) -> dict[str, str]:
    """Find a mount point; an absent one fails as PVE's parser does."""
    if slot in guest.config:
        return parse_mount(str(guest.config[slot]))
    missing = "property is missing and it is not optional"
    names = ("volume",) if slot == "rootfs" else ("mp", "volume")
    raise PVEError(500, "format error\n", errors=dict.fromkeys(names, missing))


@api("PUT", f"{CT}/resize")
def resize(call: Call) -> object:
    """Grow a volume to a size, or by one."""
    lab, slot = call.lab, str(call.params["disk"])
    node, vmid, wanted = str(call.params["node"]), int(call.params["vmid"]), str(call.params["size"])

    def checked() -> tuple[Guest, dict[str, str], int]:
        guest = load(lab, node, vmid, "lxc")
        check_lock(guest)
        need_vm(call, vmid, None, "VM.Config.Disk")
        assert_unmodified(guest, call.params.get("digest"))
        mount = _mount_of(guest, slot)
        if volume_ids.owner(lab, mount["volume"]) != vmid:
            raise refuse(
                f"can't resize mount point owned by another container ({volume_ids.owner(lab, mount['volume'])})"
            )
        call.need(f"/storage/{mount['volume'].partition(':')[0]}", "Datastore.AllocateSpace")
        old = volume_ids.find(lab, node, mount["volume"]).size
        size = parse_size(wanted.lstrip("+")) + (old if wanted.startswith("+") else 0)
        if size < old:
            raise refuse("unable to shrink disk size")
        if size == old:
            raise refuse("disk is already at specified size")
        return guest, mount, size

    checked()

    async def work(task: Task) -> None:
        async with flock(lab, vmid, "lxc"):
            guest, mount, size = checked()
            await task.spend(0.3)
            await store.resize(lab, node, volume_ids.find(lab, node, mount["volume"]), size)
            guest.config[slot] = print_mount({**mount, "size": str(size)})

    return call.task("resize", vmid, work)


@api("POST", f"{CT}/move_volume")
async def move(call: Call) -> object:
    """Move a volume to another storage, or give it to another container."""
    params, lab = call.params, call.lab
    storage_id, other, slot = params.get("storage"), params.get("target-vmid"), str(params["volume"])
    vmid, node = int(params["vmid"]), str(params["node"])
    if storage_id and other:
        raise refuse("either set storage or target-vmid, but not both")
    if other:
        return _reassign(call, slot, int(other))
    if not storage_id:
        missing = "both 'storage' and 'target-vmid' missing, either needs to be set"
        raise PVEError(400, errors={"storage": missing, "target-vmid": missing})
    call.need(f"/storage/{storage_id}", "Datastore.AllocateSpace")
    async with flock(lab, vmid, "lxc"):
        guest = load(lab, node, vmid, "lxc")
        check_lock(guest)
        if guest.status == "running":
            raise refuse("cannot move volumes of a running container")
        if slot.startswith("unused"):
            text = "only configured volumes can be moved to another storage"
            raise refuse(f"cannot move volume '{slot}', {text}")
        mount = _mount_of(guest, slot)
        kept_by = any(m.get("volume") == mount["volume"] for s in guest.snapshots.values() for _, m in mounts(s))
        if params.get("delete") and kept_by:
            raise refuse("you can't move a volume with snapshots and delete the source")
        assert_unmodified(guest, params.get("digest"))
        guest.config["lock"] = "disk"

    async def work(task: Task) -> None:
        await _move(call, task, guest, slot, mount, str(storage_id))

    return call.task("move_volume", vmid, work)


async def _move(call: Call, task: Task, guest: Guest, slot: str, mount: dict[str, str], storage_id: str) -> None:
    lab, node, old = call.lab, guest.node, mount["volume"]
    made: list[str] = []
    try:
        source = volume_ids.find(lab, node, old)
        new = await lxc_volumes.copied(lab, node, source, storage_id, guest.vmid)
        made.append(new.volid)
        await task.spend(copy_seconds(source.size) / 2)
        if truth(guest.config.get("template")):
            new = store.make_base(lab, node, new)
        guest.config[slot] = print_mount({**mount, "volume": new.volid, "size": str(new.size)})
        if call.params.get("delete"):
            await store.free(lab, node, old)
        else:
            add_unused(guest.config, old)
    except BaseException as error:
        died = failure(lab, task, error)
        if died is None:
            raise
        await lxc_volumes.free_all(lab, node, made)
        guest.config.pop("lock", None)
        raise died from error
    guest.config.pop("lock", None)


def _checked_reassign(call: Call, slot: str, other: int, wanted: str) -> tuple[Guest, Guest, dict[str, str]]:
    lab, vmid = call.lab, int(call.params["vmid"])
    if "rootfs" in {slot, wanted}:
        raise refuse("Cannot move to/from 'rootfs'")
    if slot.startswith("unused") and not wanted.startswith("unused"):
        raise refuse("Moving an unused volume to a used one is not possible")
    source, target = lab.guests.get(str(vmid)), lab.guests.get(str(other))
    if source is None:
        raise refuse(f"could not find CT {vmid}")
    if target is None:
        raise refuse(f"could not find CT {other}")
    if source.node != target.node:
        raise refuse(f"Both containers need to be on the same node ({source.node} != {target.node})")
    check_lock(source)
    check_lock(target)
    if truth(source.config.get("template")) or truth(target.config.get("template")):
        raise refuse("Can't move volumes from or to template CT")
    if slot not in source.config:
        raise refuse(f"volume '{slot}' for container '{vmid}' does not exist")
    if wanted in target.config:
        raise refuse(f"Target volume key '{wanted}' is already in use for container '{other}'")
    mount = parse_mount(str(source.config[slot]))
    if not volume_ids.able(lab, "rename", mount["volume"]):
        raise refuse("Storage does not support moving of this disk to another container")
    if source.status == "running" and not slot.startswith("unused"):
        raise refuse("Cannot move in-use volume while the source CT is running - detach or shutdown first")
    return source, target, mount


def _reassign(call: Call, slot: str, other: int) -> str:
    vmid, wanted = int(call.params["vmid"]), str(call.params.get("target-volume") or slot)
    need_vm(call, other, None, "VM.Config.Disk")
    _, _, mount = _checked_reassign(call, slot, other, wanted)
    call.need(f"/storage/{mount['volume'].partition(':')[0]}", "Datastore.AllocateSpace")

    async def work(task: Task) -> None:
        async with flock(call.lab, vmid, "lxc"):
            source, target, mount = _checked_reassign(call, slot, other, wanted)
            task.log(f"moving volume '{slot}' from container '{vmid}' to '{other}'")
            volid = renamed(call.lab, source.node, mount["volume"], other)
            del source.config[slot]  # gone even if the target then refuses: nothing is put back
            check_protection(target, f"can't update CT {other} drive '{wanted}'")
            shown = volid if re.match("unused", wanted) else print_mount({**mount, "volume": volid})
            target.config[wanted] = shown

    return call.task("move_volume", f"{vmid}-{slot}>{other}-{wanted}", work)


@api("POST", f"{CT}/template")
def template(call: Call) -> object:
    """Turn a container into a template; the task goes on by itself, the call answers nothing."""
    guest, lab = this_guest(call), call.lab
    check_lock(guest)
    if guest.snapshots:
        raise refuse("unable to create template, because CT contains snapshots")
    if truth(guest.config.get("template")):
        raise refuse("you can't convert a template to a template")
    if guest.status == "running":
        raise refuse("you can't convert a CT to template if the CT is running")

    async def work(task: Task) -> None:
        found: list[tuple[str, dict[str, Any]]] = [
            (slot, m) for slot, m in mounts(guest.config) if mount_type(m.get("volume", "")) == "volume"
        ]
        for _, mount in found:
            if not volume_ids.able(lab, "template", mount["volume"]):
                raise refuse(f"Template feature is not available for '{mount['volume']}'")
        await task.spend(0.2)
        for slot, mount in found:
            volume = store.make_base(lab, guest.node, volume_ids.find(lab, guest.node, mount["volume"]))
            guest.config[slot] = print_mount({**mount, "volume": volume.volid})
        guest.config["template"] = 1

    call.task("vztemplate", guest.vmid, work)
    return None
