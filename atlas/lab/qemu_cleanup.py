"""Cleaning up behind a VM that has stopped, as PVE does it: late, and with the VM's config locked."""

from __future__ import annotations

import asyncio

from atlas.lab.call import PVEError
from atlas.lab.guests import flock
from atlas.lab.world import Lab

DELAY = 1.0  # until the program that cleans up has started
LOCK_SECONDS = 60.0
PATIENCE = 30.0  # that long it takes a VM that runs for one that has not quite stopped

_RUNNING: set[asyncio.Task[None]] = set()


def clean_up_after(lab: Lab, vmid: int) -> None:
    """Begin to clean up behind a VM; one that is started again meanwhile, or made anew, is locked for a while."""
    task = asyncio.get_running_loop().create_task(_clean_up(lab, vmid))
    _RUNNING.add(task)
    task.add_done_callback(_RUNNING.discard)


async def _clean_up(lab: Lab, vmid: int) -> None:
    await lab.clock.sleep(DELAY)
    if str(vmid) not in lab.guests:
        return
    try:
        async with flock(lab, vmid, "qemu", seconds=LOCK_SECONDS):
            end = lab.clock.now() + PATIENCE * lab.clock.scale
            while _runs(lab, vmid) and lab.clock.now() < end:
                await lab.clock.sleep(1)
    except PVEError:  # others held the lock all that time: it gives up
        return


def _runs(lab: Lab, vmid: int) -> bool:
    guest = lab.guests.get(str(vmid))
    return guest is not None and guest.status == "running"
