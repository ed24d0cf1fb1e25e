"""The tree of a guest's snapshots, for VMs and containers alike: take, drop, go back."""

from __future__ import annotations

import re
import uuid
from typing import Any

from atlas.lab import volume_ids
from atlas.lab import volume_store as store
from atlas.lab.call import PVEError
from atlas.lab.entities import Guest, Volume
from atlas.lab.guest_config import add_unused, truth
from atlas.lab.guest_devices import drives, is_cdrom, is_cloudinit, mount_type, mounts
from atlas.lab.guests import check_lock, digest, failure, flock, load, refuse, snapshot_of
from atlas.lab.qemu_machine import rest
from atlas.lab.qemu_options import MACHINE_VERSION
from atlas.lab.qemu_pending import forget_reused
from atlas.lab.qemu_suspend import save_state, state_storage
from atlas.lab.tasks import Task
from atlas.lab.world import Lab

_NEVER_COPIED = {"snapshots", "snapstate", "snaptime", "vmstate", "lock", "digest", "description"}


def disks(guest_kind: str, section: dict[str, Any]) -> list[str]:
    """List the volumes of a config section that snapshots are about: no CDs, no bind mounts."""
    if guest_kind == "qemu":
        return [d["file"] for _, d in drives(section) if not is_cdrom(d)]
    return [m["volume"] for _, m in mounts(section) if mount_type(m.get("volume", "")) == "volume"]


def _held(guest_kind: str, section: dict[str, Any]) -> list[str]:
    """List the volumes that a section holds, the cloud-init drive among them."""
    if guest_kind == "qemu":
        return [d["file"] for _, d in drives(section) if not is_cdrom(d, cloudinit_counts=False)]
    return disks(guest_kind, section)


def _copied(section: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in section.items() if k not in _NEVER_COPIED and not re.fullmatch(r"unused\d+", k)}


def able(lab: Lab, guest: Guest, feature: str = "snapshot") -> bool:
    """Tell whether every disk of a guest can be snapshotted."""
    container = guest.kind == "lxc"
    return all(volume_ids.able(lab, feature, volid, container=container) for volid in disks(guest.kind, guest.config))


def listed(guest: Guest) -> list[dict[str, Any]]:
    """List the snapshots and, as `current`, where the guest is now."""
    rows: list[dict[str, Any]] = []
    for name, section in guest.snapshots.items():
        row = {"name": name, "snaptime": section.get("snaptime", 0), "description": section.get("description", "")}
        if guest.kind == "qemu":
            row["vmstate"] = 1 if section.get("vmstate") else 0
        rows.append(row | {key: section[key] for key in ("parent", "snapstate") if section.get(key)})
    here = {"name": "current", "digest": digest(guest), "running": int(guest.status == "running")}
    here |= {"description": "You are here!"}
    if guest.config.get("parent"):
        here["parent"] = guest.config["parent"]
    return [*rows, here]


def _volumes(lab: Lab, guest: Guest, section: dict[str, Any]) -> list[Volume]:
    found = (lab.volume(volid, guest.node) for volid in disks(guest.kind, section))
    return [volume for volume in found if volume is not None]


def _paths(volumes: list[Volume]) -> list[str]:
    return [volume.path for volume in volumes if volume.path]


async def take(lab: Lab, guest: Guest, name: str, comment: str | None, task: Task, *, memory: bool) -> None:
    """Take a snapshot.

    Args:
        lab: the world.
        guest: as it was when the task began.
        name: of the snapshot.
        comment: its description.
        task: whose time it takes.
        memory: with the memory, if it runs.

    Raises:
        PVEError: a template, locked, the name is used, or a disk that cannot.
    """
    node, vmid, kind = guest.node, guest.vmid, guest.kind
    async with flock(lab, vmid, kind):
        guest = load(lab, node, vmid, kind)
        if truth(guest.config.get("template")):
            raise refuse("you can't take a snapshot if it's a template")
        check_lock(guest)
        if name in guest.snapshots:
            raise refuse(f"snapshot name '{name}' already used")
        if not able(lab, guest):
            raise refuse("snapshot feature is not available")
        section = {**_copied(guest.config), "snapstate": "prepare", "snaptime": int(lab.clock.now())}
        if comment:
            section["description"] = comment
        if memory and guest.status == "running":
            await _save_memory(lab, guest, name, section, task)
        guest.snapshots[name] = section
        guest.config["lock"] = "snapshot"
    try:
        volumes = _volumes(lab, guest, guest.snapshots[name])
        for volume in volumes:
            task.log(f"snapshotting 'drive' ({volume.volid})")
        await task.spend(0.5 + (1.0 if "vmstate" in section else 0))
        await lab.backend.snapshot(vmid, name, _paths(volumes), memory="vmstate" in section)
        for volume in volumes:
            volume.snapshots[name] = {"size": volume.size, "ctime": lab.clock.now()}
    except BaseException as error:
        died = failure(lab, task, error)
        if died is None:
            raise
        task.log("snapshot create failed: starting cleanup")
        await _forget(lab, guest, name)
        raise refuse(died.message) from error
    del guest.snapshots[name]["snapstate"]
    del guest.config["lock"]
    guest.config["parent"] = name


