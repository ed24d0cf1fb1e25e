"""Cloning containers: the call locks the source and enters the target, the task copies the volumes."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab import lxc_volumes, volume_ids
from atlas.lab import volume_store as store
from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Guest
from atlas.lab.guest_config import truth
from atlas.lab.guest_devices import MOUNTS, mount_type, parse_mount, print_lxc_net, print_mount, split
from atlas.lab.guest_lifecycle import copy_firewall, join_pool, new_guest
from atlas.lab.guest_tags import mac_prefix
from atlas.lab.guests import check_lock, check_node, check_pool, failure, load, refuse, snapshot_of
from atlas.lab.lxc_options import kept
from atlas.lab.tasks import Task
from atlas.lab.volume_access import check_bridge
from atlas.lab.volumes import copy_seconds

_NOT_COPIED = {"snapshots", "parent", "snaptime", "snapstate", "template", "lock", "digest"}


def _check(call: Call) -> tuple[str | None, str | None]:
    """Refuse a target node or storage that will not do; return both."""
    params, lab = call.params, call.lab
    node = str(params["node"])
    target = params.get("target")
    target = None if target in {node, "localhost"} else target
    if target:
        check_node(lab, target)
    storage_id = params.get("storage")
    if storage_id:
        storage = lab.storage(storage_id, node)
        if target:
            lab.storage(storage_id, target)
            if not storage.shared:
                raise refuse(f"can't clone to non-shared storage '{storage_id}'")
    return target, storage_id


def _mount(call: Call, key: str, text: str, *, full: bool, running: bool, snapshot: str | None) -> dict[str, str]:
    """Refuse a mount point that cannot be cloned; return it."""
    mount = parse_mount(text)
    volid = mount.get("volume", "")
    kind = mount_type(volid)
    if kind != "volume":
        raise refuse(f"unable to clone mountpoint '{key}' (type {kind})")
    storage = call.lab.storage(str(call.params.get("storage") or volid.partition(":")[0]))
    call.need(f"/storage/{storage.id}", "Datastore.AllocateSpace")
    if full and running and not snapshot:
        raise refuse("Full clone of a running container is only possible from a snapshot")
    if not full and not volume_ids.able(call.lab, "clone", volid, snapshot=bool(snapshot), container=True):
        raise refuse(f"Linked clone feature for '{volid}' is not available")
    return mount


def _prepare(call: Call, source: Guest, *, full: bool) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Work out the clone's config and the mount points to make."""
    snapshot, target = call.params.get("snapname"), _check(call)[0]
    if call.params.get("storage") is not None and not full:
        raise refuse("parameter 'storage' not allowed for linked clones")
    section = snapshot_of(source, snapshot) if snapshot else source.config
    running = source.status == "running"
    config: dict[str, Any] = {}
    found: dict[str, dict[str, str]] = {}
    for key in sorted(section):
        if key in _NOT_COPIED or re.fullmatch(r"unused\d+", key):
            continue
        if key in MOUNTS:
            found[key] = _mount(call, key, str(section[key]), full=full, running=running, snapshot=snapshot)
        elif re.fullmatch(r"net\d+", key):
            net = {k: v for k, v in split(str(section[key])).items() if k != "hwaddr"}
            config[key] = print_lxc_net(net, mac_prefix(call.lab))
            check_bridge(call, net)
        else:
            config[key] = section[key]
    used = {str(call.params.get("storage") or m["volume"].partition(":")[0]) for m in found.values()}
    if target and not all(call.lab.storage(name).shared for name in used):
        raise refuse(f"can't clone CT to node '{target}' (CT uses local storage)")
    if call.params.get("hostname"):
        config["hostname"] = call.params["hostname"]
    if call.params.get("description"):
        config["description"] = kept(call.lab, "description", call.params["description"])
    return config, found


@api("POST", "/nodes/{node}/lxc/{vmid}/clone")
def clone(call: Call) -> object:
    """Clone a container or its template."""
    params, lab = call.params, call.lab
    node, vmid, newid = str(params["node"]), int(params["vmid"]), int(params["newid"])
    check_pool(call, params.get("pool"))
    _check(call)
    source = load(lab, node, vmid, "lxc")
    check_lock(source)
    guest = new_guest(lab, node, newid, "lxc", {"lock": "create"}, "")
    full = bool(params["full"]) if "full" in params else not truth(source.config.get("template"))
    try:
        config, found = _prepare(call, source, full=full)
    except PVEError:
        lab.guests.pop(str(newid), None)
        raise
    copy_firewall(lab, vmid, newid)
    source.config["lock"] = "disk"
    guest.config = {**config, "lock": "create"}
    was_running = source.status

    async def work(task: Task) -> None:
        task.log(f"creating a clone of container {vmid} with ID {newid}")
        if source.status != was_running:
            raise refuse("unexpected state change")
        await _carry_out(call, task, source, guest, found, full=full)

    return call.task("vzclone", vmid, work)


async def _carry_out(
    call: Call, task: Task, source: Guest, guest: Guest, found: dict[str, dict[str, str]], *, full: bool
) -> None:
    lab, node, params = call.lab, source.node, call.params
    made: list[str] = []
    try:
        for key, mount in sorted(found.items(), key=lambda item: MOUNTS.index(item[0])):
            volume = volume_ids.find(lab, node, mount["volume"])
            task.log(f"create {'full' if full else 'linked'} clone of mountpoint {key} ({volume.volid})")
            if full:
                storage_id = str(params.get("storage") or volume.storage)
                new = await lxc_volumes.copied(lab, node, volume, storage_id, guest.vmid, params.get("snapname"))
            else:
                new = await store.link(lab, node, volume, guest.vmid, params.get("snapname"))
            made.append(new.volid)
            await task.spend(copy_seconds(volume.size) / 2 if full else 0.3)
            guest.config[key] = print_mount({**mount, "volume": new.volid, "size": str(new.size)})
            lab.store.flush()
        join_pool(lab, guest.vmid, params.get("pool"))
    except BaseException as error:
        died = failure(lab, task, error)
        if died is None:
            raise
        source.config.pop("lock", None)
        for line in await lxc_volumes.free_all(lab, node, made):
            task.log(line)
        lab.section("firewall").pop(f"vm/{guest.vmid}", None)
        lab.guests.pop(str(guest.vmid), None)
        raise refuse(f"clone failed: {died.message}") from error
    source.config.pop("lock", None)
    guest.config.pop("lock", None)
    target = params.get("target")
    if target and target not in {node, "localhost"}:
        guest.node = str(target)
