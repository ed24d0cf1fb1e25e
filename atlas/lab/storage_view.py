"""How full a storage is, and how a full one refuses."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlas.lab.entities import Storage, Volume
    from atlas.lab.records import Table
    from atlas.lab.world import Lab


def usage(lab: Lab, storage: Storage, node: str) -> tuple[int, int]:
    """Return the size of a storage on a node and what is used of it, both in bytes."""
    total, other = storage.space.get(node, (storage.bytes, 0))
    if storage.id in lab.full:
        return total, total
    taken = lab.volumes.view(_taken)
    return total, other + sum(taken.get((storage.id, where), 0) for where in (None, node))


def _taken(volumes: Table[Volume]) -> dict[tuple[str, str | None], int]:
    """Add up what the volumes take, by storage and node (None on shared ones)."""
    taken: Counter[tuple[str, str | None]] = Counter()
    for volume in volumes.values():
        taken[volume.storage, volume.node] += volume.used
    return taken


def no_space(storage: Storage, path: str, size: int) -> str:
    """Give the words in which a full storage's own tool refuses."""
    if storage.type == "lvm":
        return f"not enough free space (0 < {size // 1024})"
    if storage.type == "lvmthin":
        pool = f"{storage.options.get('vgname', 'pve')}/{storage.options.get('thinpool', 'data')}"
        why = f"Cannot create new thin volume, free space in thin pool {pool} reached threshold."
        return f"lvcreate '{path}' error:   {why}"
    if storage.type == "zfspool":
        return f"zfs error: cannot create '{path.removeprefix('/dev/')}': out of space"
    if storage.type == "rbd":
        return f"rbd create '{path.rpartition('/')[2]}' error: (28) No space left on device"
    return f"unable to create image: qemu-img: {path}: Failed to resize underlying file: No space left on device"
