"""What a volume ID tells: its storage, path and owner, what can be done with the volume, and who needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas.lab import volumes
from atlas.lab.call import PVEError
from atlas.lab.entities import Storage, Volume
from atlas.lab.guests import refuse
from atlas.lab.volumes import VolumeName

if TYPE_CHECKING:
    from atlas.lab.world import Lab


def split_volid(volid: str) -> tuple[str, str] | None:
    """Split `storage:name`; None for a path, `none` and other texts that are no volume ID."""
    storage, sign, name = volid.partition(":")
    return (storage, name) if sign and name and not storage.startswith("/") and "/" not in storage else None


def parse(lab: Lab, volid: str) -> tuple[Storage, VolumeName]:
    """Take a volume ID apart.

    Raises:
        PVEError: the storage does not exist, or the name is none of its kind.
    """
    parts = split_volid(volid)
    if parts is None:
        raise refuse(f"unable to parse volume ID '{volid}'")
    storage = lab.storage(parts[0])
    try:
        return storage, volumes.parse_volname(storage.type, parts[1])
    except ValueError as error:
        raise refuse(str(error)) from error


def find(lab: Lab, node: str, volid: str) -> Volume:
    """Find a volume that must be there.

    Raises:
        PVEError: it is not; the text is PVE's.
    """
    storage, _ = parse(lab, volid)
    lab.storage(storage.id, node)
    found = lab.volume(volid, node)
    if found is None:
        raise refuse(f"volume '{volid}' does not exist")
    return found


def file_path(lab: Lab, volid: str) -> str:
    """Give the path of a volume on its node, as error texts name it."""
    storage, name = parse(lab, volid)
    root = str(storage.options.get("path") or f"/mnt/pve/{storage.id}")
    if storage.type not in volumes.FILE_TYPES:
        return f"/dev/{storage.options.get('vgname', storage.id)}/{name.name}"
    if name.vtype == "images":
        return f"{root}/images/{name.vmid}/{name.name}"
    folders = {"iso": "template/iso", "vztmpl": "template/cache", "backup": "dump"}
    return f"{root}/{folders.get(name.vtype, name.vtype)}/{name.name}"


def owner(lab: Lab, volid: str) -> int | None:
    """Tell which guest a volume's name says it belongs to."""
    try:
        return parse(lab, volid)[1].vmid
    except PVEError:
        return None


def able(lab: Lab, feature: str, volid: str, *, snapshot: bool = False, container: bool = False) -> bool:
    """Tell whether a volume's storage and format can do something; see `volumes.has_feature`."""
    parts = split_volid(volid)
    storage = lab.storages.get(parts[0]) if parts else None
    if storage is None or parts is None:
        return False
    try:
        return volumes.has_feature(storage.type, feature, parts[1], snapshot=snapshot, container=container)
    except ValueError:
        return False


def volnames(lab: Lab, storage: Storage, node: str) -> list[str]:
    """List the names of the volumes that a node sees on a storage."""
    return [volume.volid.partition(":")[2] for volume in lab.local_volumes(storage.id, node)]


def is_used_base(lab: Lab, node: str, volid: str) -> bool:
    """Tell whether linked clones need a base; never on LVM-thin, whose clones do not name it."""
    storage, name = parse(lab, volid)
    if not name.is_base:
        return False
    return any(_base_of(storage.type, other) == name.name for other in volnames(lab, storage, node))


def _base_of(kind: str, volname: str) -> str | None:
    """Give the name of the base in a linked clone's name."""
    try:
        base = volumes.parse_volname(kind, volname).base
    except ValueError:
        return None
    return base[1] if base else None


def owned(lab: Lab, node: str, vmid: int) -> list[Volume]:
    """List every image on the node's storages that belongs to a guest by its name."""
    kinds = {"images", "rootdir"}
    return [v for v in lab.volumes.values() if v.vmid == vmid and v.content in kinds and v.node in {None, node}]
