"""Moving guests to other nodes, with their local volumes where they have some."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

from atlas.lab import volume_ids, volumes
from atlas.lab import volume_store as store
from atlas.lab.call import Call, api
from atlas.lab.entities import Guest, Volume
from atlas.lab.guest_devices import drives, is_cdrom, is_cloudinit, mount_type, mounts, split
from atlas.lab.guests import check_lock, check_node, failure, fault, flock, load, need_vm, refuse, root_only
from atlas.lab.qemu_machine import rest
from atlas.lab.records import plain
from atlas.lab.tasks import Task
from atlas.lab.volumes import copy_seconds
from atlas.lab.world import Lab

_MIGRATABLE = {"dir", "btrfs", "zfspool", "lvmthin", "lvm"}
Map = Callable[[str], str]


def storage_map(text: object) -> Map:
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
        found |= dict.fromkeys(_named(guest, section), "snapshot")
    found |= {str(v): "unused" for k, v in guest.config.items() if re.fullmatch(r"unused\d+", k)}
    found |= dict.fromkeys(_named(guest, guest.config), "attached")
    return {v: "generated" if is_cloudinit({"file": v}) else how for v, how in found.items()}


def _named(guest: Guest, section: dict[str, Any]) -> list[str]:
    if guest.kind == "lxc":
        return [m["volume"] for _, m in mounts(section) if mount_type(m.get("volume", "")) == "volume"]
    return [d["file"] for _, d in drives(section) if volume_ids.split_volid(d.get("file", ""))]


def _local(lab: Lab, guest: Guest) -> dict[str, str]:
    """Keep the references that are on storages of this node alone."""
    found = _references(guest)
    return {v: how for v, how in found.items() if not lab.storage(v.partition(":")[0]).shared}


def _check_targets(call: Call, guest: Guest, target: str, wanted: object) -> Map:
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


def _scan(lab: Lab, guest: Guest, task: Task, *, online: bool, with_disks: bool) -> list[Volume]:
    """Log a VM's local volumes and refuse those that cannot go along."""
    faults: list[str] = []
    found: list[Volume] = []
    for volid, how in sorted(_local(lab, guest).items()):
        task.log(f"found local disk '{volid}' ({how})" if how != "generated" else f"found generated disk '{volid}'")
        storage, name = volume_ids.parse(lab, volid)
        if name.vtype != "images":
            faults.append(f"can't migrate local disk '{volid}': local cdrom image")
        elif name.vmid != guest.vmid:
            faults.append(f"can't migrate local disk '{volid}': owned by other VM (owner = VM {name.vmid})")
        elif online and how == "attached" and not with_disks:
            text = "can't live migrate attached local disks without with-local-disks option"
            faults.append(f"can't migrate local disk '{volid}': {text}")
        elif volume_ids.is_used_base(lab, guest.node, volid):
            faults.append(f"can't migrate local disk '{volid}': referenced by linked clone(s)")
        elif storage.type not in _MIGRATABLE:
            raise refuse(f"can't migrate '{volid}' - storage type '{storage.type}' not supported")
        elif name.base:
            raise refuse(f"can't migrate '{volid}' as it's a clone of '{name.base[1]}'")
        else:
            found.append(volume_ids.find(lab, guest.node, volid))
    if faults:
        for line in faults:
            task.log(line)
        raise refuse("can't migrate VM - check log")
    return found


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


