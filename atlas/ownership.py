"""Whose guest stands under a lease's VMID: lease, stamp and recorded identity have to agree."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from enum import StrEnum

from atlas.state import Kind, Lease, Observed, Stamp, State


class Owner(StrEnum):
    """What stands under a lease's VMID."""

    NOBODY = "nobody"  # no guest there
    OURS = "ours"  # lease, stamp and identity agree
    UNRECORDED = "unrecorded"  # our stamp, but no run recorded that it made it: one was ended in between
    UNSTAMPED = "unstamped"  # the identity agrees, the stamp does not
    OTHER = "other"  # somebody else's guest


def owner(lease: Lease, observed: Observed | None, installation: str) -> Owner:
    """Tell whose guest this is. Copies and restores carry our stamp too, which is why it alone proves nothing."""
    if observed is None:
        return Owner.NOBODY
    stamped = Stamp.read(observed.description) == Stamp(installation, lease.stack, lease.vmid)
    if not lease.made or lease.uuid is None:
        return Owner.UNRECORDED if stamped else Owner.OTHER
    if observed.uuid != lease.uuid:
        return Owner.OTHER
    return Owner.OURS if stamped else Owner.UNSTAMPED


def stolen(
    leases: Iterable[Lease], state: State, installation: str, free: Callable[[int], bool], begun: Container[int]
) -> frozenset[int]:
    """Return the VMIDs that somebody took while they were only reserved.

    One that may be a guest of ours, half made, is not among them: it is locked, stamped, or its making was begun.

    Args:
        leases: The stack's.
        state: The cluster as the token sees it.
        installation: The id of this installation.
        free: Whether nobody at all has a VMID, guests that the token does not see included.
        begun: VMIDs under which some run began to make a guest.
    """
    found = set()
    for lease in leases:
        if lease.made:
            continue
        observed = state.guests.get(lease.vmid)
        if observed is None:
            if lease.vmid not in begun and not free(lease.vmid):
                found.add(lease.vmid)
        elif owner(lease, observed, installation) is Owner.OTHER and observed.lock not in ("clone", "create"):
            found.add(lease.vmid)
    return frozenset(found)


def unlock(kind: Kind, vmid: int) -> str:
    """Return the command by which an administrator clears a guest's lock."""
    return f"{'pct' if kind == 'container' else 'qm'} unlock {vmid}"


def removal(kind: Kind, vmid: int) -> str:
    """Return the commands by which an administrator removes a guest that was left half made.

    Its volumes are not in its configuration yet, and would be in the way of the next guest of this VMID.
    """
    tool = "pct" if kind == "container" else "qm"
    return f"{unlock(kind, vmid)} && {tool} destroy {vmid} --destroy-unreferenced-disks 1"
