"""Making VMs from nothing or from images, and destroying them."""

from __future__ import annotations

import re
import uuid
from typing import Any

from atlas.lab import volume_ids
from atlas.lab import volume_store as store
from atlas.lab.call import Call, Forbidden, PVEError, api
from atlas.lab.entities import Entry, Guest
from atlas.lab.guest_config import truth
from atlas.lab.guest_devices import DRIVES, default_boot, drives, is_cdrom, parse_drive
from atlas.lab.guest_tags import check_tags, normal_tags
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
    root_only,
    taken,
)
from atlas.lab.qemu_drives import Creation, check_rights, check_syntax
from atlas.lab.qemu_options import (
    QEMU_VERSION,
    check_balloon,
    check_bridges,
    check_device,
    check_options,
    check_ssh_keys,
    check_vga,
    kept,
    pinned_machine,
    prepare,
)
from atlas.lab.qemu_power import start_vm
from atlas.lab.records import plain
from atlas.lab.tasks import Task
from atlas.lab.world import Lab

_NOT_OPTIONS = {
    *("node", "vmid", "archive", "bwlimit", "force", "pool", "start", "ha-managed", "storage", "unique"),
    *("live-restore", "import-working-storage"),
}
COPY_SECONDS_PER_GIB = 1.0


def copy_seconds(size: int) -> float:
    """Give the time that a node takes to copy so many bytes."""
    return 0.3 + COPY_SECONDS_PER_GIB * size / 1024**3


def join_pool(lab: Lab, vmid: int, pool: str | None) -> None:
    """Put a guest into a pool."""
    if pool is not None and pool in lab.pools:
        lab.pools[pool].vms[str(vmid)] = 1


def _check_create(call: Call, vmid: int, options: dict[str, Any]) -> None:
    """Refuse a VM that the caller may not make, in PVE's order."""
    params = call.params
    pool = params.get("pool")
    if params.get("sshkeys") is not None:
        check_ssh_keys(params["sshkeys"])
    check_pool(call, pool)
    if params.get("storage"):
        call.need(f"/storage/{params['storage']}", "Datastore.AllocateSpace")
    if params.get("ha-managed"):
        call.need("/", "Sys.Console")
    if params.get("start"):
        need_vm(call, vmid, pool, "VM.PowerMgmt")
    if not may_vm(call, vmid, pool, "VM.Allocate"):
        raise Forbidden
    if params.get("archive"):
        return  # what a backup holds was checked when it was made
    check_rights(call, vmid, options, params.get("storage"))
    check_options(call, vmid, pool, options)
    for key in sorted(options):
        check_device(call, vmid, pool, key, str(options[key]))
    check_bridges(call, options)
    check_syntax(call, options)
    check_balloon(options, {}, {})
    prepare(call.lab, options)


def new_guest(lab: Lab, node: str, vmid: int, kind: str, config: dict[str, Any], what: str) -> Guest:
    """Enter a guest, its config locked as the file that is made first.

    Args:
        lab: the world.
        node: where.
        vmid: its number.
        kind: `qemu` or `lxc`.
        config: the first content of the file.
        what: the beginning of the refusal where the number is taken.

    Raises:
        PVEError: the number is taken.
    """
    used = taken(lab, vmid)
    if used:
        raise refuse(f"{what}{used}")
    guest = Guest(vmid, kind, node, config)
    lab.guests[str(vmid)] = guest
    return guest


@api("POST", "/nodes/{node}/qemu")
def create(call: Call) -> object:
    """Make a VM."""
    params, lab = call.params, call.lab
    node, vmid = str(params["node"]), int(params["vmid"])
    options = {key: value for key, value in params.items() if key not in _NOT_OPTIONS}
    if "cdrom" in options:
        options["ide2"] = f"{options.pop('cdrom')},media=cdrom"
    _check_create(call, vmid, options)
    if params.get("archive"):
        from atlas.lab.restore import restore_vm

        return restore_vm(call, options)
    what = f"unable to create VM {vmid} - "
    guest = new_guest(lab, node, vmid, "qemu", {"lock": "create"}, what)

    async def work(task: Task) -> None:
        creation = Creation(lab, call, node, vmid, options, params.get("storage"))
        try:
            async with flock(lab, vmid, "qemu", seconds=1):
                await creation.run(options)
                check_vga(options.get("vga", ""))
                size = sum(v.size for volid in creation.made if (v := lab.volume(volid, node)) and v.extra.get("image"))
                await task.spend(0.2 + (copy_seconds(size) if size else 0))
                for slot, text in creation.options.items():
                    task.log(f"{slot}: successfully created disk '{text}'")
                if "tags" in options:
                    check_tags(call, vmid, None, options["tags"])
                guest.config = _new_config(lab, options, creation.options)
        except BaseException as error:
            died = failure(lab, task, error)
            if died is None:
                raise
            await creation.undo()
            lab.guests.pop(str(vmid), None)
            raise refuse(what + died.message) from error
        join_pool(lab, vmid, params.get("pool"))
        if params.get("ha-managed"):
            add_ha(lab, f"vm:{vmid}", started=bool(params.get("start")))
        if params.get("start"):
            task.log("Execute autostart")
            await start_vm(lab, node, vmid, task)

    return call.task("qmcreate", vmid, work)