async def _carry_out(
    call: Call, task: Task, prepare: Callable[[Guest, Task], Awaitable[list[Volume]]], to: Map
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


def _check_target(call: Call) -> str:
    node, target = str(call.params["node"]), str(call.params["target"])
    if target == node:
        raise fault(target="target is local node.")
    check_node(call.lab, target)
    return target


def _by_ha(call: Call, sid: str, target: str) -> str | None:
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


@api("POST", "/nodes/{node}/qemu/{vmid}/migrate")
def migrate_vm(call: Call) -> object:
    """Migrate a VM, running or not."""
    params, lab = call.params, call.lab
    target = _check_target(call)
    root_only(call, "force", "migration_type", "migration_network")
    guest = load(lab, str(params["node"]), int(params["vmid"]), "qemu")
    check_lock(guest)
    if guest.status == "running" and not params.get("online"):
        raise refuse("can't migrate running VM without --online")
    to = _check_targets(call, guest, target, params.get("targetstorage"))

    async def prepare(guest: Guest, task: Task) -> list[Volume]:
        online = guest.status == "running"
        if online and not params.get("online"):
            raise refuse("can't migrate running VM without --online")
        devices = [k for k, v in guest.config.items() if re.fullmatch(r"(hostpci|usb)\d+", k) and not _mapped(str(v))]
        if devices:
            raise refuse(f"can't migrate VM which uses local devices: {', '.join(devices)}")
        return _scan(lab, guest, task, online=online, with_disks=bool(params.get("with-local-disks")))

    async def work(task: Task) -> None:
        await _carry_out(call, task, prepare, to)

    return _by_ha(call, f"vm:{guest.vmid}", target) or call.task("qmigrate", guest.vmid, work)


def _mapped(text: str) -> bool:
    device = split(text, "host")
    return "mapping" in device or device.get("host") == "spice"


def _disk_row(lab: Lab, guest: Guest, volid: str) -> dict[str, Any]:
    """Describe a local volume with how the VM refers to it."""
    attached = {slot: drive for slot, drive in drives(guest.config) if drive.get("file") == volid}
    held = [name for name, section in guest.snapshots.items() if volid in _named(guest, section)]
    slot, drive = next(iter(attached.items()), ("", {}))
    volume = lab.volume(volid, guest.node)
    row: dict[str, Any] = {
        "volid": volid,
        "cdrom": int(is_cdrom(drive)),
        "is_attached": int(bool(attached)),
        "is_cloudinit": int(is_cloudinit({"file": volid})),
        "is_tpmstate": int(slot == "tpmstate0"),
        "is_unused": int(not attached and not held),
        "is_vmstate": int("-state-" in volid),
        "replicate": int(drive.get("replicate", "1")),
        "shared": int(drive.get("shared", "0")),
        "size": volume.size if volume else 0,
    }
    if slot:
        row["drivename"] = slot
    return {**row, "referenced_in_snapshot": dict.fromkeys(held, 1)} if held else row


@api("GET", "/nodes/{node}/qemu/{vmid}/migrate")
def precondition(call: Call) -> object:
    """Tell what a migration of a VM would meet."""
    lab, node = call.lab, str(call.params["node"])
    guest = load(lab, node, int(call.params["vmid"]), "qemu")
    check_lock(guest)
    local = _local(lab, guest)
    refused: dict[str, Any] = {}
    for other in (name for name in lab.nodes if name != node):
        missing = sorted({v.partition(":")[0] for v in local if not lab.storages[v.partition(":")[0]].on(other)})
        if missing:
            refused[other] = {"unavailable_storages": missing}
    rows = [_disk_row(lab, guest, volid) for volid in sorted(local)]
    return {
        "running": int(guest.status == "running"),
        "allowed_nodes": [name for name in lab.nodes if name != node and name not in refused],
        "not_allowed_nodes": refused,
        "local_disks": rows,
        "local_resources": [],
        "mapped-resources": [],
        "mapped-resource-info": {},
        "has-dbus-vmstate": 1,
    }


@api("POST", "/nodes/{node}/lxc/{vmid}/migrate")
def migrate_container(call: Call) -> object:
    """Migrate a container; a running one is stopped, moved and started again."""
    params, lab = call.params, call.lab
    target = _check_target(call)
    guest = load(lab, str(params["node"]), int(params["vmid"]), "lxc")
    if guest.status == "running" and not params.get("online") and not params.get("restart"):
        raise refuse("can't migrate running container without --online or --restart")
    to = _check_targets(call, guest, target, params.get("target-storage"))
    again = False

    async def prepare(guest: Guest, task: Task) -> list[Volume]:
        nonlocal again
        if guest.status == "running":
            if params.get("online"):
                raise refuse("lxc live migration is currently not implemented")
            again = True
        local = _local(lab, guest)
        for volid in local:
            lab.storage(to(volid.partition(":")[0]), target)
            if volume_ids.is_used_base(lab, guest.node, volid):
                raise refuse(f"can't migrate volume '{volid}': referenced by linked clone(s)")
        if again:
            task.log(f"shutdown CT {guest.vmid}")
            rest(guest)
        return [volume_ids.find(lab, guest.node, volid) for volid in local]

    async def work(task: Task) -> None:
        from atlas.lab.lxc_power import start_container

        await _carry_out(call, task, prepare, to)
        if again:
            task.log("start container on target node")
            await start_container(lab, target, guest.vmid, task)

    return _by_ha(call, f"ct:{guest.vmid}", target) or call.task("vzmigrate", guest.vmid, work)


@api("GET", "/nodes/{node}/lxc/{vmid}/migrate")
def container_precondition(call: Call) -> object:
    """Tell where a container could go."""
    guest = load(call.lab, str(call.params["node"]), int(call.params["vmid"]), "lxc")
    check_lock(guest)
    others = [name for name in call.lab.nodes if name != guest.node]
    return {"running": int(guest.status == "running"), "allowed-nodes": others, "not-allowed-nodes": {}}
