"""The cloud-init calls of VMs: what changed since the drive was written, writing it anew, the texts."""

from __future__ import annotations

from typing import Any

from atlas.lab import cloudinit, qemu_pending
from atlas.lab.call import Call, api
from atlas.lab.guests import check_lock, flock, load, this_guest
from atlas.lab.qemu_machine import resolver
from atlas.lab.qemu_rules import CLOUDINIT_OPTIONS

VM = "/nodes/{node}/qemu/{vmid}"


@api("GET", f"{VM}/cloudinit")
def cloudinit_pending(call: Call) -> object:
    """List the cloud-init options with what the drive was written with."""
    guest = this_guest(call)
    known = guest.extra.get("cloudinit") or {"was": {}, "added": {}}
    stars = {"cipassword": "**********"}
    config, was = guest.config, known["was"]
    rows: list[dict[str, Any]] = [{"key": key, "pending": stars.get(key, config.get(key))} for key in known["added"]]
    for key in sorted(CLOUDINIT_OPTIONS):
        if config.get(key) and key not in known["added"]:
            value = stars.get(key, config[key])
            changed = {"value": stars.get(key, was[key]), "pending": value} if key in was else {"value": value}
            rows.append({"key": key, **changed})
    return rows + [{"key": key, "delete": 1} for key in was if not config.get(key)]


@api("PUT", f"{VM}/cloudinit")
async def cloudinit_update(call: Call) -> object:
    """Write the cloud-init drive anew."""
    vmid, node = int(call.params["vmid"]), str(call.params["node"])
    async with flock(call.lab, vmid, "qemu"):
        guest = load(call.lab, node, vmid, "qemu")
        check_lock(guest)
        qemu_pending.cloudinit_written(guest)
    return None


@api("GET", f"{VM}/cloudinit/dump")
def cloudinit_dump(call: Call) -> object:
    """Write one of the cloud-init texts."""
    guest = this_guest(call)
    hide = not call.may(f"/vms/{guest.vmid}", "VM.Config.Cloudinit")
    part = str(call.params["type"])
    return cloudinit.dump(guest.config, guest.vmid, part, resolver(call.lab, guest.node), hide_password=hide)
