"""Suspending a VM to disk: its memory goes to a volume, its config stays locked until it goes on."""

from __future__ import annotations

from atlas.lab import volume_store as store
from atlas.lab.call import Call
from atlas.lab.entities import Guest, Volume
from atlas.lab.guest_devices import drives, is_cdrom
from atlas.lab.guests import check_lock, flock, load, need_vm, refuse
from atlas.lab.qemu_machine import rest
from atlas.lab.qemu_options import MACHINE_VERSION, memory_mib
from atlas.lab.tasks import Task
from atlas.lab.world import Lab


def state_storage(lab: Lab, guest: Guest) -> str:
    """Choose the storage for a VM's saved memory: its own choice, a shared one of its disks, a local one, `local`."""
    if guest.config.get("vmstatestorage"):
        return str(guest.config["vmstatestorage"])
    used = [d.get("file", "").partition(":")[0] for _, d in drives(guest.config) if not is_cdrom(d)]
    known = sorted({name for name in used if name in lab.storages})
    shared = [name for name in known if lab.storages[name].shared]
    return (shared or known or ["local"])[0]


async def save_state(lab: Lab, guest: Guest, storage_id: str, name: str) -> Volume:
    """Make the volume that a VM's memory is saved to: twice the memory and half a GiB."""
    size = (memory_mib(guest.config.get("memory")) * 2 + 500) * 1024**2
    files = "path" in lab.storage(storage_id).options
    wanted = f"vm-{guest.vmid}-state-{name}" + (".raw" if files else "")
    return await store.allocate(lab, guest.node, storage_id, guest.vmid, size, form="raw", name=wanted)


def prepare(call: Call, guest: Guest) -> str:
    """Check the suspension of a running VM to disk and start its task."""
    lab, vmid = call.lab, guest.vmid
    if f"vm:{vmid}" in lab.section("ha/resources"):
        raise refuse("Cannot suspend HA managed VM to disk")
    need_vm(call, vmid, None, "VM.Config.Disk")
    storage_id = str(call.params.get("statestorage") or state_storage(lab, guest))
    call.need(f"/storage/{storage_id}", "Datastore.AllocateSpace")
    node = guest.node

    async def work(task: Task) -> None:
        async with flock(lab, vmid, "qemu"):
            guest = load(lab, node, vmid, "qemu")
            if not call.params.get("skiplock"):
                check_lock(guest)
            guest.config["lock"] = "suspending"
            state = await save_state(lab, guest, storage_id, "suspend")
            await task.spend(1.0)
            await lab.backend.stop(vmid)
            rest(guest)
            guest.config["lock"] = "suspended"
            guest.config["vmstate"] = state.volid
            guest.config["runningmachine"] = f"pc-i440fx-{MACHINE_VERSION}+pve0"

    return call.task("qmsuspend", vmid, work)
