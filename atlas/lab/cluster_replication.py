"""cluster/replication: which guest's volumes are copied to which node; the jobs run when they are told to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry, Guest
from atlas.lab.guest_devices import split
from atlas.lab.sections import change, check_digest, settings, table_digest

_ITEM = "/cluster/replication/{id}"
_VOLUMES = {"qemu": re.compile(r"(scsi|virtio|sata|ide|efidisk|tpmstate)\d+"), "lxc": re.compile(r"rootfs|mp\d+")}


def _vmid(call: Call) -> str:
    """Return the guest of a job, whose replication the caller may change; the job's name begins with it."""
    vmid = str(call.params["id"]).partition("-")[0]
    call.need(f"/vms/{vmid}", "VM.Replicate")
    return vmid


def _must_replicate(call: Call, guest: Guest) -> None:
    """Refuse a guest that has no volume to copy, or one that cannot be copied: only ZFS can."""
    found = False
    for key, value in guest.config.items():
        storage = call.lab.storages.get(str(value).partition(":")[0])
        if not _VOLUMES[guest.kind].fullmatch(key) or storage is None or storage.shared:
            continue
        options = split(str(value))
        if options.get("media") == "cdrom" or options.get("replicate") == "0":
            continue
        if storage.type != "zfspool":
            raise PVEError(500, f"missing replicate feature on volume '{str(value).partition(',')[0]}'")
        found = True
    if not found:
        raise PVEError(500, "No replicatable volumes found")


def _must_be_unique(table: Mapping[str, Entry], name: str, vmid: str, target: str) -> None:
    if name in table:
        raise PVEError(500, f"replication job '{name}' already exists")
    if any(str(e.data["guest"]) == vmid and e.data["target"] == target for e in table.values()):
        raise PVEError(500, f"replication job for guest '{vmid}' to target 'local/{target}' already exists")


@api("GET", "/cluster/replication")
def replications(call: Call) -> list[dict[str, Any]]:
    """List the replication jobs of guests that the caller may see."""
    table = call.lab.section("replication")
    rows = [{"id": name, **table[name].data} for name in sorted(table)]
    return [row for row in rows if call.may(f"/vms/{row['guest']}", "VM.Audit")]


@api("POST", "/cluster/replication")
def create(call: Call) -> None:
    """Make a replication job."""
    vmid, lab, params = _vmid(call), call.lab, call.params
    if vmid not in lab.guests:
        raise PVEError(500, f"Guest '{vmid}' does not exist.")
    if params["target"] not in lab.nodes:
        raise PVEError(500, f"Target '{params['target']}' does not exist.")
    guest = lab.guests[vmid]
    if params.get("source", guest.node) != guest.node:
        raise PVEError(500, f"Source '{params['source']}' does not match current node of guest '{vmid}' ({guest.node})")
    if params["target"] == guest.node:
        raise PVEError(500, "Source and target must not be identical")
    _must_replicate(call, guest)
    table, name = lab.section("replication"), params["id"]
    _must_be_unique(table, name, vmid, params["target"])
    data = {"guest": int(vmid), "jobnum": int(name.partition("-")[2]), "source": guest.node}
    table[name] = Entry({**data, **settings(params, "id")})


@api("GET", _ITEM)
def read(call: Call) -> dict[str, Any]:
    """Return a replication job."""
    table, name = call.lab.section("replication"), call.params["id"]
    if name not in table:
        raise PVEError(500, f"no such replication job '{name}'")
    call.need(f"/vms/{table[name].data['guest']}", "VM.Audit")
    return {"id": name, **table[name].data, "digest": table_digest(table)}


@api("PUT", _ITEM)
def update(call: Call) -> None:
    """Change a replication job."""
    _vmid(call)
    table, name = call.lab.section("replication"), call.params["id"]
    check_digest(call.params, table_digest(table))
    if name not in table:
        raise PVEError(500, f"no such job '{name}'")
    change(table[name].data, call.params, "id")


@api("DELETE", _ITEM)
def delete(call: Call) -> None:
    """Remove a replication job; the copies, records alone, go with it."""
    _vmid(call)
    table, name = call.lab.section("replication"), call.params["id"]
    if call.params.get("force"):
        if call.params.get("keep"):
            raise PVEError(400, errors={"keep": "conflicts with parameter 'force'"})
    elif name not in table:
        raise PVEError(500, f"no such job '{name}'")
    table.pop(name, None)
