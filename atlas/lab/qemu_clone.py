"""Cloning VMs, in the steps that a real node takes: lock, temporary file, drive by drive, unlock, move, pool."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

from atlas.lab import volume_ids
from atlas.lab import volume_store as store
from atlas.lab.call import Call, api
from atlas.lab.entities import Guest, Volume
from atlas.lab.guest_config import truth
from atlas.lab.guest_devices import (
    DRIVES,
    is_cdrom,
    is_cloudinit,
    join,
    parse_drive,
    parse_net,
    print_drive,
    print_net,
    split,
)
from atlas.lab.guest_lifecycle import copy_firewall, join_pool
from atlas.lab.guest_tags import mac_prefix
from atlas.lab.guests import (
    check_lock,
    check_node,
    check_pool,
    check_running,
    failure,
    fault,
    flock,
    load,
    refuse,
    snapshot_of,
)
from atlas.lab.qemu_drives import release
from atlas.lab.qemu_options import check_bridges
from atlas.lab.tasks import Task
from atlas.lab.volumes import CLOUDINIT_BYTES, FILE_TYPES, copy_seconds
from atlas.lab.world import Lab

LINK_SECONDS = 0.4
_NOT_COPIED = {
    *("snapshots", "parent", "snaptime", "vmstate", "snapstate", "runningcpu", "runningmachine"),
    *("running-nets-host-mtu", "template", "digest", "lock"),
}


@dataclass
class Plan:
    """What a clone will do, worked out from the source as it is now.

    Args:
        config: the clone's config without its drives.
        drives: the drives to make, by slot.
        full: the slots that are copied whole.
        name: the source's own name.
        node: where the source is.
        running: whether it runs.
    """

    config: dict[str, Any]
    drives: dict[str, dict[str, str]]
    full: set[str]
    name: str
    node: str
    running: bool


def _check_storage(call: Call, storage_id: str, node: str, target: str | None) -> None:
    storage = call.lab.storage(storage_id, node)
    if "images" not in storage.content:
        raise fault(storage=f"storage '{storage_id}' does not support vm images")
    if target:
        call.lab.storage(storage_id, target)
        if not storage.shared:
            raise refuse(f"can't clone to non-shared storage '{storage_id}'")


def _check_access(call: Call, config: dict[str, Any], storage_id: str | None) -> bool:
    """Refuse storages that the caller may not use; tell whether every volume is on a shared one."""
    shared = True
    for slot in (slot for slot in DRIVES if slot in config):
        drive = parse_drive(str(config[slot]))
        volid = drive.get("file", "none")
        if volid == "none":
            continue
        if is_cdrom(drive) and volid == "cdrom":
            call.need("/", "Sys.Console")
            continue
        source = call.lab.storage(volid.partition(":")[0])
        shared = shared and source.shared
        if not is_cdrom(drive):
            call.need(f"/storage/{storage_id or source.id}", "Datastore.AllocateSpace")
    return shared


def _plan(call: Call, *, was_running: bool | None = None) -> Plan:
    """Work out a clone, refusing what PVE refuses, in its order."""
    params, lab = call.params, call.lab
    node, vmid, newid = str(params["node"]), int(params["vmid"]), int(params["newid"])
    target = params.get("target")
    target = None if target in {node, "localhost"} else target
    running = check_running(lab, node, vmid)
    check_pool(call, params.get("pool"))
    if target:
        check_node(lab, str(target))
    storage, snapshot = params.get("storage"), params.get("snapname")
    if storage:
        _check_storage(call, str(storage), node, target)
    guest = load(lab, node, vmid, "qemu")
    check_lock(guest)
    if was_running is not None and was_running != running:
        raise refuse("unexpected state change")
    section = snapshot_of(guest, snapshot) if snapshot else guest.config
    full = bool(params["full"]) if "full" in params else not truth(guest.config.get("template"))
    for name in ("storage", "format"):
        if params.get(name) is not None and not full:
            raise refuse(f"parameter '{name}' not allowed for linked clones")
    config = dict(section)
    shared = _check_access(call, config, storage)
    check_bridges(call, config)
    if target and not shared:
        raise refuse(f"can't clone VM to node '{target}' (VM uses local storage)")
    _check_free(lab, newid, node)
    return _sorted_out(lab, config, running=running, full=full, node=node, vmid=vmid, snapshot=snapshot)


def _check_free(lab: Lab, newid: int, node: str) -> None:
    """Refuse an id that a VM on this very node has; others are found out by the task."""
    other = lab.guests.get(str(newid))
    if other is not None and other.kind == "qemu" and other.node == node:
        raise refuse(f"unable to create VM {newid}: config file already exists")


def _sorted_out(
    lab: Lab, config: dict[str, Any], *, running: bool, full: bool, node: str, vmid: int, snapshot: str | None
) -> Plan:
    plan = Plan({}, {}, set(), str(config.get("name", vmid)), node, running)
    for key in sorted(config):
        if key in _NOT_COPIED or re.fullmatch(r"unused\d+", key):
            continue
        value = config[key]
        if full and running and not snapshot and key == "tpmstate0":
            raise refuse("cannot clone TPM state while VM is running")
        if re.fullmatch(r"net\d+", key):
            plan.config[key] = print_net({**parse_net(str(value)), "macaddr": ""}, mac_prefix(lab))
        elif key not in DRIVES or is_cdrom(parse_drive(str(value)), cloudinit_counts=False):
            plan.config[key] = value
        else:
            _take_drive(lab, plan, key, parse_drive(str(value)), full=full, snapshot=snapshot)
    return plan


def _take_drive(lab: Lab, plan: Plan, slot: str, drive: dict[str, str], *, full: bool, snapshot: str | None) -> None:
    volid = drive.get("file", "")
    what = f"clone feature is not supported for{' a snapshot of' if snapshot else ''} '{volid}' ({slot})"
    copied = full or is_cloudinit(drive) or slot == "tpmstate0"
    if not volume_ids.able(lab, "copy" if copied else "clone", volid, snapshot=bool(snapshot)):
        raise refuse(f"{'Full' if copied else 'Linked'} {what}")
    if copied:
        plan.full.add(slot)
    plan.drives[slot] = drive


def _identity(plan: Plan, call: Call) -> None:
    """Give the clone an identity and texts of its own."""
    config = plan.config
    smbios = split(str(config.get("smbios1", "")))
    config["smbios1"] = join({**smbios, "uuid": str(uuid.uuid4())})
    if config.get("vmgenid"):
        config["vmgenid"] = str(uuid.uuid4())
    config["name"] = call.params.get("name") or f"Copy-of-VM-{plan.name}"
    if call.params.get("description"):
        config["description"] = str(call.params["description"]).rstrip()


async def _clone_drive(call: Call, task: Task, plan: Plan, slot: str, made: list[str]) -> str:
    """Make one drive of the clone and return it as the config gets it."""
    lab, node, params = call.lab, plan.node, call.params
    drive, newid = plan.drives[slot], int(params["newid"])
    source = volume_ids.find(lab, node, drive["file"])
    full = slot in plan.full
    task.log(f"create {'full' if full else 'linked'} clone of drive {slot} ({source.volid})")
    if not full:
        volume = await store.link(lab, node, source, newid, params.get("snapname"))
        made.append(volume.volid)
        await task.spend(LINK_SECONDS)
    else:
        volume = await _copy(call, source, str(params.get("storage") or source.storage), newid, drive)
        made.append(volume.volid)
        if not is_cloudinit(drive):
            await _transfer(task, source.size)
    kept = {key: value for key, value in drive.items() if key != "format"}
    return print_drive({**kept, "file": volume.volid, "size": str(volume.size)})


async def _copy(call: Call, source: Volume, storage_id: str, newid: int, drive: dict[str, str]) -> Volume:
    lab, node, form = call.lab, str(call.params["node"]), call.params.get("format")
    if not is_cloudinit(drive):
        return await store.copy(lab, node, source, storage_id, newid, form=form, snapshot=call.params.get("snapname"))
    files = lab.storage(storage_id, node).type in FILE_TYPES
    form = (form or source.format) if files else "raw"
    name = f"vm-{newid}-cloudinit" + (f".{form}" if files else "")
    return await store.allocate(lab, node, storage_id, newid, CLOUDINIT_BYTES, form=form, name=name)


async def _transfer(task: Task, size: int) -> None:
    """Let the time of a copy pass, with the percentages that the log shows."""
    gib = size / 1024**3
    for percent in (25, 50, 75, 100):
        line = f"transferred {gib * percent / 100:.1f} GiB of {gib:.1f} GiB ({percent:.2f}%)"
        await task.spend(copy_seconds(size) / 4)
        task.log(line)


def _temporary(lab: Lab, node: str, newid: int) -> Guest:
    """Make the clone's first config file; it fails where a guest of that number is anywhere in the cluster."""
    if str(newid) in lab.guests:
        path = f"/etc/pve/nodes/{node}/qemu-server/{newid}.conf"
        raise refuse(f"close (rename) atomic file '{path}' failed: File exists")
    guest = Guest(newid, "qemu", node, {"lock": "clone", "description": " qmclone temporary file"})
    lab.guests[str(newid)] = guest
    return guest


