"""How full a storage is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlas.lab.world import Lab, Storage


def usage(lab: Lab, storage: Storage, node: str) -> tuple[int, int]:
    """Return the size of a storage on a node and what is used of it, both in bytes."""
    total, other = storage.space.get(node, (storage.bytes, 0))
    if storage.id in lab.full:
        return total, total
    return total, other + sum(volume.used for volume in lab.local_volumes(storage.id, node))
