"""Whose guest stands under a lease's VMID: lease, stamp and recorded identity have to agree."""

from __future__ import annotations

from enum import StrEnum

from atlas.state import Lease, Observed, Stamp


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
