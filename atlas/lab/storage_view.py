"""How full a storage is."""

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
