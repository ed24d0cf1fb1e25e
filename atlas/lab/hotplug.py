"""Devices that are plugged into a running QEMU, and taken out once its guest let go of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from atlas.lab.backend import BackendError, Disk, Nic
from atlas.lab.commandline import blockdev, disk_device, netdev, nic_device
from atlas.lab.process import Process


async def plug_disk(process: Process, disk: Disk, folder: Path) -> None:
    """Plug a disk in, of which the file is there.

    Args:
        process: the machine.
        disk: what is plugged in.
        folder: where the files of disks are.
    """
    await process.monitor.run("blockdev-add", blockdev(disk, folder))
    try:
        await process.monitor.run("device_add", disk_device(disk))
    except BackendError:
        await process.monitor.run("blockdev-del", node_name=f"drive-{disk.slot}")
        raise
    process.disks[disk.slot] = disk


async def plug_nic(process: Process, nic: Nic, cable: Path) -> None:
    """Plug a network interface in; `cable` is the socket of its network."""
    await process.monitor.run("netdev_add", netdev(nic, cable))
    await process.monitor.run("device_add", nic_device(nic))


async def unplug(process: Process, slot: str) -> None:
    """Take a device out; one that is not there is no fault.

    Raises:
        BackendError: the guest holds on to it.
    """
    if not await _plugged(process, slot):
        return
    await process.monitor.run("device_del", id=slot)
    disk = process.disks.pop(slot, None)
    last = BackendError(f"the guest does not let go of {slot}; it leaves at the next stop")
    for _ in range(100):
        if not await _plugged(process, slot):
            try:
                if disk is None:
                    await process.monitor.run("netdev_del", id=f"cable-{slot}")
                else:
                    await process.monitor.run("blockdev-del", node_name=f"drive-{slot}")
                return
            except BackendError as error:  # QEMU frees it a moment after the device is gone
                last = error
        await asyncio.sleep(0.1)
    if disk is not None:
        process.disks[slot] = disk
    raise last


async def _plugged(process: Process, slot: str) -> bool:
    found = await process.monitor.run("qom-list", path="/machine/peripheral")
    return any(each["name"] == slot for each in found)