def add_ha(lab: Lab, sid: str, *, started: bool) -> None:
    """Let HA manage a guest."""
    lab.section("ha/resources")[sid] = Entry({"sid": sid, "state": "started" if started else "stopped"})


def _new_config(lab: Lab, options: dict[str, Any], made: dict[str, str]) -> dict[str, Any]:
    """Give the config of a new VM: what was asked for, its drives, and what PVE adds by itself."""
    config: dict[str, Any] = {key: kept(key, value) for key, value in {**options, **made}.items()}
    config["meta"] = f"creation-qemu={QEMU_VERSION},ctime={int(lab.clock.now())}"
    if not truth(config.get("boot", "").strip()):
        config["boot"] = default_boot(config) or " "
    config.setdefault("smbios1", f"uuid={uuid.uuid4()}")
    if config.get("vmgenid", "1") == "1":
        config["vmgenid"] = str(uuid.uuid4())
    machine = pinned_machine(config)
    if machine:
        config["machine"] = machine
    if "tags" in config:
        config["tags"] = normal_tags(lab, config["tags"]) or " "
    return config


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


DESTROYED = {"lock": "destroyed"}
"""The config of a guest whose volumes are gone: its number is not free before its other entries are gone, too."""


async def destroy_volumes(lab: Lab, guest: Guest, task: Task, volids: list[str], *, unreferenced: bool) -> None:
    """Free a guest's volumes; what cannot be freed only warns.

    Args:
        lab: the world.
        guest: the guest.
        task: its task, for warnings.
        volids: what its config names.
        unreferenced: also what no config names but bears its number.
    """
    more = [v.volid for v in volume_ids.owned(lab, guest.node, guest.vmid)] if unreferenced else []
    for volid in dict.fromkeys([*volids, *more]):
        try:
            await store.free(lab, guest.node, volid)
        except PVEError as error:
            task.warn(f"Could not remove disk '{volid}', check manually: {error.message}")


def copy_firewall(lab: Lab, source: int, target: int) -> None:
    """Give a clone the firewall configuration of its source."""
    entry = lab.section("firewall").get(f"vm/{source}")
    if entry is not None:
        lab.section("firewall")[f"vm/{target}"] = Entry(plain(entry.data))


def forget_guest(lab: Lab, guest: Guest) -> None:
    """Remove what bears a guest's number: its firewall, ACL and pool entries, in the end its config."""
    vmid = str(guest.vmid)
    for pool in lab.pools.values():
        pool.vms.pop(vmid, None)
    lab.acl.pop(f"/vms/{vmid}", None)
    lab.section("firewall").pop(f"vm/{vmid}", None)
    lab.guests.pop(vmid, None)


def _leave_backup_jobs(lab: Lab, vmid: str) -> None:
    """Take a guest out of backup jobs; a job that was for it alone goes."""
    jobs = lab.section("backup")
    for key, entry in list(jobs.items()):
        listed = [each for each in str(entry.data.get("vmid") or "").split(",") if each]
        if vmid in listed:
            listed.remove(vmid)
            if listed:
                entry.data["vmid"] = ",".join(listed)
            else:
                del jobs[key]


def purge(lab: Lab, guest: Guest, task: Task, *, managed: bool) -> None:
    """Remove a guest from backup jobs, replication and HA."""
    word, kind = ("VM", "vm") if guest.kind == "qemu" else ("CT", "ct")
    task.log(f"purging {word} {guest.vmid} from related configurations..")
    _leave_backup_jobs(lab, str(guest.vmid))
    for key in [k for k, e in lab.section("replication").items() if str(e.data.get("guest")) == str(guest.vmid)]:
        del lab.section("replication")[key]
    if managed:
        lab.section("ha/resources").pop(f"{kind}:{guest.vmid}", None)
        task.log(f"NOTE: removed {word} {guest.vmid} from HA resource configuration.")


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
            await task.spend(0.5)
            volids = _own_volumes(lab, guest)
            await destroy_volumes(lab, guest, task, volids, unreferenced=bool(params.get("destroy-unreferenced-disks")))
            guest.config, guest.pending, guest.snapshots = dict(DESTROYED), {}, {}
            await task.spend(0.1)
            if params.get("purge"):
                purge(lab, guest, task, managed=managed)
            forget_guest(lab, guest)

    return call.task("qmdestroy", vmid, work)


def _check_bases(lab: Lab, guest: Guest) -> None:
    """Refuse to destroy a template whose disks linked clones still need."""
    if not truth(guest.config.get("template")):
        return
    for _, drive in drives(guest.config):
        volid = drive.get("file", "")
        if not is_cdrom(drive) and volume_ids.split_volid(volid) and volume_ids.is_used_base(lab, guest.node, volid):
            raise refuse(f"base volume '{volid}' is still in use by linked cloned")
