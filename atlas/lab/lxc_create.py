"""Making containers from archives, and destroying them."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab import lxc_volumes, volume_ids
from atlas.lab.call import Call, Forbidden, api
from atlas.lab.guest_devices import MOUNTS, mount_type, mounts
from atlas.lab.guest_lifecycle import add_ha, join_pool, new_guest
from atlas.lab.guests import check_pool, failure, flock, may_vm, need_vm, refuse, taken
from atlas.lab.lxc_options import Checker, check_storage, kept, os_type
from atlas.lab.lxc_power import start_container
from atlas.lab.qemu_options import check_ssh_keys
from atlas.lab.restore import restore_container
from atlas.lab.tasks import Task
from atlas.lab.volume_access import check_access

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
