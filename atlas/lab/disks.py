"""The lab's folder of disk files, worked on with qemu-img; disks of running machines go through their monitor."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from pathlib import Path
from typing import Any

from atlas.lab import image
from atlas.lab.backend import BackendError, Machine


async def qemu_img(*arguments: str) -> str:
    """Run qemu-img and return its output.

    Raises:
        BackendError: with qemu-img's own words.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            "qemu-img", *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise BackendError("qemu-img is missing: sudo apt-get install qemu-utils") from error
    output, complaint = await process.communicate()
    if process.returncode != 0:
        raise BackendError(complaint.decode(errors="replace").strip() or f"qemu-img {arguments[0]} failed")
    return output.decode()


async def info(disk: Path) -> dict[str, Any]:
    """Return what qemu-img tells about a disk, also of one in use."""
    return dict(json.loads(await qemu_img("info", "-U", "--output=json", str(disk))))


async def has_snapshot(disk: Path, name: str) -> bool:
    """Tell whether a disk holds a snapshot of that name."""
    return any(each["name"] == name for each in (await info(disk)).get("snapshots", []))


class Disks:
    """Disk files by name below one folder. A note beside a file names the image that it began as."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, path: str) -> Path:
        """Return the file of a disk; a name that leaves the folder is refused."""
        disk = Path(os.path.normpath(self.folder / path))
        if not disk.is_relative_to(self.folder) or disk == self.folder:
            raise BackendError(f"'{path}' is no name of a disk")
        return disk

    async def create(self, path: str, size: int, name: str | None) -> None:
        """Make an empty disk; one of an image is only noted, since the image may have to be built first."""
        disk = self.file(path)
        disk.parent.mkdir(parents=True, exist_ok=True)
        if name is None:
            await qemu_img("create", "-q", "-f", "qcow2", str(disk), str(size))
        else:
            _note(disk).write_text(f"{name} {size}\n")

    async def put(self, path: str, source: Path, form: str) -> None:
        """Convert a file that came from outside; one that names other files is refused, since it would read those."""
        known = json.loads(await qemu_img("info", "--output=json", "-f", form, str(source)))
        data = known.get("format-specific", {}).get("data", {})
        extents = [each["filename"] for each in data.get("extents", []) if each["filename"] != str(source)]
        if known.get("backing-filename") or data.get("data-file") or extents:
            raise BackendError("the image refers to other files")
        disk = self.file(path)
        disk.parent.mkdir(parents=True, exist_ok=True)
        await qemu_img("convert", "-q", "-f", form, "-O", "qcow2", str(source), str(disk))

    async def present(self, path: str) -> Path:
        """Return a disk's file, making it now if it is only noted so far."""
        disk = self.file(path)
        if not disk.exists() and _note(disk).exists():
            name, size = _note(disk).read_text().split()
            built = await asyncio.to_thread(image.build, name)
            part = disk.with_name(f".{disk.name}.{secrets.token_hex(4)}")
            await _overlay(part, built.disk, size)
            part.replace(disk)
        return disk

    async def clone(self, source: str, target: str, *, linked: bool, snapshot: str | None) -> None:
        """Lay a new disk over another, or copy one that nobody writes to; holes stay holes."""
        old, new = await self.present(source), self.file(target)
        new.parent.mkdir(parents=True, exist_ok=True)
        if linked:
            await _overlay(new, old)
        else:
            chosen = ["-l", f"snapshot.name={snapshot}"] if snapshot else []
            await qemu_img("convert", "-q", "-U", "-W", "-O", "qcow2", *chosen, str(old), str(new))

    async def resize(self, path: str, size: int) -> None:
        """Grow a disk that nobody writes to."""
        await qemu_img("resize", "-q", "-f", "qcow2", str(await self.present(path)), str(size))

    async def snapshot(self, path: str, name: str) -> None:
        """Snapshot a disk inside its file."""
        await qemu_img("snapshot", "-c", name, str(await self.present(path)))

    async def rollback(self, path: str, name: str) -> None:
        """Return a disk to its snapshot."""
        await qemu_img("snapshot", "-a", name, str(self.file(path)))

    async def delete_snapshot(self, path: str, name: str) -> None:
        """Drop a snapshot of a disk, where there is one."""
        if await has_snapshot(self.file(path), name):
            await qemu_img("snapshot", "-d", name, str(self.file(path)))

    def inherit(self, source: str, target: str) -> None:
        """Note the same image for a copy."""
        note = _note(self.file(source))
        if note.exists():
            _note(self.file(target)).write_text(note.read_text())

    def delete(self, path: str) -> None:
        """Delete the file and its note."""
        disk = self.file(path)
        disk.unlink(missing_ok=True)
        _note(disk).unlink(missing_ok=True)

    async def image_of(self, machine: Machine) -> image.Image | None:
        """Return the image whose kernel starts a machine: that of the first in boot order that came from one."""
        slots = list(machine.boot)
        order = sorted(machine.disks, key=lambda disk: slots.index(disk.slot) if disk.slot in slots else len(slots))
        for disk in order:
            note = _note(self.file(disk.path))
            if note.exists():
                return await asyncio.to_thread(image.build, note.read_text().split()[0])
        return None


async def _overlay(disk: Path, backing: Path, size: str = "") -> None:
    sized = [size] if size else []
    await qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(backing), str(disk), *sized)


def _note(disk: Path) -> Path:
    return disk.with_name(f"{disk.name}.image")
