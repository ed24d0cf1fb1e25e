"""Making VMs from nothing or from images."""

from __future__ import annotations

import uuid
from typing import Any

from atlas.lab.call import Call, Forbidden, api
from atlas.lab.guest_config import truth
from atlas.lab.guest_devices import default_boot
from atlas.lab.guest_lifecycle import add_ha, join_pool, new_guest
from atlas.lab.guest_tags import check_tags, normal_tags
from atlas.lab.guests import check_pool, failure, flock, may_vm, need_vm, refuse
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
from atlas.lab.restore import restore_vm
from atlas.lab.tasks import Task
from atlas.lab.volumes import copy_seconds
from atlas.lab.world import Lab

_NOT_OPTIONS = {
    *("node", "vmid", "archive", "bwlimit", "force", "pool", "start", "ha-managed", "storage", "unique"),
    *("live-restore", "import-working-storage"),
}


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


def _new_config(lab: Lab, options: dict[str, Any], made: dict[str, str]) -> dict[str, Any]:
    """Give the config of a new VM: what was asked for, its drives, and what PVE adds by itself."""
    config: dict[str, Any] = {key: kept(key, value) for key, value in {**options, **made}.items()}
    if not config.get("description"):
        config.pop("description", None)
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
