"""Destroying VMs."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab import volume_ids
from atlas.lab.call import Call, api
from atlas.lab.entities import Guest
from atlas.lab.guest_config import truth
from atlas.lab.guest_devices import DRIVES, drives, is_cdrom, parse_drive
from atlas.lab.guest_lifecycle import destroy_guest
from atlas.lab.guests import check_lock, check_protection, flock, load, refuse, root_only
from atlas.lab.tasks import Task
from atlas.lab.world import Lab


def _check_destroy(call: Call, guest: Guest) -> bool:
    """Refuse to destroy a VM that is protected, managed or running; tell whether HA manages it."""
    vmid = guest.vmid
    check_protection(guest, f"can't remove VM {vmid}")
    managed = f"vm:{vmid}" in call.lab.section("ha/resources")
    if managed and not call.params.get("purge"):
        raise refuse(f"unable to remove VM {vmid} - used in HA resources and purge parameter not set.")
    if guest.status == "running":
        raise refuse(f"VM {vmid} is running - destroy failed")
    return managed


def _own_volumes(lab: Lab, guest: Guest) -> list[str]:
    """List the volumes that a VM's config, snapshots and pending changes name and that belong to it."""
    found: list[str] = []
    sections: list[dict[str, Any]] = [guest.config, guest.pending]
    sections += [{"vmstate": s["vmstate"]} for s in guest.snapshots.values() if "vmstate" in s]
    for section in sections:
        keys = [k for k in section if k in DRIVES or re.fullmatch(r"unused\d+|vmstate", k)]
        for key in keys:
            drive = parse_drive(str(section[key]))
            volid = drive.get("file", "")
            if not is_cdrom(drive, cloudinit_counts=False) and volume_ids.owner(lab, volid) == guest.vmid:
                found.append(volid)
    return list(dict.fromkeys(found))


@api("DELETE", "/nodes/{node}/qemu/{vmid}")
def destroy(call: Call) -> object:
    """Destroy a VM with its volumes."""
    root_only(call, "skiplock")
    params, lab = call.params, call.lab
    node, vmid = str(params["node"]), int(params["vmid"])
    _check_destroy(call, load(lab, node, vmid, "qemu"))

    async def work(task: Task) -> None:
        async with flock(lab, vmid, "qemu"):
            guest = load(lab, node, vmid, "qemu")
            managed = _check_destroy(call, guest)
            if not params.get("skiplock"):
                check_lock(guest, "suspended")
            _check_bases(lab, guest)
            volids = _own_volumes(lab, guest)
            await destroy_guest(call, guest, task, volids, managed=managed)

    return call.task("qmdestroy", vmid, work)


def _check_bases(lab: Lab, guest: Guest) -> None:
    """Refuse to destroy a template whose disks linked clones still need."""
    if not truth(guest.config.get("template")):
        return
    for _, drive in drives(guest.config):
        volid = drive.get("file", "")
        if not is_cdrom(drive) and volume_ids.split_volid(volid) and volume_ids.is_used_base(lab, guest.node, volid):
            raise refuse(f"base volume '{volid}' is still in use by linked cloned")
