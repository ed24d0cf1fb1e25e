"""Snapshots of a running QEMU: all its disks at one moment, with its memory where that is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from atlas.lab.backend import BackendError
from atlas.lab.commandline import is_drive
from atlas.lab.disks import Disks, has_snapshot
from atlas.lab.process import Process


async def take(process: Process, name: str, paths: Sequence[str], *, memory: bool) -> None:
    """Snapshot disks, by their paths, inside their files."""
    nodes = _nodes(process, paths)
    if memory:
        await process.monitor.job("snapshot-save", tag=name, vmstate=nodes[0], devices=nodes)
    else:
        kind = "blockdev-snapshot-internal-sync"
        actions = [{"type": kind, "data": {"device": node, "name": name}} for node in nodes]
        await process.monitor.run("transaction", actions=actions)


async def load(process: Process, disks: Disks, name: str) -> None:
    """Take a machine back to a snapshot with memory.

    Raises:
        BackendError: no disk has such a snapshot.
    """
    nodes = []
    for slot, disk in process.disks.items():
        if is_drive(disk) and not disk.cdrom and await has_snapshot(disks.file(disk.path), name):
            nodes.append(f"drive-{slot}")
    if not nodes:
        raise BackendError(f"snapshot '{name}' does not exist")
    await process.monitor.run("stop")
    try:
        await process.monitor.job("snapshot-load", tag=name, vmstate=nodes[0], devices=nodes)
    finally:
        await process.monitor.run("cont")


async def delete(process: Process, name: str, paths: Sequence[str]) -> None:
    """Drop a snapshot of disks, by their paths."""
    await process.monitor.job("snapshot-delete", tag=name, devices=_nodes(process, paths))


def _nodes(process: Process, paths: Sequence[str]) -> list[str]:
    """Name the block nodes of disks as QEMU knows them."""
    slots = [slot for path in paths if (slot := process.slot_of(path)) is not None]
    nodes = [f"drive-{slot}" for slot in slots if is_drive(process.disks[slot])]
    if not nodes:
        raise BackendError("none of these disks is plugged into the running machine")
    return nodes
