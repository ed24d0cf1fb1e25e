"""A reboot through PVE, which applies what is pending; a reboot inside the guest would not."""

from __future__ import annotations

import time

from atlas.errors import ApiRefused, TaskFailed
from atlas.events import Emitter
from atlas.proxmox import guests, tasks
from atlas.proxmox.client import Client, lock_timeout
from atlas.proxmox.guests import At
from atlas.state import Kind

BOOT_SECONDS = 120.0
LOCK_TRIES = 6
"""PVE gives up on a guest's lock after 10 s; its own cleaning up after a stop holds it for up to 30 s."""


def reboot(client: Client, kind: Kind, vmid: int, emit: Emitter) -> None:
    """Reboot a guest wherever it is now, and wait until it runs again.

    Raises:
        ProxmoxError: It is not there, or the reboot failed.
    """
    kinds = {"qemu": "vm", "lxc": "container"}
    rows = client.get("cluster", "resources", type="vm")
    node = next(str(r["node"]) for r in rows if int(r["vmid"]) == vmid and kinds.get(str(r["type"])) == kind)
    at = At(node, kind, vmid)
    for left in reversed(range(LOCK_TRIES)):
        try:
            upid = guests.power(client, at, "reboot")
            if upid is not None:
                tasks.wait(client, upid, emit)
        except (ApiRefused, TaskFailed) as problem:
            said = problem.exitstatus if isinstance(problem, TaskFailed) else problem.reason
            if not left or not lock_timeout(said):
                raise
            time.sleep(1.0)  # PVE has waited for the lock already
        else:
            break
    until_running(client, at)


def until_running(client: Client, at: At) -> None:
    """Wait until a guest runs again; `BOOT_SECONDS` at most.

    The task of a reboot ends at the stop; a task of root@pam, which a token does not see, then starts the guest.
    """
    deadline, pause = time.monotonic() + BOOT_SECONDS, 0.05
    while time.monotonic() < deadline and client.get(*at.path, "status", "current").get("status") != "running":
        time.sleep(pause)  # asked again until the deadline
        pause = min(pause * 1.5, 1.0)
