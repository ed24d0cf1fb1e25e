"""Starting, stopping and pausing VMs."""

from __future__ import annotations

from atlas.lab import qemu_pending
from atlas.lab.backend import BackendError
from atlas.lab.call import Call, api
from atlas.lab.entities import Guest
from atlas.lab.guest_config import truth
from atlas.lab.guests import check_lock, check_running, find, flock, load, refuse, root_only
from atlas.lab.qemu_bridges import check_plugs
from atlas.lab.qemu_cleanup import clean_up_after
from atlas.lab.qemu_machine import agent_enabled, machine, rest, wake
from atlas.lab.qemu_rules import ROOT_ONLY_AT_START
from atlas.lab.tasks import Task
from atlas.lab.volume_store import free
from atlas.lab.world import Lab

POWER = "/nodes/{node}/qemu/{vmid}/status"
START_SECONDS, STOP_SECONDS, SHUTDOWN_SECONDS = 1.0, 0.5, 3.0


def _here(call: Call) -> tuple[str, int]:
    return str(call.params["node"]), int(call.params["vmid"])


def ha_request(call: Call, kind: str, state: str, sid: str) -> str | None:
    """Hand a guest that HA manages to the HA manager; it acts on the request by itself.

    Args:
        call: the call.
        kind: of the task: `hastart` or `hastop`.
        state: what is asked for.
        sid: such as `vm:100`.

    Returns:
        The UPID, or None for a guest that HA does not manage.
    """
    entry = call.lab.section("ha/resources").get(sid)
    if entry is None:
        return None
    data = entry.data

    async def work(task: Task) -> None:
        task.log(f"Requesting HA {kind.removeprefix('ha')} for {sid.partition(':')[0].upper()} {sid.partition(':')[2]}")
        data["state"] = state

    return call.task(kind, sid.partition(":")[2], work)


async def start_vm(lab: Lab, node: str, vmid: int, task: Task, *, skiplock: bool = False) -> None:
    """Start a VM: apply what is pending, write the cloud-init data, power on.

    Args:
        lab: the world.
        node: where it should be.
        vmid: the VM.
        task: whose time it takes.
        skiplock: do not mind a lock of its config.

    Raises:
        PVEError: not there, a template, locked, running, or it does not come up.
    """
    async with flock(lab, vmid, "qemu"):
        guest = load(lab, node, vmid, "qemu")
        if truth(guest.config.get("template")):
            raise refuse("you can't start a vm if it's a template")
        resuming = guest.config.get("lock") == "suspended"
        if not skiplock and not resuming:
            check_lock(guest)
        if guest.status == "running":
            raise refuse(f"VM {vmid} already running")
        _check_processors(lab, guest)
        state = guest.config.get("vmstate")
        if not resuming:
            await qemu_pending.apply_stopped(lab, guest)
        check_plugs(lab, guest, task)
        await task.spend(START_SECONDS)
        await _power_on(lab, guest)
        if resuming and state:
            task.log("Resuming suspended VM")
            await free(lab, node, str(state))
        for key in ("vmstate", "runningmachine", "runningcpu", *(["lock"] if resuming else [])):
            guest.config.pop(key, None)


def _check_processors(lab: Lab, guest: Guest) -> None:
    most = lab.nodes[guest.node].cores
    count = int(guest.config.get("sockets", 1)) * int(guest.config.get("cores", 1))
    if count > most:
        raise refuse(f"MAX {most} vcpus allowed per VM on this node")


async def _power_on(lab: Lab, guest: Guest, snapshot: str | None = None) -> None:
    qemu_pending.cloudinit_written(guest)
    try:
        await lab.backend.start(machine(lab, guest), snapshot)
    except BackendError as error:
        raise refuse(f"start failed: {error}") from error
    wake(lab, guest)


async def go_on(lab: Lab, guest: Guest, snapshot: str, task: Task) -> None:
    """Let a VM go on from the memory that a snapshot saved."""
    await task.spend(START_SECONDS)
    await _power_on(lab, guest, snapshot)


async def stop_vm(
    lab: Lab,
    guest: Guest,
    task: Task,
    *,
    shutdown: bool,
    timeout: float | None = None,
    force: bool = False,
) -> None:
    """Stop a VM if it runs.

    Args:
        lab: the world.
        guest: the VM.
        task: whose time it takes.
        shutdown: ask the system in it, instead of cutting the power.
        timeout: seconds that it may take; a minute if left out.
        force: cut the power when the time is over.

    Raises:
        PVEError: it did not stop in time.
    """
    if guest.status != "running":
        return
    if not shutdown:
        await task.spend(STOP_SECONDS)
        await lab.backend.stop(guest.vmid)
    else:
        await task.spend(min(SHUTDOWN_SECONDS, timeout or 60))
        # With an agent PVE asks that alone, and ACPI only without one.
        deaf = guest.vmid in lab.silent and agent_enabled(guest.config)
        if deaf or not await lab.backend.shutdown(guest.vmid, 60 if timeout is None else timeout):
            if not force:
                raise refuse("VM quit/powerdown failed - got timeout")
            task.log("VM still running - terminating now with SIGTERM")
            await lab.backend.stop(guest.vmid)
    rest(guest)
    await qemu_pending.apply_stopped(lab, guest)


