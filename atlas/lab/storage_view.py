"""How full a storage is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlas.lab.world import Lab, Storage


def usage(lab: Lab, storage: Storage, node: str) -> tuple[int, int]:
    """Return the size of a storage on a node and what is used of it, both in bytes."""
    if storage.id in lab.full:
        return storage.bytes, storage.bytes
    used = sum(volume.used for volume in lab.local_volumes(storage.id, node))
    return storage.bytes, used
