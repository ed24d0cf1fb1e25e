"""Migrating VMs, running or not, and telling beforehand what a migration would meet."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab import volume_ids
from atlas.lab.call import Call, api
from atlas.lab.entities import Guest, Volume
from atlas.lab.guest_devices import drives, is_cdrom, is_cloudinit, split
from atlas.lab.guests import check_lock, load, refuse, root_only
from atlas.lab.migration import by_ha, carry_out, check_target, check_targets, local_references, named_volumes
from atlas.lab.tasks import Task
from atlas.lab.world import Lab

_MIGRATABLE = {"dir", "btrfs", "zfspool", "lvmthin", "lvm"}


def _scan(lab: Lab, guest: Guest, task: Task, *, online: bool, with_disks: bool) -> list[Volume]:
    """Log a VM's local volumes and refuse those that cannot go along."""
    faults: list[str] = []
    found: list[Volume] = []
    for volid, how in sorted(local_references(lab, guest).items()):
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


@api("POST", "/nodes/{node}/qemu/{vmid}/migrate")
def migrate_vm(call: Call) -> object:
    """Migrate a VM, running or not."""
    params, lab = call.params, call.lab
    target = check_target(call)
    root_only(call, "force", "migration_type", "migration_network")
    guest = load(lab, str(params["node"]), int(params["vmid"]), "qemu")
    check_lock(guest)
    if guest.status == "running" and not params.get("online"):
        raise refuse("can't migrate running VM without --online")
    to = check_targets(call, guest, target, params.get("targetstorage"))

    async def prepare(guest: Guest, task: Task) -> list[Volume]:
        online = guest.status == "running"
        if online and not params.get("online"):
            raise refuse("can't migrate running VM without --online")
        devices = [k for k, v in guest.config.items() if re.fullmatch(r"(hostpci|usb)\d+", k) and not _mapped(str(v))]
        if devices:
            raise refuse(f"can't migrate VM which uses local devices: {', '.join(devices)}")
        return _scan(lab, guest, task, online=online, with_disks=bool(params.get("with-local-disks")))

    async def work(task: Task) -> None:
        await carry_out(call, task, prepare, to)

    return by_ha(call, f"vm:{guest.vmid}", target) or call.task("qmigrate", guest.vmid, work)


def _mapped(text: str) -> bool:
    device = split(text, "host")
    return "mapping" in device or device.get("host") == "spice"


def _disk_row(lab: Lab, guest: Guest, volid: str) -> dict[str, Any]:
    """Describe a local volume with how the VM refers to it."""
    attached = {slot: drive for slot, drive in drives(guest.config) if drive.get("file") == volid}
    held = [name for name, section in guest.snapshots.items() if volid in named_volumes(guest, section)]
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
    local = local_references(lab, guest)
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
