"""Destroying containers."""

from __future__ import annotations

from atlas.lab import lxc_volumes, volume_ids
from atlas.lab.call import Call, api
from atlas.lab.entities import Guest
from atlas.lab.guest_config import truth
from atlas.lab.guest_lifecycle import destroy_guest
from atlas.lab.guests import check_lock, check_protection, flock, load, refuse
from atlas.lab.qemu_machine import rest
from atlas.lab.tasks import Task
from atlas.lab.world import Lab


def _check_destroy(call: Call, guest: Guest) -> bool:
    """Refuse to destroy a container that is protected, locked or managed; tell whether HA manages it."""
    check_protection(guest, f"can't remove CT {guest.vmid}")
    check_lock(guest)
    managed = f"ct:{guest.vmid}" in call.lab.section("ha/resources")
    if managed and not call.params.get("purge"):
        raise refuse(f"unable to remove CT {guest.vmid} - used in HA resources and purge parameter not set.")
    if guest.status == "running" and not call.params.get("force"):
        raise refuse(f"unable to destroy CT {guest.vmid} - container is running")
    return managed


@api("DELETE", "/nodes/{node}/lxc/{vmid}")
def destroy(call: Call) -> object:
    """Destroy a container with its volumes."""
    params, lab = call.params, call.lab
    node, vmid = str(params["node"]), int(params["vmid"])
    _check_destroy(call, load(lab, node, vmid, "lxc"))

    async def work(task: Task) -> None:
        async with flock(lab, vmid, "lxc"):
            guest = load(lab, node, vmid, "lxc")
            managed = _check_destroy(call, guest)
            if guest.status == "running":
                task.log(f"forced to stop CT {vmid} before destroying!")
                rest(guest)
            _check_bases(lab, guest)
            sections = (guest.config, guest.pending)
            volids = [v for section in sections for v in lxc_volumes.owned_volumes(lab, vmid, section)]
            await destroy_guest(call, guest, task, volids, managed=managed)

    return call.task("vzdestroy", vmid, work)


def _check_bases(lab: Lab, guest: Guest) -> None:
    """Refuse to destroy a template whose volumes linked clones still need."""
    if not truth(guest.config.get("template")):
        return
    for volid in lxc_volumes.owned_volumes(lab, guest.vmid, guest.config):
        if volume_ids.is_used_base(lab, guest.node, volid):
            raise refuse(f"base volume '{volid.partition(':')[2]}' is still in use by linked clones")