async def _save_memory(lab: Lab, guest: Guest, name: str, section: dict[str, Any], task: Task) -> None:
    storage_id = state_storage(lab, guest)
    section["vmstate"] = (await save_state(lab, guest, storage_id, name)).volid
    section["runningmachine"] = f"pc-i440fx-{MACHINE_VERSION}+pve0"
    section["runningcpu"] = "kvm64,enforce,+kvm_pv_eoi,+kvm_pv_unhalt"
    task.log(f"saving VM state and RAM using storage '{storage_id}'")


async def drop(lab: Lab, guest: Guest, name: str, task: Task, *, force: bool = False) -> None:
    """Remove a snapshot; those that came after it hang on its own parent from then on.

    Args:
        lab: the world.
        guest: as it was when the task began.
        name: of the snapshot.
        task: whose time it takes.
        force: remove it from the config even where a disk does not let go of it.
    """
    node, vmid, kind = guest.node, guest.vmid, guest.kind
    async with flock(lab, vmid, kind):
        guest = load(lab, node, vmid, kind)
        section = snapshot_of(guest, name)
        check_lock(guest)
        if truth(guest.config.get("template")):
            raise refuse("you can't delete a snapshot if vm is a template")
        guest.config["lock"] = "snapshot-delete"
        section["snapstate"] = "delete"
    await task.spend(0.4)
    try:
        await lab.backend.delete_snapshot(vmid, name, _paths(_volumes(lab, guest, section)))
    except BaseException as error:
        died = failure(lab, task, error)
        if died is None or not force:
            raise died or error from error
        task.warn(died.message)
    await _forget(lab, guest, name)


async def _forget(lab: Lab, guest: Guest, name: str) -> None:
    """Take a snapshot out of volumes and config; disks that only it held become unused."""
    section = guest.snapshots.pop(name)
    if section.get("vmstate"):
        await store.free(lab, guest.node, str(section["vmstate"]))
    for volume in _volumes(lab, guest, section):
        volume.snapshots.pop(name, None)
        add_unused(guest.config, volume.volid)
    for child in (guest.config, *guest.snapshots.values()):
        if child.get("parent") == name:
            if section.get("parent"):
                child["parent"] = section["parent"]
            else:
                del child["parent"]
    guest.config.pop("lock", None)
    drop_reused(guest)


def drop_reused(guest: Guest) -> None:
    """Drop `unusedN` entries of volumes that are attached."""
    if guest.kind == "qemu":
        forget_reused(guest)
        return
    used = set(disks("lxc", guest.config))
    for key in [k for k, v in guest.config.items() if re.fullmatch(r"unused\d+", k) and v in used]:
        del guest.config[key]


def _check_newest(lab: Lab, guest: Guest, section: dict[str, Any], name: str) -> None:
    """Refuse to go back past newer snapshots on storages that would lose them."""
    for volume in _volumes(lab, guest, section):
        if lab.storage(volume.storage).type == "zfspool" and list(volume.snapshots)[-1:] != [name]:
            raise refuse(f"can't rollback, '{name}' is not most recent snapshot on '{volume.volid}'")


async def go_back(lab: Lab, guest: Guest, name: str, task: Task) -> str | None:
    """Return a guest to a snapshot; it is stopped for that.

    Args:
        lab: the world.
        guest: as it was when the task began.
        name: of the snapshot.
        task: whose time it takes.

    Returns:
        The volume of the saved memory that it may go on from.
    """
    node, vmid, kind = guest.node, guest.vmid, guest.kind
    async with flock(lab, vmid, kind):
        guest = load(lab, node, vmid, kind)
        if truth(guest.config.get("template")):
            raise refuse("you can't rollback if vm is a template")
        section = snapshot_of(guest, name)
        _check_newest(lab, guest, section, name)
        if section.get("snapstate"):
            raise refuse(f"unable to rollback to incomplete snapshot (snapstate = {section['snapstate']})")
        check_lock(guest)
        await _halt(lab, guest)
        guest.config["lock"] = "rollback"
    await task.spend(0.5)
    volumes = _volumes(lab, guest, section)
    await lab.backend.rollback(vmid, name, _paths(volumes))
    for volume in volumes:
        volume.size = int(volume.snapshots.get(name, {}).get("size", volume.size))
    async with flock(lab, vmid, kind):
        await _restore(lab, guest, name, section)
    return section.get("vmstate")


async def _halt(lab: Lab, guest: Guest) -> None:
    if guest.status != "running":
        return
    if guest.kind == "qemu":
        await lab.backend.stop(guest.vmid)
    rest(guest)


async def _restore(lab: Lab, guest: Guest, name: str, section: dict[str, Any]) -> None:
    """Put the snapshot's config in place; volumes that it does not know become unused."""
    known = set(_held(guest.kind, section))
    for volid in _held(guest.kind, guest.config):
        if volid not in known:
            if is_cloudinit({"file": volid}):
                await _release(lab, guest, volid)
            else:
                add_unused(guest.config, volid)
    config = {k: v for k, v in guest.config.items() if re.fullmatch(r"unused\d+", k) or k == "description"}
    config |= _copied(section)
    config["parent"] = name
    for key in ("runningmachine", "runningcpu", "running-nets-host-mtu"):
        config.pop(key, None)
    if config.get("vmgenid"):
        config["vmgenid"] = str(uuid.uuid4())
    guest.config = config
    guest.pending.clear()
    drop_reused(guest)


async def _release(lab: Lab, guest: Guest, volid: str) -> None:
    try:
        await store.free(lab, guest.node, volid)
    except PVEError:
        add_unused(guest.config, volid)
