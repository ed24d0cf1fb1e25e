"""The snapshot calls of VMs and containers."""

from __future__ import annotations

from atlas.lab import snapshots
from atlas.lab.call import Call, Handler, api
from atlas.lab.guests import check_lock, flock, load, refuse, snapshot_of, this_guest
from atlas.lab.lxc_power import start_container
from atlas.lab.qemu_power import go_on, start_vm
from atlas.lab.qemu_status import visible
from atlas.lab.tasks import Task

KINDS = {"qemu": ("qm", "pending"), "lxc": ("vz", "vzdump")}


def _kind(call: Call) -> str:
    return "lxc" if "/lxc/" in call.path else "qemu"


def index(call: Call) -> object:
    """List the snapshots of a guest."""
    return snapshots.listed(this_guest(call))


def create(call: Call) -> object:
    """Take a snapshot in a task."""
    kind, name = _kind(call), str(call.params["snapname"])
    prefix, reserved = KINDS[kind]
    for word in ("current", reserved):
        if name.lower() == word:
            raise refuse(f"unable to use snapshot name '{word}' (reserved name)")
    guest = this_guest(call) if kind == "qemu" else None
    node, vmid = str(call.params["node"]), int(call.params["vmid"])
    comment, memory = call.params.get("description"), bool(call.params.get("vmstate"))

    async def work(task: Task) -> None:
        found = guest or load(call.lab, node, vmid, kind)
        await snapshots.take(call.lab, found, name, comment, task, memory=memory)

    return call.task(f"{prefix}snapshot", vmid, work)


def commands(call: Call) -> object:
    """List what can be done with a snapshot."""
    this_guest(call)
    return [{"cmd": "rollback"}, {"cmd": "config"}]


def config(call: Call) -> object:
    """Give the config that a snapshot holds."""
    guest, name = this_guest(call), str(call.params["snapname"])
    return visible(snapshot_of(guest, name))


async def describe(call: Call) -> object:
    """Change a snapshot's description."""
    name, text = str(call.params["snapname"]), call.params.get("description")
    if text is None:
        return None
    guest = this_guest(call)
    async with flock(call.lab, guest.vmid, guest.kind):
        check_lock(guest)
        snapshot_of(guest, name)["description"] = text
    return None


def remove(call: Call) -> object:
    """Remove a snapshot in a task."""
    kind, name = _kind(call), str(call.params["snapname"])
    node, vmid, force = str(call.params["node"]), int(call.params["vmid"]), bool(call.params.get("force"))

    async def work(task: Task) -> None:
        await snapshots.drop(call.lab, load(call.lab, node, vmid, kind), name, task, force=force)

    return call.task(f"{KINDS[kind][0]}delsnapshot", vmid, work)


def rollback(call: Call) -> object:
    """Go back to a snapshot in a task."""
    kind, name = _kind(call), str(call.params["snapname"])
    node, vmid, start = str(call.params["node"]), int(call.params["vmid"]), bool(call.params.get("start"))
    if start:
        call.need(f"/vms/{vmid}", "VM.PowerMgmt")

    async def work(task: Task) -> None:
        guest = load(call.lab, node, vmid, kind)
        state = await snapshots.go_back(call.lab, guest, name, task)
        if kind == "qemu":
            if state:
                await go_on(call.lab, guest, name, task)
            elif start:
                await start_vm(call.lab, node, vmid, task)
        elif start:
            await start_container(call.lab, node, vmid, task)

    return call.task(f"{KINDS[kind][0]}rollback", vmid, work)


def _register() -> None:
    calls: tuple[tuple[str, str, Handler], ...] = (
        ("GET", "", index),
        ("POST", "", create),
        ("GET", "/{snapname}", commands),
        ("DELETE", "/{snapname}", remove),
        ("GET", "/{snapname}/config", config),
        ("PUT", "/{snapname}/config", describe),
        ("POST", "/{snapname}/rollback", rollback),
    )
    for kind in KINDS:
        for method, rest, handler in calls:
            api(method, f"/nodes/{{node}}/{kind}/{{vmid}}/snapshot{rest}")(handler)


_register()
