"""A reboot through PVE, which applies what is pending; a reboot inside the guest would not."""

from __future__ import annotations

import time

from atlas.errors import ApiRefused, EngineError, TaskFailed
from atlas.events import Emitter
from atlas.proxmox import guests, tasks
from atlas.proxmox.client import Client
from atlas.proxmox.facts import row_of
from atlas.proxmox.guests import At
from atlas.proxmox.refusals import lock_timeout, said
from atlas.state import Kind

BOOT_SECONDS = 120.0
LOCK_TRIES = 6
"""PVE gives up on a guest's lock after 10 s; its own cleaning up after a stop holds it for up to 30 s."""


def reboot(client: Client, kind: Kind, vmid: int, emit: Emitter) -> None:
    """Reboot a guest wherever it is now, and wait until it runs again.

    Raises:
        EngineError: It is not there.
        ProxmoxError: The reboot failed.
    """
    row = row_of(client, vmid)
    if row is None:
        raise EngineError(f"guest {vmid} is gone", "plan again: it would be made anew")
    at = At(str(row["node"]), kind, vmid)
    for left in reversed(range(LOCK_TRIES)):
        try:
            upid = guests.power(client, at, "reboot")
            if upid is not None:
                tasks.wait(client, upid, emit)
        except (ApiRefused, TaskFailed) as problem:
            if not left or not lock_timeout(said(problem)):
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
