"""A container's root file system and mount points: made, grown, moved, copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atlas.lab import volume_ids
from atlas.lab import volume_store as store
from atlas.lab.call import PVEError
from atlas.lab.entities import Volume
from atlas.lab.guest_devices import mount_type, mounts, print_mount
from atlas.lab.guests import refuse
from atlas.lab.volumes import NEW_DISK
from atlas.lab.world import Lab


def form_on(lab: Lab, storage_id: str) -> str:
    """Choose the format of a container's volume: a subvolume on ZFS, else raw."""
    storage = lab.storage(storage_id)
    if "rootdir" not in storage.content:
        raise refuse(f"content type 'rootdir' is not available or configured on storage '{storage_id}'")
    return "subvol" if storage.type == "zfspool" else "raw"


async def make(lab: Lab, node: str, vmid: int, settings: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Make the volumes that settings ask for.

    Args:
        lab: the world.
        node: where.
        vmid: owner.
        settings: `rootfs` and `mpN` as a call gives them.

    Returns:
        The settings as the config gets them, and the new volumes.

    Raises:
        PVEError: one could not be made; those made before it are freed.
    """
    made: list[str] = []
    shown: dict[str, str] = {}
    try:
        for slot, mount in mounts(settings):
            fresh = NEW_DISK.fullmatch(mount.get("volume", ""))
            if fresh and fresh[1]:
                size = int(float(fresh[2]) * 1024) * 1024**2
                form = form_on(lab, fresh[1])
                volume = await store.allocate(lab, node, fresh[1], vmid, size, form=form, content="rootdir")
                made.append(volume.volid)
                mount.update(volume=volume.volid, size=str(volume.size))
            elif mount_type(mount.get("volume", "")) == "volume":
                mount["size"] = str(volume_ids.find(lab, node, mount["volume"]).size)
            shown[slot] = print_mount(mount)
    except PVEError:
        await free_all(lab, node, made)
        raise
    return shown, made


async def free_all(lab: Lab, node: str, volids: list[str]) -> list[str]:
    """Free volumes, going on where one cannot be freed; return what was wrong."""
    faults: list[str] = []
    for volid in volids:
        try:
            await store.free(lab, node, volid)
        except PVEError as error:
            faults.append(error.message)
    return faults


async def copied(
    lab: Lab, node: str, source: Volume, storage_id: str, vmid: int, snapshot: str | None = None
) -> Volume:
    """Copy a container's volume to a storage, in the format that it has there."""
    form = form_on(lab, storage_id)
    return await store.copy(lab, node, source, storage_id, vmid, form=form, snapshot=snapshot, content="rootdir")


def owned_volumes(lab: Lab, vmid: int, section: Mapping[str, Any]) -> list[str]:
    """List the volumes that a section of a config names and that belong to the container."""
    named = [m.get("volume", "") for _, m in mounts(section)]
    named += [str(value) for key, value in section.items() if key.startswith("unused")]
    return [v for v in dict.fromkeys(named) if mount_type(v) == "volume" and volume_ids.owner(lab, v) == vmid]
