"""Pausing VMs and letting them go on; keys and the monitor."""

from __future__ import annotations

from atlas.lab.call import Call, api
from atlas.lab.guests import check_lock, check_running, fault, find, flock, load, refuse, root_only
from atlas.lab.qemu_power import start_vm
from atlas.lab.qemu_suspend import prepare
from atlas.lab.tasks import Task

POWER = "/nodes/{node}/qemu/{vmid}/status"


def _here(call: Call) -> tuple[str, int]:
    return str(call.params["node"]), int(call.params["vmid"])


@api("POST", f"{POWER}/suspend")
def suspend(call: Call) -> object:
    """Pause a VM, or save its memory and stop it."""
    root_only(call, "skiplock")
    node, vmid = _here(call)
    to_disk = bool(call.params.get("todisk"))
    if not check_running(call.lab, node, vmid):
        raise refuse(f"VM {vmid} not running")
    if to_disk:
        return prepare(call, load(call.lab, node, vmid, "qemu"))

    async def work(task: Task) -> None:
        async with flock(call.lab, vmid, "qemu"):
            guest = load(call.lab, node, vmid, "qemu")
            if not call.params.get("skiplock"):
                check_lock(guest, "backup")
            await task.spend(0.2)
            await call.lab.backend.suspend(vmid)
            guest.extra["paused"] = True

    return call.task("qmpause", vmid, work)


@api("POST", f"{POWER}/resume")
def resume(call: Call) -> object:
    """Let a paused VM go on, or start one whose memory was saved."""
    root_only(call, "skiplock", "nocheck")
    node, vmid = _here(call)
    guest = find(call.lab, node, vmid, "qemu")
    saved = guest is not None and guest.config.get("lock") == "suspended"
    if not saved and not check_running(call.lab, node, vmid):
        raise refuse(f"VM {vmid} not running")

    async def work(task: Task) -> None:
        if saved:
            await start_vm(call.lab, node, vmid, task)
            return
        async with flock(call.lab, vmid, "qemu"):
            guest = load(call.lab, node, vmid, "qemu")
            await task.spend(0.2)
            await call.lab.backend.resume(vmid)
            guest.extra.pop("paused", None)

    return call.task("qmresume", vmid, work)


@api("PUT", "/nodes/{node}/qemu/{vmid}/sendkey")
def sendkey(call: Call) -> object:
    """Take a key for a VM; there is no screen to see it on."""
    root_only(call, "skiplock")
    node, vmid = _here(call)
    if not check_running(call.lab, node, vmid):
        raise refuse(f"VM {vmid} not running")
    return None


@api("POST", "/nodes/{node}/qemu/{vmid}/monitor")
def monitor(call: Call) -> object:
    """Refuse the monitor of a running VM, and say of a stopped one what PVE says."""
    node, vmid = _here(call)
    guest = load(call.lab, node, vmid, "qemu")
    if guest.status != "running":
        return f"ERROR: VM {vmid} not running\n"
    raise fault(command="the monitor is not modelled by this lab")
