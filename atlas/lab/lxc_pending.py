"""Pending changes of containers: applied at once where one stands still, by hotplug where it runs."""

from __future__ import annotations

import re
from collections.abc import Collection

from atlas.lab import lxc_volumes, volume_ids
from atlas.lab import volume_store as store
from atlas.lab.call import PVEError
from atlas.lab.entities import Guest
from atlas.lab.guest_config import add_unused, clean_pending, drop_delete, pending_deletes
from atlas.lab.guest_devices import MOUNTS, mount_type, mounts, parse_mount
from atlas.lab.lxc_options import FAST
from atlas.lab.world import Lab

_HOT = re.compile(r"cpulimit|cpuunits|memory|swap|net\d+|dev\d+")


def in_use(guest: Guest, volid: str, skip: str) -> bool:
    """Tell whether another mount point, or a snapshot, needs a volume."""
    sections = [(guest.config, skip), *((section, "") for section in guest.snapshots.values())]
    return any(
        slot != left_out and mount.get("volume") == volid
        for section, left_out in sections
        for slot, mount in mounts(section)
    )


async def _drop(lab: Lab, guest: Guest, key: str) -> None:
    """Take an option out; a mount point's volume becomes unused, an unused one is freed."""
    value = str(guest.config.get(key, ""))
    volid = parse_mount(value).get("volume", "")
    if re.fullmatch(r"mp\d+", key) and mount_type(volid) == "volume":
        if not in_use(guest, volid, key):
            add_unused(guest.config, volid)
    elif (
        re.fullmatch(r"unused\d+", key) and volume_ids.owner(lab, volid) == guest.vmid and not in_use(guest, volid, key)
    ):
        await store.free(lab, guest.node, volid)
    guest.config.pop(key, None)


async def _mount(lab: Lab, guest: Guest, key: str) -> None:
    """Make the volume of a new mount point; what was mounted there before becomes unused."""
    shown, _ = await lxc_volumes.make(lab, guest.node, guest.vmid, {key: guest.pending[key]})
    old = parse_mount(str(guest.config.get(key, ""))).get("volume", "")
    guest.pending[key] = shown[key]
    new = parse_mount(shown[key]).get("volume")
    if old and old != new and mount_type(old) == "volume" and not in_use(guest, old, key):
        add_unused(guest.config, old)


def _forget_reused(guest: Guest) -> None:
    used = {mount.get("volume") for _, mount in mounts(guest.config)}
    for key in [k for k, v in guest.config.items() if re.fullmatch(r"unused\d+", k) and v in used]:
        del guest.config[key]


async def _take(lab: Lab, guest: Guest, key: str, complaint: str) -> dict[str, str]:
    """Let a pending option take effect; return why it could not, by option."""
    try:
        if key in MOUNTS and key != "rootfs":
            await _mount(lab, guest, key)
    except PVEError as error:
        return {key: f"{complaint}: {error.message}\n"}
    guest.config[key] = guest.pending.pop(key)
    return {}


async def apply_stopped(lab: Lab, guest: Guest) -> dict[str, str]:
    """Apply everything that is pending to a container that does not run; return what could not be, by option."""
    errors: dict[str, str] = {}
    for key in sorted(pending_deletes(guest.pending)):
        await _drop(lab, guest, key)
        drop_delete(guest.pending, key)
    clean_pending(guest.config, guest.pending)
    for key in sorted(key for key in guest.pending if key != "delete"):
        errors |= await _take(lab, guest, key, f"unable to apply pending change {key} ")
    _forget_reused(guest)
    return errors


async def apply_running(lab: Lab, guest: Guest, selection: Collection[str]) -> dict[str, str]:
    """Apply what a running container takes at once; return what failed, by option."""
    errors: dict[str, str] = {}
    for key in [key for key in guest.pending if key in FAST and key in selection]:
        guest.config[key] = guest.pending.pop(key)
    for key in sorted(pending_deletes(guest.pending)):
        plain = re.fullmatch(r"unused\d+|swap|cpulimit|cpuunits|net\d+", key)
        if key in selection and (key in FAST or plain):
            await _drop(lab, guest, key)
            drop_delete(guest.pending, key)
    for key in sorted(key for key in guest.pending if key != "delete" and key in selection):
        new_mount = re.fullmatch(r"mp\d+", key) and key not in guest.config
        if new_mount or _HOT.fullmatch(key):
            errors |= await _take(lab, guest, key, f"unable to hotplug {key}")
    _forget_reused(guest)
    return errors
