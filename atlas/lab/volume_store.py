"""Volumes in the lab's world, and the disks behind them: allocation, copies, linked clones, bases, growth, freeing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from atlas.lab import volumes
from atlas.lab.backend import BackendError
from atlas.lab.entities import Storage, Volume
from atlas.lab.guests import refuse
from atlas.lab.storage_view import no_space, usage
from atlas.lab.volume_ids import file_path, is_used_base, owner, volnames

if TYPE_CHECKING:
    from atlas.lab.world import Lab


def default_format(storage: Storage) -> str:
    """Choose the image format of a storage where none is asked for."""
    return str(storage.options.get("format") or volumes.formats(storage.type)[0])


def _backend_path(lab: Lab, storage: Storage, node: str, vmid: int, name: str) -> str:
    """Choose a path that no volume has; a base keeps the path from before it was one."""
    wanted = f"{storage.id}/{'' if storage.shared else node + '/'}images/{vmid}/{name}"
    used = {path for volume in lab.volumes.values() for path in (volume.path, volume.extra.get("shares"))}
    return next(path for path in (wanted, *(f"{wanted}.{n}" for n in range(1, 9999))) if path not in used)


def _record(lab: Lab, storage: Storage, node: str, volname: str, vmid: int, form: str, size: int) -> Volume:
    """Enter a volume, so that nobody else takes its name while its disk is made."""
    volid = f"{storage.id}:{volname}"
    key = lab.volume_key(volid, node)
    if key in lab.volumes:
        path = file_path(lab, volid)
        raise refuse(f"disk image '{path}' already exists")
    if storage.id in lab.full:
        raise refuse(no_space(storage, file_path(lab, volid), size))
    if storage.type == "lvm":
        total, used = usage(lab, storage, node)
        if total - used < size:
            raise refuse(f"not enough free space ({(total - used) // 1024} < {size // 1024})")
    where = None if storage.shared else node
    path = _backend_path(lab, storage, node, vmid, volname.rsplit("/", 1)[-1])
    used = size if storage.type == "lvm" else 0
    record = Volume(volid, storage.id, "images", form, size, where, used, vmid, None, lab.clock.now(), path)
    lab.volumes[key] = record
    return record


async def allocate(
    lab: Lab,
    node: str,
    storage_id: str,
    vmid: int,
    size: int,
    *,
    form: str | None = None,
    name: str | None = None,
    image: str | None = None,
    content: str = "images",
) -> Volume:
    """Make a volume.

    Args:
        lab: the world.
        node: where.
        storage_id: on which storage.
        vmid: owner.
        size: bytes.
        form: image format; the storage's own if left out.
        name: file or block volume name; the next free disk's if left out.
        image: what a real disk is filled with: a name of the image catalogue.
        content: `images`, or `rootdir` for a container's.

    Returns:
        The volume.

    Raises:
        PVEError: no such storage, no space, or the name is taken.
    """
    storage = lab.storage(storage_id, node)
    form = form or default_format(storage)
    size = volumes.rounded(storage.type, size)
    name = name or volumes.free_name(storage.type, vmid, form, volnames(lab, storage, node))
    record = _record(lab, storage, node, volumes.place(storage.type, vmid, name), vmid, form, size)
    record.content = content
    if image:
        record.extra["image"] = image
    await _make(lab, record, node, lambda: lab.backend.create_disk(str(record.path), size, image))
    return record


async def _make(lab: Lab, record: Volume, node: str, make: Callable[[], Awaitable[None]]) -> None:
    """Let the backend make the disk; a volume whose disk could not be made is forgotten."""
    try:
        await make()
    except BaseException as error:
        lab.volumes.pop(lab.volume_key(record.volid, node), None)
        if isinstance(error, BackendError):
            raise refuse(str(error)) from error
        raise


async def copy(
    lab: Lab,
    node: str,
    source: Volume,
    storage_id: str,
    vmid: int,
    *,
    form: str | None = None,
    name: str | None = None,
    snapshot: str | None = None,
    content: str = "images",
    size: int | None = None,
) -> Volume:
    """Make a full copy of a volume, or of one of its snapshots, on some storage.

    Args:
        lab: the world.
        node: where.
        source: what is copied.
        storage_id: the target storage.
        vmid: the copy's owner.
        form: image format; the source's where the target storage has it, else that storage's own.
        name: the copy's name; the next free disk's if left out.
        snapshot: copy the state that this snapshot holds.
        content: `images` or `rootdir`.
        size: bytes, where the source is a file that holds a disk of another size.

    Returns:
        The copy.
    """
    storage = lab.storage(storage_id, node)
    wanted = form or source.format
    form = wanted if wanted in volumes.formats(storage.type) else default_format(storage)
    name = name or volumes.free_name(storage.type, vmid, form, volnames(lab, storage, node))
    size = volumes.rounded(storage.type, source.size if size is None else size)
    record = _record(lab, storage, node, volumes.place(storage.type, vmid, name), vmid, form, size)
    record.content, record.used = content, max(record.used, source.used)
    record.extra.update(source.extra)
    source_path, path = str(source.path), str(record.path)
    await _make(lab, record, node, lambda: lab.backend.clone_disk(source_path, path, snapshot=snapshot))
    return record


async def link(lab: Lab, node: str, source: Volume, vmid: int, snapshot: str | None = None) -> Volume:
    """Make a linked clone of a base volume, or of a snapshot where the storage can.

    Args:
        lab: the world.
        node: where.
        source: what it is laid over.
        vmid: its owner.
        snapshot: lay it over this snapshot.

    Returns:
        The clone, on the same storage.
    """
    storage = lab.storage(source.storage, node)
    form = "qcow2" if storage.type in volumes.FILE_TYPES else source.format
    name = volumes.free_name(storage.type, vmid, form, volnames(lab, storage, node))
    base = source.volid.partition(":")[2]
    volname = volumes.place(storage.type, vmid, name)
    if not snapshot:
        volname = volumes.linked_volname(storage.type, base, vmid, name)
    record = _record(lab, storage, node, volname, vmid, form, source.size)
    record.content, record.parent = source.content, source.volid
    record.extra.update(source.extra)
    source_path, path = str(source.path), str(record.path)
    await _make(lab, record, node, lambda: lab.backend.clone_disk(source_path, path, linked=True, snapshot=snapshot))
    return record


def make_base(lab: Lab, node: str, volume: Volume) -> Volume:
    """Turn a volume into a base: it gets a new name and is not written any more."""
    storage = lab.storage(volume.storage, node)
    volname = volumes.base_volname(storage.type, volume.volid.partition(":")[2])
    return rename(lab, node, volume, f"{storage.id}:{volname}")


def rename(lab: Lab, node: str, volume: Volume, volid: str) -> Volume:
    """Give a volume a new ID; what is behind it stays where it is."""
    del lab.volumes[lab.volume_key(volume.volid, node)]
    volume.volid = volid
    volume.vmid = owner(lab, volid)
    lab.volumes[lab.volume_key(volid, node)] = volume
    return volume


async def free(lab: Lab, node: str, volid: str) -> None:
    """Free a volume; one that is not there is no fault.

    Raises:
        PVEError: it is a base that linked clones need, or protected.
    """
    if is_used_base(lab, node, volid):
        raise refuse(f"base volume '{volid.partition(':')[2]}' is still in use by linked clones")
    record = lab.volumes.pop(lab.volume_key(volid, node), None)
    if record is None:
        return
    clones = [other for other in lab.volumes.values() if (other.parent, other.node) == (volid, record.node)]
    for clone in clones:  # on LVM-thin, which lets them live on: what they share with it stays until the last one goes
        clone.parent, clone.extra["shares"] = None, record.path
    gone = [] if clones else [record.path]
    gone += [] if _shared(lab, record.extra.get("shares")) else [record.extra.get("shares")]
    for path in gone:
        if path:
            await lab.backend.delete_disk(path)


def _shared(lab: Lab, path: str | None) -> bool:
    return any(other.extra.get("shares") == path for other in lab.volumes.values())


async def resize(lab: Lab, node: str, volume: Volume, size: int) -> None:
    """Grow a volume to a size in bytes.

    Raises:
        PVEError: its format cannot be grown.
    """
    storage = lab.storage(volume.storage, node)
    if storage.type in volumes.FILE_TYPES and volume.format not in {"raw", "qcow2"}:
        raise refuse("can't resize this image format")
    if (
        storage.type in volumes.FILE_TYPES
        and volumes.parse_volname(storage.type, volume.volid.partition(":")[2]).is_base
    ):
        how = "metadata" if volume.format == "qcow2" else "off"  # nobody may write to a template's file
        command = f"/usr/bin/qemu-img resize '--preallocation={how}' -f {volume.format}"
        raise refuse(f"command '{command} {file_path(lab, volume.volid)} {size}' failed: exit code 1")
    volume.size = size
    if volume.path:
        await lab.backend.resize_disk(volume.path, size)
