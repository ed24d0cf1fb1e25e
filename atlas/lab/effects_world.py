"""The effects of faults on the world: locks, nodes, storages, the clock, VMIDs and the API daemon."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from atlas.lab.backend import BackendError
from atlas.lab.call import Call, PVEError, Severed
from atlas.lab.effects import effect
from atlas.lab.entities import Guest
from atlas.lab.fault import Strict, vmids

if TYPE_CHECKING:
    from atlas.lab.faults import Active
    from atlas.lab.http import Next
    from atlas.lab.world import Lab

SOMEBODY = "made by somebody else"


class Passing(Strict):
    """Options of what passes: after so many seconds, or when the fault is cleared."""

    seconds: float | None = Field(None, gt=0, strict=False)


class Lock(Passing):
    """Options of `lock`."""

    lock: Literal["backup", "clone", "create", "migrate", "rollback", "snapshot", "suspending", "suspended"] = "backup"
    guest: int | None = Field(None, ge=100)


@effect("lock", Lock)
async def lock(active: Active, options: Lock, call: Call, following: Next) -> object:
    """Hold a lock on the guest that the call names, or on another one, before the call is carried out."""
    lab = active.lab
    wanted = [options.guest] if options.guest is not None else vmids(call)[-1:]
    for guest in (lab.guests.get(str(vmid)) for vmid in wanted):
        if guest is not None and not guest.config.get("lock"):
            guest.config["lock"] = options.lock
            active.hold(lambda guest=guest: _unlock(guest, options.lock), options.seconds)  # type: ignore[misc]  # bound now
    return await following(call)


def _unlock(guest: Guest, kind: str) -> None:
    if guest.config.get("lock") == kind:
        del guest.config["lock"]


@effect("agent-silent", Passing)
async def agent_silent(active: Active, options: Passing, call: Call, following: Next) -> object:
    """Let the agent of the guest that the call names fall silent; a shutdown that would ask it times out."""
    for vmid in vmids(call)[:1]:
        if vmid not in active.lab.silent:
            active.lab.silent.add(vmid)
            active.hold(lambda vmid=vmid: active.lab.silent.discard(vmid), options.seconds)  # type: ignore[misc]  # bound now
    return await following(call)


class Down(Passing):
    """Options of `node-down`."""

    node: str | None = None
    tasks: Literal["die", "go on"] = "die"


@effect("node-down", Down, once=True)
async def node_down(active: Active, options: Down, call: Call, following: Next) -> object:
    """Take a node off the cluster: calls to it answer 595, its guests are unreachable, its tasks die."""
    lab = active.lab
    name = options.node or str(call.raw.get("node") or "")
    if name in lab.nodes and name not in lab.down:
        lab.down.add(name)
        if options.tasks == "die":
            lab.tasks.kill_all(name)
        stopped = _running_on(lab, name)
        for vmid in stopped:
            with contextlib.suppress(BackendError):
                await lab.backend.suspend(vmid)
        active.hold(lambda: _up(lab, name, stopped), options.seconds)
    if lab.local_node in lab.down:
        raise Severed
    if name in lab.down and call.raw.get("node") == name:
        raise PVEError(595, "No route to host")
    return await following(call)


def _running_on(lab: Lab, node: str) -> list[int]:
    return [
        guest.vmid
        for guest in lab.guests.values()
        if guest.node == node and guest.kind == "qemu" and guest.status == "running" and not guest.extra.get("paused")
    ]


async def _up(lab: Lab, name: str, stopped: list[int]) -> None:
    lab.down.discard(name)
    for vmid in stopped:
        with contextlib.suppress(BackendError):
            await lab.backend.resume(vmid)


class Full(Passing):
    """Options of `storage-full`."""

    storage: str = Field(min_length=1)


@effect("storage-full", Full, once=True)
async def storage_full(active: Active, options: Full, call: Call, following: Next) -> object:
    """Leave no space on a storage: it shows itself full, and whatever makes a volume there fails."""
    active.lab.full.add(options.storage)
    active.hold(lambda: active.lab.full.discard(options.storage), options.seconds)
    return await following(call)


class Jump(Strict):
    """Options of `clock-jump`."""

    seconds: float = Field(3600.0, ge=-(10**9), le=10**9, strict=False)


@effect("clock-jump", Jump, once=True)
async def clock_jump(active: Active, options: Jump, call: Call, following: Next) -> object:
    """Set the cluster's clock forward, or by a negative number back; what runs does not take shorter or longer."""
    active.lab.clock.jump(options.seconds)
    return await following(call)


class Steal(Strict):
    """Options of `steal-vmid`."""

    node: str | None = None


@effect("steal-vmid", Steal, once=True)
async def steal_vmid(active: Active, options: Steal, call: Call, following: Next) -> object:
    """Let somebody else make a VM under the VMID that the call wants, just before it: on its node or another."""
    lab = active.lab
    node = options.node or str(call.raw.get("node") or lab.local_node)
    for vmid in vmids(call)[:1]:
        if str(vmid) not in lab.guests and node in lab.nodes:
            config = {"boot": " ", "cores": 1, "memory": "512", "name": f"other-{vmid}", "description": SOMEBODY}
            config["meta"] = f"creation-qemu=10.0.2,ctime={int(lab.clock.now())}"
            config["smbios1"] = f"uuid={uuid.uuid4()}"
            lab.guests[str(vmid)] = Guest(vmid, "qemu", node, config)
            lab.store.flush()
    return await following(call)


class Restart(Strict):
    """Options of `restart`."""

    seconds: float = Field(2.0, ge=0, le=3600, strict=False)
    kill: bool = False


@effect("restart", Restart, once=True)
async def restart(active: Active, options: Restart, call: Call, following: Next) -> object:
    """Restart the API daemon: every connection breaks, none is taken for so many seconds; `kill` ends all tasks."""
    del call, following
    active.faults.spawn(active.faults.restart(options.seconds, options.kill))
    raise Severed
