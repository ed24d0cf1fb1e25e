"""Making containers from archives, and destroying them."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab import lxc_volumes, volume_ids
from atlas.lab.call import Call, Forbidden, api
from atlas.lab.entities import Guest
from atlas.lab.guest_config import truth
from atlas.lab.guest_devices import MOUNTS, mount_type, mounts
from atlas.lab.guest_lifecycle import DESTROYED, add_ha, destroy_volumes, forget_guest, join_pool, new_guest, purge
from atlas.lab.guests import (
    check_lock,
    check_pool,
    check_protection,
    failure,
    flock,
    load,
    may_vm,
    need_vm,
    refuse,
    taken,
)
from atlas.lab.lxc_options import Checker, check_storage, kept, os_type
from atlas.lab.lxc_power import start_container
from atlas.lab.qemu_machine import rest
from atlas.lab.qemu_options import check_ssh_keys
from atlas.lab.restore import restore_container
from atlas.lab.tasks import Task
from atlas.lab.volume_access import check_access
from atlas.lab.world import Lab

_NOT_OPTIONS = {
    *("node", "vmid", "ignore-unpack-errors", "restore", "unique", "start", "ha-managed", "force", "password"),
    *("ssh-public-keys", "pool", "ostemplate", "storage", "bwlimit", "unprivileged"),
}
UNPACK_SECONDS = 2.0


def _check_create(call: Call, vmid: int, options: dict[str, Any], *, unprivileged: bool) -> None:
    """Refuse a container that the caller may not make, in PVE's order."""
    params, lab = call.params, call.lab
    if not unprivileged:
        call.need("/", "Sys.Modify")
    if params.get("ha-managed"):
        call.need("/", "Sys.Console")
    used = taken(lab, vmid)
    if used and not (params.get("restore") and params.get("force")):
        raise refuse(used)
    if params.get("ssh-public-keys") is not None:
        check_ssh_keys(params["ssh-public-keys"], percent=False)
    pool = params.get("pool")
    check_pool(call, pool)
    if not may_vm(call, vmid, pool, "VM.Allocate"):
        raise Forbidden
    if params.get("start"):
        need_vm(call, vmid, pool, "VM.PowerMgmt")
    Checker(call, vmid, pool, {}, unprivileged=unprivileged).check(options)
    check_access(call, vmid, str(params["ostemplate"]), "backup" if params.get("restore") else "vztmpl")
    _check_mounts(call, options)


def _check_mounts(call: Call, options: dict[str, Any]) -> None:
    node, default = str(call.params["node"]), str(call.params.get("storage") or "local")
    asked = {key: value for key, value in options.items() if key in MOUNTS}
    for key, value in asked.items():
        if re.fullmatch(r"\d+(\.\d+)?", str(value)):
            options[key] = f"{default}:{value}"
    if asked and "rootfs" not in asked:
        raise refuse("mount points configured, but 'rootfs' not set - aborting")
    for _, mount in mounts(options):
        if mount_type(mount.get("volume", "")) == "volume":
            check_storage(call, mount["volume"].partition(":")[0], node)
    # A restore that names no storage puts each volume where it was.
    if "rootfs" not in options and (call.params.get("storage") or not call.params.get("restore")):
        check_storage(call, default, node)


@api("POST", "/nodes/{node}/lxc")
def create(call: Call) -> object:
    """Make a container from an archive."""
    params, lab = call.params, call.lab
    node, vmid = str(params["node"]), int(params["vmid"])
    unprivileged = bool(params.get("unprivileged", 1))
    options = {k: v for k, v in params.items() if k not in _NOT_OPTIONS and not re.fullmatch(r"unused\d+", k)}
    _check_create(call, vmid, options, unprivileged=unprivileged)
    plain = {key: kept(lab, key, value) for key, value in options.items() if key not in MOUNTS}
    if params.get("restore"):
        return restore_container(call, plain)
    if unprivileged:
        plain["unprivileged"] = 1
    what = f"unable to create CT {vmid} - "
    guest = new_guest(lab, node, vmid, "lxc", {"lock": "create"}, what)
    wanted = {key: options[key] for key in options if key in MOUNTS}
    wanted.setdefault("rootfs", f"{params.get('storage') or 'local'}:4")

    async def work(task: Task) -> None:
        made: list[str] = []
        try:
            async with flock(lab, vmid, "lxc"):
                shown, made = await lxc_volumes.make(lab, node, vmid, wanted)
                archive = str(params["ostemplate"])
                volume_ids.find(lab, node, archive)
                task.log(f"extracting archive '{volume_ids.file_path(lab, archive)}'")
                await task.spend(UNPACK_SECONDS)
                guest.config = {**_defaults(vmid, archive), **plain, **shown}
        except BaseException as error:
            died = failure(lab, task, error)
            if died is None:
                raise
            await lxc_volumes.free_all(lab, node, made)
            lab.guests.pop(str(vmid), None)
            raise refuse(what + died.message) from error
        join_pool(lab, vmid, params.get("pool"))
        if params.get("start"):
            await start_container(lab, node, vmid, task)
        if params.get("ha-managed"):
            add_ha(lab, f"ct:{vmid}", started=bool(params.get("start")))

    return call.task("vzcreate", vmid, work)


def _defaults(vmid: int, archive: str) -> dict[str, Any]:
    """Give what a new container has where the call says nothing."""
    return {"arch": "amd64", "ostype": os_type(archive), "hostname": f"CT{vmid}", "memory": 512, "swap": 512}


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
            await task.spend(0.5)
            sections = (guest.config, guest.pending)
            volids = [v for section in sections for v in lxc_volumes.owned_volumes(lab, vmid, section)]
            await destroy_volumes(lab, guest, task, volids, unreferenced=bool(params.get("destroy-unreferenced-disks")))
            guest.config, guest.pending, guest.snapshots = dict(DESTROYED), {}, {}
            await task.spend(0.1)
            if params.get("purge"):
                purge(lab, guest, task, managed=managed)
            forget_guest(lab, guest)

    return call.task("vzdestroy", vmid, work)


def _check_bases(lab: Lab, guest: Guest) -> None:
    """Refuse to destroy a template whose volumes linked clones still need."""
    if not truth(guest.config.get("template")):
        return
    for volid in lxc_volumes.owned_volumes(lab, guest.vmid, guest.config):
        if volume_ids.is_used_base(lab, guest.node, volid):
            raise refuse(f"base volume '{volid.partition(':')[2]}' is still in use by linked clones")
