"""Drives that a call gives to a VM: checked, then allocated, imported or found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from atlas.lab import volume_ids
from atlas.lab import volume_store as store
from atlas.lab.call import Call, PVEError
from atlas.lab.entities import Volume
from atlas.lab.guest_config import truth
from atlas.lab.guest_devices import DRIVES, cloudinit_slot, is_cdrom, parse_drive, print_drive
from atlas.lab.guests import fault, refuse
from atlas.lab.volume_access import ONLY_ROOT_PATHS, check_access
from atlas.lab.volumes import CLOUDINIT_BYTES, EFI_BYTES, FILE_TYPES, NEW_DISK, TPM_BYTES
from atlas.lab.world import Lab

_IMPORT_NEEDS = {"efidisk0": ("efitype", "pre-enrolled-keys"), "tpmstate0": ("version",)}


def given(params: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the drives among a call's parameters, by name."""
    for slot in sorted(key for key in params if key in DRIVES):
        yield slot, parse_drive(str(params[slot]))


def _is_cloudinit_request(volid: str) -> bool:
    parts = volume_ids.split_volid(volid)
    return volid == "cloudinit" or (parts is not None and parts[1] == "cloudinit")


def check_syntax(call: Call, params: dict[str, Any]) -> None:
    """Refuse drives that contradict themselves, and write the others in their normal form.

    Args:
        call: the call, for its storages.
        params: its parameters; changed in place.

    Raises:
        PVEError: 400 with the slot's name.
    """
    for slot, drive in given(params):
        volid = drive.get("file", "")
        if drive.get("media") == "cdrom" and ("format" in drive or slot.startswith("virtio")):
            raise fault(**{slot: "unable to parse drive options"})
        fresh = NEW_DISK.fullmatch(volid)
        if "import-from" in drive and (not fresh or float(fresh[2]) != 0):
            text = "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>"
            raise fault(**{slot: text})
        for required in _IMPORT_NEEDS.get(slot, ()) if "import-from" in drive else ():
            if required not in drive:
                raise fault(**{slot: f"need to specify '{required}' when using 'import-from'"})
        if volid in {"cdrom", "none"}:
            drive.setdefault("media", "cdrom")
        elif not fresh and not volume_ids.split_volid(volid) and not volid.startswith("/dev/"):
            raise fault(**{slot: f"unable to associate path '{volid}' to any storage"})
        elif not fresh and not volid.startswith("/dev/") and not _is_cloudinit_request(volid):
            kind = volume_ids.parse(call.lab, volid)[1].vtype
            if kind == "iso" and drive.get("media") != "cdrom":
                raise fault(**{slot: "explicit 'media=cdrom' is required for iso images"})
        params[slot] = print_drive(drive)


def check_rights(call: Call, vmid: int, params: Mapping[str, Any], default_storage: str | None = None) -> None:
    """Refuse drives on storages, or from sources, that the caller may not use.

    Args:
        call: the call.
        vmid: the VM that gets them.
        params: the call's parameters.
        default_storage: where disks go that name no storage.

    Raises:
        PVEError: 403, 400 or 500 as PVE says it.
    """
    for slot, drive in given(params):
        volid = drive.get("file", "")
        if not volid or volid == "none" or _is_cloudinit_request(volid):
            continue
        fresh = NEW_DISK.fullmatch(volid)
        if is_cdrom(drive) and volid == "cdrom":
            call.need("/", "Sys.Console")
        elif fresh and not is_cdrom(drive):
            _check_new(call, fresh[1] or default_storage)
        else:
            check_access(call, vmid, volid)
            if volume_ids.split_volid(volid) and volume_ids.parse(call.lab, volid)[1].vtype not in {"images", "iso"}:
                raise fault(**{slot: "content type needs to be 'images' or 'iso'"})
        if "import-from" in drive:
            _check_source(call, vmid, slot, drive["import-from"])
    if params.get("vmstatestorage"):
        call.need(f"/storage/{params['vmstatestorage']}", "Datastore.AllocateSpace")


def _check_new(call: Call, storage_id: str | None) -> None:
    if not storage_id:
        raise refuse("no storage ID specified (and no default storage)")
    call.need(f"/storage/{storage_id}", "Datastore.AllocateSpace")
    if "images" not in call.lab.storage(storage_id).content:
        raise fault(storage=f"storage '{storage_id}' does not support vm images")


def _check_source(call: Call, vmid: int, slot: str, source: str) -> None:
    if not volume_ids.split_volid(source):
        if not call.is_root:
            raise refuse(ONLY_ROOT_PATHS)
        return
    name = volume_ids.parse(call.lab, source)[1]
    if name.vtype not in {"images", "import"}:
        raise fault(**{slot: f"{source} has wrong type '{name.vtype}' - needs to be 'images' or 'import'"})
    if name.vmid:
        call.need(f"/vms/{name.vmid}", "VM.Clone")
    else:
        check_access(call, vmid, source)


