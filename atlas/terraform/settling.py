"""Waiting for what a killed Terraform has set going on the cluster: its tasks go on without it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from atlas.errors import PartlyDone
from atlas.events import Emitter, EventType, Stage
from atlas.ownership import unlock
from atlas.ports.cluster import Cluster, Work
from atlas.state import Observed

LOCKS = ("clone", "create", "disk")
"""PVE's locks on a guest that is made or whose disk is moved; a clone's task goes by its template's VMID."""

PAUSE = 1.0


def settled(work: Work, cluster: Cluster, patience: float, emit: Emitter) -> Work:
    """Wait until nothing of the former run works on one of our guests any more; then return the work as it is.

    Args:
        work: The work of the run.
        cluster: Says what still goes on.
        patience: Seconds.
        emit: Told which guest waits for what.

    Raises:
        PartlyDone: A lock stays, which only an administrator can take off, or a task does not end.
    """
    deadline = time.monotonic() + patience
    ours = {lease.vmid: key for key, lease in work.leases.items()}
    while True:
        busy = cluster.busy(ours)  # asked first: the look then sees what the ended tasks did
        now = replace(work, state=cluster.look(ours, offers=False))
        locked = [g for v, g in now.state.guests.items() if v in ours and g.lock in LOCKS]
        waits = {v: f"task {kind}" for v, kind in busy.items()} | {g.vmid: f"lock {g.lock}" for g in locked}
        if not waits:
            return now
        if time.monotonic() > deadline:
            raise _stays(locked, waits)
        for vmid, what in waits.items():
            emit(EventType.GUEST_STAGE, ours[vmid], stage=Stage.WAITING, waits_for=what)
        time.sleep(min(PAUSE, patience))


def _stays(locked: Iterable[Observed], waits: Mapping[int, str]) -> PartlyDone:
    held = ", ".join(f"guest {vmid} ({what})" for vmid, what in sorted(waits.items()))
    commands = "; ".join(unlock(g.kind, g.vmid) for g in locked)
    hint = f"as root on the node, once nothing works on it: {commands}; then" if commands else "once that has ended:"
    return PartlyDone(f"the former run still holds {held}", f"{hint} `atlas resume`")