async def _carry_out(call: Call, task: Task, plan: Plan) -> None:
    lab, params = call.lab, call.params
    newid = int(params["newid"])
    task.log(f"creating a clone of VM {params['vmid']} with ID {newid}")
    _identity(plan, call)
    guest = _temporary(lab, plan.node, newid)
    copy_firewall(lab, int(params["vmid"]), newid)
    made: list[str] = []
    try:
        config = {**plan.config, "lock": "clone"}
        await task.spend(0.05)
        for slot in sorted(plan.drives):
            config[slot] = await _clone_drive(call, task, plan, slot, made)
            guest.config = dict(config)
            lab.store.flush()
        config.pop("lock")
        guest.config = config
        lab.store.flush()
        target = params.get("target")
        if target and target not in {plan.node, "localhost"}:
            guest.node = str(target)
        join_pool(lab, newid, params.get("pool"))
    except BaseException as error:
        died = failure(lab, task, error)
        if died is None:
            raise
        for line in await release(lab, plan.node, made):
            task.log(line)
        lab.section("firewall").pop(f"vm/{newid}", None)
        lab.guests.pop(str(newid), None)
        raise refuse(f"clone failed: {died.message}") from error


@api("POST", "/nodes/{node}/qemu/{vmid}/clone")
def clone(call: Call) -> object:
    """Clone a VM or template."""
    first = _plan(call)
    vmid, newid = int(call.params["vmid"]), int(call.params["newid"])

    async def work(task: Task) -> None:
        async with (
            flock(call.lab, vmid, "qemu", shared=not first.running, seconds=1),
            flock(call.lab, newid, "qemu", seconds=1),
        ):
            await _carry_out(call, task, _plan(call, was_running=first.running))

    return call.task("qmclone", vmid, work)