@api("POST", f"{POWER}/start")
def start(call: Call) -> object:
    """Start a VM."""
    root_only(call, *ROOT_ONLY_AT_START, "force-cpu", "with-conntrack-state", "nets-host-mtu")
    node, vmid = _here(call)
    skiplock = bool(call.params.get("skiplock"))

    async def work(task: Task) -> None:
        await start_vm(call.lab, node, vmid, task, skiplock=skiplock)

    return ha_request(call, "hastart", "started", f"vm:{vmid}") or call.task("qmstart", vmid, work)


@api("POST", f"{POWER}/stop")
def stop(call: Call) -> object:
    """Cut a VM's power."""
    root_only(call, "skiplock", "keepActive", "migratedfrom")
    node, vmid = _here(call)

    async def work(task: Task) -> None:
        if call.params.get("overrule-shutdown"):
            _abort(call.lab, task, "qmshutdown")
        check_running(call.lab, node, vmid)
        async with flock(call.lab, vmid, "qemu"):
            guest = load(call.lab, node, vmid, "qemu")
            if guest.status == "running" and not call.params.get("skiplock"):
                check_lock(guest)
            await stop_vm(call.lab, guest, task, shutdown=False)
        clean_up_after(call.lab, vmid)

    return ha_request(call, "hastop", "stopped", f"vm:{vmid}") or call.task("qmstop", vmid, work)


def _abort(lab: Lab, task: Task, kind: str) -> None:
    """Interrupt the tasks of a kind that still work on the same guest."""
    found = [r for r in lab.tasks.records.values() if r.kind == kind and r.id == task.id and r.endtime is None]
    for record in found:
        lab.tasks.stop(record.upid)
    if found:
        task.log(f"overruled {kind} tasks: {', '.join(record.upid for record in found)}")


@api("POST", f"{POWER}/shutdown")
def shutdown(call: Call) -> object:
    """Ask the system in a VM to power off."""
    root_only(call, "skiplock", "keepActive")
    node, vmid = _here(call)
    guest = find(call.lab, node, vmid, "qemu")
    force = bool(call.params.get("forceStop"))
    paused = guest is not None and bool(guest.extra.get("paused"))
    if paused and not force:
        raise refuse("VM is paused - cannot shutdown")

    async def work(task: Task) -> None:
        check_running(call.lab, node, vmid)
        async with flock(call.lab, vmid, "qemu"):
            guest = load(call.lab, node, vmid, "qemu")
            if guest.status == "running" and not call.params.get("skiplock"):
                check_lock(guest)
            if paused:
                task.log("VM is paused - stop instead of shutdown")
            await stop_vm(call.lab, guest, task, shutdown=not paused, timeout=call.params.get("timeout"), force=force)
        clean_up_after(call.lab, vmid)

    return ha_request(call, "hastop", "stopped", f"vm:{vmid}") or call.task("qmshutdown", vmid, work)


@api("POST", f"{POWER}/reboot")
def reboot(call: Call) -> object:
    """Shut a VM down; a task of root@pam then starts it, with what was pending."""
    node, vmid = _here(call)
    guest = find(call.lab, node, vmid, "qemu")
    if guest is not None and guest.extra.get("paused"):
        raise refuse("VM is paused - cannot shutdown")
    if not check_running(call.lab, node, vmid):
        raise refuse(f"VM {vmid} not running")

    async def again(task: Task) -> None:
        await start_vm(call.lab, node, vmid, task)

    async def work(task: Task) -> None:
        async with flock(call.lab, vmid, "qemu"):
            guest = load(call.lab, node, vmid, "qemu")
            if guest.status != "running":
                return
            check_lock(guest)
            await stop_vm(call.lab, guest, task, shutdown=True, timeout=call.params.get("timeout"))
        call.lab.tasks.start(node, "qmstart", str(vmid), "root@pam", again)

    return call.task("qmreboot", vmid, work)


@api("POST", f"{POWER}/reset")
def reset(call: Call) -> object:
    """Press a VM's reset button."""
    root_only(call, "skiplock")
    node, vmid = _here(call)
    if not check_running(call.lab, node, vmid):
        raise refuse(f"VM {vmid} not running")

    async def work(task: Task) -> None:
        async with flock(call.lab, vmid, "qemu"):
            guest = load(call.lab, node, vmid, "qemu")
            if not call.params.get("skiplock"):
                check_lock(guest)
            await task.spend(0.2)
            await call.lab.backend.reset(vmid)

    return call.task("qmreset", vmid, work)
