"""Pending changes of VMs: applied at once where the VM stands still, by hotplug where it runs."""

from __future__ import annotations

import re
from collections.abc import Collection

from atlas.lab import volume_ids
from atlas.lab import volume_store as store
from atlas.lab.backend import BackendError
from atlas.lab.call import PVEError
from atlas.lab.entities import Guest
from atlas.lab.guest_config import add_unused, clean_pending, drop_delete, pending_deletes
from atlas.lab.guest_devices import DRIVES, cloudinit_slot, is_cdrom, is_cloudinit, parse_drive
from atlas.lab.guests import refuse
from atlas.lab.qemu_machine import disk, nic
from atlas.lab.qemu_rules import CLOUDINIT_OPTIONS, can_plug, can_unplug, fast, hotplug_features
from atlas.lab.world import Lab

_RECORDED = re.compile(r"net\d+|ipconfig\d+|name|" + "|".join(sorted(CLOUDINIT_OPTIONS)))


async def put_aside(lab: Lab, guest: Guest, text: str) -> None:
    """Keep a drive that is no longer attached as `unusedN`; a cloud-init drive is freed, a CD forgotten."""
    drive = parse_drive(text)
    if is_cloudinit(drive):
        guest.extra.pop("cloudinit", None)
        await store.free(lab, guest.node, drive["file"])
    elif not is_cdrom(drive):
        volid = drive.get("file", "")
        parts = volume_ids.split_volid(volid)
        if parts and parts[0] in lab.storages and volume_ids.owner(lab, volid) == guest.vmid:
            add_unused(guest.config, volid)


def in_use(guest: Guest, key: str, volid: str) -> bool:
    """Tell whether another drive, or a snapshot, still needs a volume."""
    sections = [(guest.config, key), *((section, "") for section in guest.snapshots.values())]
    for section, skip in sections:
        for slot in DRIVES:
            if slot != skip and slot in section and parse_drive(str(section[slot])).get("file") == volid:
                return True
    return False


async def _drop_drive(lab: Lab, guest: Guest, slot: str, *, force: bool) -> None:
    """Take a drive out of the config, with its volume if that is asked for."""
    drive = parse_drive(str(guest.config[slot]))
    volid = drive.get("file", "")
    if force and not is_cdrom(drive, cloudinit_counts=False) and volume_ids.owner(lab, volid) == guest.vmid:
        if in_use(guest, slot, volid):
            raise refuse(f"unable to delete '{volid}' - volume is still in use (snapshot?)")
        await store.free(lab, guest.node, volid)
    else:
        await put_aside(lab, guest, str(guest.config[slot]))


def forget_reused(guest: Guest) -> None:
    """Drop `unusedN` entries whose volume is attached again."""
    for section in (guest.config, guest.pending):
        used = {parse_drive(str(section[slot])).get("file") for slot in DRIVES if slot in section}
        for key in [k for k, v in guest.config.items() if re.fullmatch(r"unused\d+", k) and v in used]:
            del guest.config[key]


async def apply_stopped(lab: Lab, guest: Guest) -> dict[str, str]:
    """Apply everything that is pending to a VM that does not run.

    Returns:
        What could not be applied, by option.
    """
    errors: dict[str, str] = {}
    for key, force in pending_deletes(guest.pending).items():
        try:
            if key in guest.config and key in DRIVES:
                await _drop_drive(lab, guest, key, force=force)
        except PVEError as error:
            errors[key] = f"unable to apply pending change {key} : {error.message}\n"
            continue
        drop_delete(guest.pending, key)
        guest.config.pop(key, None)
    clean_pending(guest.config, guest.pending)
    for key in [key for key in guest.pending if key != "delete"]:
        if key in guest.config and key in DRIVES:
            old, new = parse_drive(str(guest.config[key])), parse_drive(str(guest.pending[key]))
            if old.get("file") != new.get("file"):
                await put_aside(lab, guest, str(guest.config[key]))
        guest.config[key] = guest.pending.pop(key)
        if key in DRIVES and is_cloudinit(parse_drive(str(guest.config[key]))):
            cloudinit_written(guest)
    forget_reused(guest)
    return errors


async def apply_running(lab: Lab, guest: Guest, selection: Collection[str]) -> dict[str, str]:
    """Apply what a running VM takes at once; the rest stays pending.

    Args:
        lab: the world.
        guest: the VM.
        selection: the options that this call changed.

    Returns:
        What failed, by option; it stays pending too.
    """
    errors: dict[str, str] = {}
    for key in [key for key in guest.pending if fast(key)]:
        _record(guest, key, guest.pending[key])
        guest.config[key] = guest.pending.pop(key)
    for key, force in pending_deletes(guest.pending).items():
        if key not in selection or not can_unplug(key, guest.config):
            continue
        try:
            await _unplug(lab, guest, key, force=force)
        except (BackendError, PVEError) as error:
            errors[key] = f"hotplug problem - {error}\n"
            continue
        _record(guest, key, None)
        guest.config.pop(key, None)
        drop_delete(guest.pending, key)
    for key in [key for key in guest.pending if key != "delete" and key in selection]:
        if not can_plug(key, guest.pending[key], guest.config):
            continue
        try:
            await _plug(lab, guest, key)
        except (BackendError, PVEError) as error:
            errors[key] = f"hotplug problem - {error}\n"
            continue
        _record(guest, key, guest.pending[key])
        guest.config[key] = guest.pending.pop(key)
    forget_reused(guest)
    if "cloudinit" in hotplug_features(guest.config):
        cloudinit_written(guest)
    return errors


async def _unplug(lab: Lab, guest: Guest, key: str, *, force: bool) -> None:
    if key not in guest.config:
        return
    if key in DRIVES:
        await lab.backend.unplug(guest.vmid, key)
        await _drop_drive(lab, guest, key, force=force)
    elif re.fullmatch(r"net\d+", key):
        await lab.backend.unplug(guest.vmid, key)


async def _plug(lab: Lab, guest: Guest, key: str) -> None:
    value = str(guest.pending[key])
    if re.fullmatch(r"net\d+", key):
        if key in guest.config:
            await lab.backend.unplug(guest.vmid, key)
        await lab.backend.plug(guest.vmid, nic(key, value))
    elif key in DRIVES:
        old = str(guest.config.get(key, ""))
        same = parse_drive(old).get("file") == parse_drive(value).get("file")
        if old and not same:
            await lab.backend.unplug(guest.vmid, key)
            await put_aside(lab, guest, old)
        found = disk(lab, guest.node, key, value)
        if found is not None and not same:
            await lab.backend.plug(guest.vmid, found)


def _record(guest: Guest, key: str, new: str | int | None) -> None:
    """Remember what the cloud-init drive was last written with, for `GET cloudinit`."""
    if not _RECORDED.fullmatch(key) or cloudinit_slot(guest.config) is None:
        return
    known = dict(guest.extra.get("cloudinit") or {"was": {}, "added": {}})
    was, added = dict(known["was"]), dict(known["added"])
    old = guest.config.get(key)
    if key in was:
        if new == was[key]:
            del was[key]
    elif key in added:
        if new is None:
            del added[key]
    elif old is None and new is not None:
        added[key] = 1
    elif old is not None and old != new:
        was[key] = old
    guest.extra["cloudinit"] = {"was": was, "added": added}


def cloudinit_written(guest: Guest) -> None:
    """Note that the cloud-init drive now holds what the config says."""
    guest.extra.pop("cloudinit", None)