@dataclass
class Creation:
    """The making of drives for one VM.

    Args:
        lab: the world.
        call: whose rights count for volumes that are there already.
        node: where.
        vmid: owner.
        config: the VM's config, in which a second cloud-init drive is looked for.
        storage: where disks go that name no storage.
        made: the volumes made so far, to be freed if something fails.
        options: the drives as the config gets them.
    """

    lab: Lab
    call: Call
    node: str
    vmid: int
    config: Mapping[str, Any]
    storage: str | None = None
    made: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)

    async def run(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Make every drive among the parameters.

        Returns:
            The drives as the config gets them.

        Raises:
            PVEError: one could not be made; those made before it are freed.
        """
        try:
            for slot, drive in given(params):
                self.options[slot] = print_drive(await self._one(slot, drive))
        except BaseException:
            await self.undo()
            raise
        return self.options

    async def undo(self) -> None:
        """Free what was made."""
        for volid in self.made:
            await store.free(self.lab, self.node, volid)
        self.made.clear()

    async def _one(self, slot: str, drive: dict[str, str]) -> dict[str, str]:
        volid = drive.get("file", "")
        if volid in {"", "none", "cdrom"}:
            return {key: value for key, value in drive.items() if key != "size"}
        if _is_cloudinit_request(volid):
            return await self._cloudinit(slot, drive)
        fresh = NEW_DISK.fullmatch(volid)
        if not fresh:
            return self._existing(slot, drive)
        storage_id = fresh[1] or self.storage
        if not storage_id:
            raise refuse("no storage ID specified (and no default storage)")
        source = drive.pop("import-from", None)
        form = drive.pop("format", None)
        if source is None:
            size = _fixed_size(slot, drive) or int(float(fresh[2]) * 1024**3)
            made = await store.allocate(self.lab, self.node, storage_id, self.vmid, size, form=form)
        else:
            made = await self._import(source, storage_id, form)
        if truth(self.config.get("template")):
            made = store.make_base(self.lab, self.node, made)
        self.made.append(made.volid)
        return {**drive, "file": made.volid, "size": str(made.size)}

    async def _import(self, source: str, storage_id: str, form: str | None) -> Volume:
        volume = self._source(source)
        size = int(volume.extra.get("virtual") or volume.size)
        made = await store.copy(self.lab, self.node, volume, storage_id, self.vmid, form=form, size=size)
        await self.lab.backend.resize_disk(str(made.path), made.size)  # the storage may have rounded it up
        made.extra = {"image": volume.extra.get("image") or volume.volid}
        return made

    def _source(self, source: str) -> Volume:
        storage, name = volume_ids.parse(self.lab, source)
        found = self.lab.volume(source, self.node)
        if found is None:
            if name.vtype == "import":
                raise refuse(f"failed to stat '{volume_ids.file_path(self.lab, source)}'")
            raise refuse(f"cannot import from '{source}' - volume '{source}' does not exist")
        if not volume_ids.able(self.lab, "copy", source) and name.vtype != "import":
            text = f"cannot import from '{source}' - full clone feature is not supported"
            raise refuse(f"cannot import from '{source}' - {text}")
        del storage
        return found

    async def _cloudinit(self, slot: str, drive: dict[str, str]) -> dict[str, str]:
        parts = volume_ids.split_volid(drive["file"])
        storage_id = parts[0] if parts else self.storage
        if not storage_id:
            raise refuse("no storage ID specified (and no default storage)")
        taken = cloudinit_slot(self.config, slot) or cloudinit_slot(self.options, slot)
        if taken:
            raise refuse(f"{slot} - cloud-init drive is already attached at '{taken}'")
        files = self.lab.storage(storage_id).type in FILE_TYPES
        form = drive.pop("format", None) or ("qcow2" if files else "raw")
        name = f"vm-{self.vmid}-cloudinit" + (f".{form}" if files else "")
        made = await store.allocate(self.lab, self.node, storage_id, self.vmid, CLOUDINIT_BYTES, form=form, name=name)
        self.made.append(made.volid)
        return {**drive, "file": made.volid, "media": "cdrom"}

    def _existing(self, slot: str, drive: dict[str, str]) -> dict[str, str]:
        volid = drive["file"]
        check_access(self.call, self.vmid, volid)
        if not volume_ids.split_volid(volid):
            return drive
        name = volume_ids.parse(self.lab, volid)[1]
        if drive.get("format") and drive["format"] != name.format:
            asked = f"'format={drive['format']}' option different from storage format '{name.format}'"
            raise refuse(f"drive '{slot}' - volume '{volid}' - {asked}")
        taken = cloudinit_slot(self.config, slot)
        if re.search(r"vm-\d+-cloudinit", volid) and taken:
            raise refuse(f"{slot} - cloud-init drive is already attached at '{taken}'")
        return {**drive, "size": str(volume_ids.find(self.lab, self.node, volid).size)}


def _fixed_size(slot: str, drive: Mapping[str, str]) -> int | None:
    """Give the bytes of a drive whose size is not the caller's to choose."""
    if slot == "tpmstate0":
        return TPM_BYTES
    return EFI_BYTES.get(drive.get("efitype", "2m")) if slot == "efidisk0" else None


async def release(lab: Lab, node: str, volids: list[str]) -> list[str]:
    """Free volumes, going on where one cannot be freed.

    Returns:
        The faults, in PVE's words.
    """
    faults: list[str] = []
    for volid in volids:
        try:
            await store.free(lab, node, volid)
        except PVEError as error:
            faults.append(f"Could not remove disk '{volid}', check manually: {error.message}")
    return faults
