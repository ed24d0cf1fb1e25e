"""Guests made again from their backups, in the place of an old one where the caller forces it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from atlas.lab import lxc_volumes
from atlas.lab import volume_store as store
from atlas.lab.backup_calls import backup
from atlas.lab.bulk import on_guest
from atlas.lab.call import Call, Forbidden, PVEError
from atlas.lab.entities import Guest, Volume
from atlas.lab.guest_devices import drives, is_cloudinit, mounts, print_drive, print_mount, random_mac
from atlas.lab.guest_lifecycle import destroy_volumes, join_pool, new_guest
from atlas.lab.guests import check_lock, check_protection, failure, flock, may_vm, refuse, taken
from atlas.lab.qemu_drives import Creation
from atlas.lab.records import plain
from atlas.lab.tasks import Task
from atlas.lab.volumes import copy_seconds

Config = dict[str, Any]
Fill = Callable[[Task, list[str]], Awaitable[Config]]


def _source(call: Call, disk: dict[str, Any]) -> tuple[Volume, str]:
    """Return the disk that a backup holds as a volume, and the storage that it goes to."""
    lab, node = call.lab, str(call.params["node"])
    storage_id = str(call.params.get("storage") or disk["storage"])
    if not call.params.get("storage") and storage_id not in lab.storages:
        storage_id = "local"
    lab.storage(storage_id, node)
    call.need(f"/storage/{storage_id}", "Datastore.AllocateSpace")
    volume = Volume("", storage_id, "images", disk["format"], disk["size"], path=disk["path"], used=disk["used"])
    volume.extra = plain(disk.get("extra", {}))
    return volume, storage_id


def _held(call: Call, kind: str, archive: str) -> tuple[Config, dict[str, tuple[Volume, str]]]:
    """Return the config that a backup holds, and by slot each of its disks with the storage that it goes to."""
    held = backup(call, archive)
    config = held.extra.get("config")
    if config is None or held.extra.get("subtype") != kind:
        raise PVEError(500, f"archive '{archive}' holds no {'VM' if kind == 'qemu' else 'container'}")
    return dict(plain(config)), {slot: _source(call, disk) for slot, disk in held.extra["disks"].items()}


def _old(call: Call, kind: str, what: str) -> Guest | None:
    """Return the guest that is to be replaced; refuse one that may not be."""
    lab, vmid = call.lab, int(call.params["vmid"])
    used = taken(lab, vmid)
    if used is None:
        return None
    if not call.params.get("force"):
        raise refuse(f"{what}{used}")
    old = lab.guests[str(vmid)]
    if old.kind != kind or old.node != call.params["node"]:
        raise refuse(f"{what}{used}")
    if not may_vm(call, vmid, None, "VM.Backup"):
        raise Forbidden(f"/vms/{vmid}, VM.Backup")
    check_protection(old, what.removesuffix(" - "))
    check_lock(old)
    if old.status == "running":
        raise refuse(f"{what}{'vm' if kind == 'qemu' else 'container'} is running")
    return old


def _start(call: Call, kind: str, task_kind: str, fill: Fill) -> str:
    """Start the task that makes the guest anew.

    Args:
        call: The call.
        kind: `qemu` or `lxc`.
        task_kind: The task's type.
        fill: Makes the disks and returns the configuration; it notes the volumes that it made.
    """
    lab, node, vmid = call.lab, str(call.params["node"]), int(call.params["vmid"])
    what = f"unable to restore {'VM' if kind == 'qemu' else 'CT'} {vmid} - "
    old = _old(call, kind, what)
    if old is None:
        new_guest(lab, node, vmid, kind, {"lock": "create"}, what)

    async def work(task: Task) -> None:
        made: list[str] = []
        guest = lab.guests[str(vmid)]
        try:
            async with flock(lab, vmid, kind):
                if old is not None:
                    guest.config["lock"] = "create"
                    await destroy_volumes(lab, old, task, [], unreferenced=True)
                config = await fill(task, made)
                guest.snapshots, guest.pending = {}, {}
                guest.config = config
        except BaseException as error:
            died = failure(lab, task, error)
            if died is None:
                raise
            for volid in made:
                await store.free(lab, node, volid)
            if old is None:
                lab.guests.pop(str(vmid), None)
            raise refuse(what + died.message) from error
        join_pool(lab, vmid, call.params.get("pool"))
        if call.params.get("start"):
            await on_guest(call, guest, "status/start")

    return call.task(task_kind, vmid, work)


def restore_vm(call: Call, changes: Config) -> str:
    """Make a VM from its backup.

    Args:
        call: The call.
        changes: Options that the caller gives in place of those of the backup.
    """
    lab, node, vmid = call.lab, str(call.params["node"]), int(call.params["vmid"])
    config, sources = _held(call, "qemu", str(call.params["archive"]))

    async def fill(task: Task, made: list[str]) -> Config:
        new = {key: value for key, value in config.items() if key not in dict(drives(config))}
        for slot, drive in drives(config):
            if slot in sources:
                volume, storage_id = sources[slot]
                copy = await store.copy(lab, node, volume, storage_id, vmid)
                made.append(copy.volid)
                await task.spend(copy_seconds(volume.used), f"restore drive-{slot} to '{copy.volid}'")
                new[slot] = print_drive({**drive, "file": copy.volid, "size": str(copy.size)})
            elif is_cloudinit(drive):
                storage_id = str(call.params.get("storage") or drive["file"].partition(":")[0])
                creation = Creation(lab, call, node, vmid, new, storage_id)
                new |= await creation.run({slot: f"{storage_id}:cloudinit"})
                made += creation.made
            elif drive.get("media") == "cdrom":
                new[slot] = print_drive(drive)
        if call.params.get("unique"):
            new |= {k: _fresh(str(v)) for k, v in new.items() if re.fullmatch(r"net\d+", k)}
        return new | {key: str(value) for key, value in changes.items() if key not in ("archive", "force", "unique")}

    return _start(call, "qemu", "qmrestore", fill)


def _fresh(net: str) -> str:
    """Give a network card another MAC."""
    return re.sub(r"(?i)[0-9a-f]{2}(:[0-9a-f]{2}){5}", lambda _: random_mac(), net)


def restore_container(call: Call, changes: Config) -> str:
    """Make a container from its backup.

    Args:
        call: The call.
        changes: Options that the caller gives in place of those of the backup.
    """
    lab, node, vmid = call.lab, str(call.params["node"]), int(call.params["vmid"])
    archive = str(call.params["ostemplate"])
    config, sources = _held(call, "lxc", archive)

    async def fill(task: Task, made: list[str]) -> Config:
        new = dict(config)
        for slot, mount in mounts(config):
            if slot not in sources:
                del new[slot]
                continue
            volume, storage_id = sources[slot]
            copy = await lxc_volumes.copied(lab, node, volume, storage_id, vmid)
            made.append(copy.volid)
            await task.spend(copy_seconds(volume.used), f"extracting archive '{archive}'")
            new[slot] = print_mount({**mount, "volume": copy.volid, "size": str(copy.size)})
        return {**new, **changes}

    return _start(call, "lxc", "vzrestore", fill)
