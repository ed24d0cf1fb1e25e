"""Calls on many guests at once: startall, stopall, suspendall and migrateall of a node, bulk-action of the cluster."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from atlas.lab.call import HANDLERS, Call, PVEError, api
from atlas.lab.entities import Guest
from atlas.lab.formats import split_list
from atlas.lab.tasks import Task

_WORDS = {"qemu": "VM", "lxc": "CT"}


async def on_guest(call: Call, guest: Guest, what: str, /, **params: Any) -> None:
    """Make one of a guest's own calls and wait for its task.

    Args:
        call: The call that this one is part of.
        guest: The guest.
        what: The path below the guest, such as `status/start`.
        params: The call's parameters.

    Raises:
        PVEError: the call was refused, or its task failed.
    """
    template = f"/nodes/{{node}}/{guest.kind}/{{vmid}}/{what}"
    given = {"node": guest.node, "vmid": guest.vmid, **params}
    inner = replace(
        call, method="POST", path=template, params=given, raw={k: str(v) for k, v in given.items()}, at_step=None
    )
    result = HANDLERS["POST", template](inner)
    upid = await result if isinstance(result, Awaitable) else result
    if isinstance(upid, str) and upid.startswith("UPID:"):
        status = (await call.lab.tasks.wait(upid)).exitstatus or ""
        if status != "OK" and not status.startswith("WARNINGS"):
            raise PVEError(500, status)


def _order(guest: Guest) -> tuple[int, int]:
    parts = dict(p.split("=", 1) for p in split_list(guest.config.get("startup", "")) if "=" in p)
    return int(parts.get("order", 2**30)), guest.vmid


def _named(call: Call) -> set[str]:
    given = call.params.get("vms") or ""
    return {str(vmid) for vmid in given} if isinstance(given, list | tuple) else set(split_list(given))


def _chosen(call: Call, privilege: str = "VM.PowerMgmt") -> list[Guest]:
    """Return the guests that the caller named, or all (of the node), in the order of their start."""
    named, node = _named(call), call.params.get("node")
    if not call.may("/", privilege):
        if not named:
            call.need("/", privilege)
        for vmid in sorted(named):
            call.need(f"/vms/{vmid}", privilege)
    found = [g for key, g in call.lab.guests.items() if node in (None, g.node) and (not named or key in named)]
    return sorted(found, key=_order)


def _each(call: Call, kind: str, guests: list[Guest], doing: str, failed: str | None, what: str, **params: Any) -> str:
    """Start a task that makes a call on each guest.

    Args:
        call: The call.
        kind: The task's type.
        guests: Whom it is about, in order.
        doing: What the log says of each, such as `Starting`.
        failed: How the task ends when some failed; None only warns.
        what: The path of the call below the guest.
        params: Its parameters.
    """

    async def work(task: Task) -> None:
        lost = []
        for guest in guests:
            task.log(f"{doing} {_WORDS[guest.kind]} {guest.vmid}")
            own = params if guest.kind == "qemu" else {k: v for k, v in params.items() if k not in _VM_ONLY}
            if what == "migrate" and guest.kind == "lxc":
                own = {"target": params["target"], "restart": params.get("online", 0)}
            try:
                await on_guest(call, guest, what, **own)
            except PVEError as error:
                lost.append(str(guest.vmid))
                task.warn(f"{doing} {_WORDS[guest.kind]} {guest.vmid} failed: {error.message}")
        if lost and failed:
            raise PVEError(500, f"{failed} {', '.join(lost)}")

    return call.task(kind, "", work)


_VM_ONLY = {"todisk", "statestorage"}


def _stopped(guests: list[Guest]) -> list[Guest]:
    return [g for g in guests if g.status != "running" and not g.config.get("template")]


def _running(guests: list[Guest]) -> list[Guest]:
    return [g for g in reversed(guests) if g.status == "running"]


@api("POST", "/nodes/{node}/startall")
def start_all(call: Call) -> str:
    """Start the guests that start on boot; with `force` every one."""
    guests = [g for g in _chosen(call) if call.params.get("force") or int(g.config.get("onboot") or 0)]
    return _each(call, "startall", _stopped(guests), "Starting", None, "status/start")


@api("POST", "/nodes/{node}/stopall")
def stop_all(call: Call) -> str:
    """Stop the running guests, the last started first."""
    options = {"forceStop": call.params.get("force-stop", 1), "timeout": call.params.get("timeout", 180)}
    return _each(call, "stopall", _running(_chosen(call)), "Stopping", None, "status/shutdown", **options)


@api("POST", "/nodes/{node}/suspendall")
def suspend_all(call: Call) -> str:
    """Suspend the running VMs."""
    guests = [g for g in _running(_chosen(call)) if g.kind == "qemu"]
    return _each(call, "suspendall", guests, "Suspending", None, "status/suspend")


@api("POST", "/nodes/{node}/migrateall")
def migrate_all(call: Call) -> str:
    """Migrate the node's guests to another node."""
    target = call.params["target"]
    if target == call.params["node"]:
        raise PVEError(400, errors={"target": "target is local node."})
    if target not in call.lab.nodes:
        raise PVEError(500, f"no such cluster node '{target}'")
    guests = _chosen(call, "VM.Migrate")
    options = {"target": target, "online": 1, "with-local-disks": call.params.get("with-local-disks", 0)}
    return _each(call, "migrateall", guests, "Migrating", None, "migrate", **options)


_BULK = "/cluster/bulk-action/guest"


@api("POST", f"{_BULK}/start")
def bulk_start(call: Call) -> str:
    """Start guests anywhere in the cluster."""
    failed = "Some guests failed to start:"
    return _each(call, "bulk-start", _stopped(_chosen(call)), "Starting", failed, "status/start")


@api("POST", f"{_BULK}/shutdown")
def bulk_shutdown(call: Call) -> str:
    """Shut guests down anywhere in the cluster."""
    options = {"forceStop": call.params.get("force-stop", 0), "timeout": call.params.get("timeout", 180)}
    failed = "Some guests failed to shutdown"
    return _each(call, "bulk-shutdown", _running(_chosen(call)), "Stopping", failed, "status/shutdown", **options)


@api("POST", f"{_BULK}/suspend")
def bulk_suspend(call: Call) -> str:
    """Suspend VMs anywhere in the cluster."""
    options = {"todisk": call.params.get("to-disk", 0)}
    if call.params.get("statestorage"):
        options["statestorage"] = call.params["statestorage"]
    guests = [g for g in _running(_chosen(call)) if g.kind == "qemu"]
    failed = "Some guests failed to suspend"
    return _each(call, "bulk-suspend", guests, "Suspending", failed, "status/suspend", **options)


@api("POST", f"{_BULK}/migrate")
def bulk_migrate(call: Call) -> str:
    """Migrate guests from anywhere to one node."""
    target = call.params["target"]
    guests = [g for g in _chosen(call, "VM.Migrate") if g.node != target]
    call.lab.node(target)
    options = {"target": target, "online": call.params.get("online", 0)}
    options["with-local-disks"] = call.params.get("with-local-disks", 0)
    return _each(call, "bulk-migrate", guests, "Migrating", "Some guests failed to migrate", "migrate", **options)
