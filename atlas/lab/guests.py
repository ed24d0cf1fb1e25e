"""What every handler of a guest begins with: finding it, its locks, its digest, who may change it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from atlas.lab import guest_config
from atlas.lab.backend import BackendError
from atlas.lab.call import Call, Forbidden, PVEError

if TYPE_CHECKING:
    from atlas.lab.entities import Guest
    from atlas.lab.tasks import Task
    from atlas.lab.world import Lab

LOCK_SECONDS = 10.0
_LOCK_FILE = {"qemu": "/var/lock/qemu-server/lock-{}.conf", "lxc": "/run/lock/lxc/pve-config-{}.lock"}
_CONFIG_FILE = {"qemu": "nodes/{}/qemu-server/{}.conf", "lxc": "nodes/{}/lxc/{}.conf"}


def fault(**errors: str) -> PVEError:
    """Make the answer to faulty parameters; underscores in names stand for dashes."""
    return PVEError(400, errors={name.replace("_", "-"): text for name, text in errors.items()})


def refuse(text: str) -> PVEError:
    """Make the answer that PVE gives where its code dies: 500 with a sentence."""
    return PVEError(500, text)


def this_guest(call: Call) -> Guest:
    """Find the guest that a call's path names, on the node that it names.

    Raises:
        PVEError: there is no such config file on that node.
    """
    kind = "lxc" if "/lxc/" in call.path else "qemu"
    return load(call.lab, str(call.params["node"]), int(call.params["vmid"]), kind)


def find(lab: Lab, node: str, vmid: int, kind: str) -> Guest | None:
    """Find a guest on a node."""
    guest = lab.guests.get(str(vmid))
    return guest if guest is not None and guest.node == node and guest.kind == kind else None


def load(lab: Lab, node: str, vmid: int, kind: str) -> Guest:
    """Find a guest on a node.

    Raises:
        PVEError: there is no such config file.
    """
    guest = find(lab, node, vmid, kind)
    if guest is None:
        raise refuse(f"Configuration file '{_CONFIG_FILE[kind].format(node, vmid)}' does not exist")
    return guest


def check_running(lab: Lab, node: str, vmid: int, kind: str = "qemu") -> bool:
    """Tell whether a guest runs.

    Raises:
        PVEError: a VM has no config file on the node; a container that is not there just does not run.
    """
    guest = find(lab, node, vmid, kind)
    if guest is None and kind == "qemu":
        raise refuse(f"unable to find configuration file for VM {vmid} on node '{node}'")
    return guest is not None and guest.status == "running"


def taken(lab: Lab, vmid: int) -> str | None:
    """Say in the server's words that an id is in use, or None where it is free."""
    guest = lab.guests.get(str(vmid))
    if guest is None:
        return None
    return f"{'VM' if guest.kind == 'qemu' else 'CT'} {vmid} already exists on node '{guest.node}'"


def digest(guest: Guest) -> str:
    """Give the digest of a guest's config file."""
    return guest_config.digest(guest.config, guest.pending, guest.snapshots)


def read_config(call: Call) -> tuple[Guest, dict[str, Any]]:
    """Return a guest and its config as a call asks for it: with what is pending, as it is now, or as a snapshot has it.

    Raises:
        PVEError: both are asked for, or there is no such guest or snapshot.
    """
    snapshot, now = call.params.get("snapshot"), call.params.get("current")
    if snapshot and now:
        text = "cannot use 'snapshot' parameter with 'current'"
        raise fault(snapshot=text, current=text)
    guest = this_guest(call)
    if snapshot:
        return guest, dict(snapshot_of(guest, snapshot))
    return guest, dict(guest.config) if now else guest_config.merged(guest.config, guest.pending)


def snapshot_of(guest: Guest, name: str) -> dict[str, Any]:
    """Return what a snapshot holds.

    Raises:
        PVEError: there is none of that name.
    """
    if name not in guest.snapshots:
        raise refuse(f"snapshot '{name}' does not exist")
    section: dict[str, Any] = guest.snapshots[name]
    return section


def check_lock(guest: Guest, allow: str | None = None) -> None:
    """Refuse a guest whose config is locked.

    Args:
        guest: whose lock is meant.
        allow: a kind of lock that does not matter.

    Raises:
        PVEError: it is locked.
    """
    lock = guest.config.get("lock")
    if lock and lock != allow:
        raise refuse(f"{'VM' if guest.kind == 'qemu' else 'CT'} is locked ({lock})")


def check_protection(guest: Guest, what: str) -> None:
    """Refuse to remove something of a protected guest."""
    if guest_config.truth(guest.config.get("protection")):
        raise refuse(f"{what} - protection mode enabled")


def check_digest(guest: Guest, given: object) -> None:
    """Refuse a write that was meant for an older config."""
    if given and given != digest(guest):
        if guest.kind == "qemu":
            raise refuse("checksum mismatch (file change by other user?)")
        raise refuse("detected modified configuration - file changed by other user? Try again.")


def assert_unmodified(guest: Guest, given: object) -> None:
    """Refuse like `check_digest`, in the words that moving a disk uses for VMs too."""
    if given and given != digest(guest):
        raise refuse("detected modified configuration - file changed by other user? Try again.")


def root_only(call: Call, *names: str) -> None:
    """Refuse parameters that only root@pam itself may use."""
    for name in names:
        if call.params.get(name) and not call.is_root:
            raise fault(**{name: "Only root may use this option."})


def may_vm(call: Call, vmid: int, pool: str | None, *privileges: str, any: bool = False) -> bool:  # noqa: A002 - PVE's own word for it
    """Tell whether the caller holds privileges on a guest, or on the pool that it will be in."""
    return bool(pool and call.may(f"/pool/{pool}", *privileges, any=any)) or call.may(
        f"/vms/{vmid}", *privileges, any=any
    )


def need_vm(call: Call, vmid: int, pool: str | None, *privileges: str, any: bool = False) -> None:  # noqa: A002 - PVE's own word for it
    """Refuse the call unless the caller holds privileges on a guest, or on the pool that it will be in."""
    if not may_vm(call, vmid, pool, *privileges, any=any):
        call.need(f"/vms/{vmid}", *privileges, any=any)


def check_pool(call: Call, pool: str | None) -> None:
    """Refuse a pool that does not exist."""
    if pool is not None and pool not in call.lab.pools:
        raise Forbidden(f"pool '{pool}' does not exist")


def check_node(lab: Lab, node: str) -> None:
    """Refuse a node that is not of this cluster."""
    if node not in lab.nodes:
        raise refuse(f"no such cluster node '{node}'")


def failure(lab: Lab, task: Task, error: BaseException) -> PVEError | None:
    """Tell what a worker's clean-up has to say of what stopped it.

    Args:
        lab: the world.
        task: the worker.
        error: what came out of its work.

    Returns:
        The fault; None where the whole process is killed, or for a bug: then nothing is cleaned up.
    """
    if isinstance(error, PVEError):
        return error
    if isinstance(error, BackendError):
        return refuse(str(error))
    if isinstance(error, asyncio.CancelledError) and lab.tasks.running(task.upid):
        return refuse("interrupted by signal")
    return None


class _Flock:
    """The lock file of one guest: many readers or one writer."""

    def __init__(self) -> None:
        self.readers = 0
        self.writer: object | None = None
        self.changed = asyncio.Condition()

    def free(self, *, shared: bool) -> bool:
        return self.writer is None and (shared or self.readers == 0)


_FLOCKS: WeakKeyDictionary[Lab, dict[int, _Flock]] = WeakKeyDictionary()


@asynccontextmanager
async def flock(
    lab: Lab, vmid: int, kind: str, *, shared: bool = False, seconds: float = LOCK_SECONDS
) -> AsyncIterator[None]:
    """Hold a guest's lock file while its config is changed.

    Args:
        lab: the world.
        vmid: the guest; it need not exist yet.
        kind: `qemu` or `lxc`.
        shared: let other shared holders in, as clones of a stopped VM do.
        seconds: how long to wait for it; real ones, shortened by a fast latency profile.

    Raises:
        PVEError: somebody else held it all that time.
    """
    lock = _FLOCKS.setdefault(lab, {}).setdefault(vmid, _Flock())
    async with lock.changed:
        try:
            async with asyncio.timeout(max(seconds * min(lab.clock.scale, 1.0), 0.5)):
                await lock.changed.wait_for(lambda: lock.free(shared=shared))
        except TimeoutError:
            raise refuse(f"can't lock file '{_LOCK_FILE[kind].format(vmid)}' - got timeout") from None
        if shared:
            lock.readers += 1
        else:
            lock.writer = asyncio.current_task()
    try:
        yield
    finally:
        if shared:
            lock.readers -= 1
        else:
            lock.writer = None
        async with lock.changed:
            lock.changed.notify_all()
