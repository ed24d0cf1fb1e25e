"""How Proxmox VE names, sizes and copies volumes on each type of storage (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FILE_TYPES = frozenset({"dir", "nfs", "cifs", "cephfs", "glusterfs", "btrfs"})
CLOUDINIT_BYTES = 4 * 1024**2
TPM_BYTES = 4 * 1024**2
EFI_BYTES = {"2m": 128 * 1024, "4m": 528 * 1024}

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(?:iB)?")
NEW_DISK = re.compile(r"(?:([^/:\s]+):)?(\d+(?:\.\d+)?)")
_IMAGE_NAME = re.compile(r"(base-|basevol-)?[^/\s]+\.(raw|qcow2|vmdk|subvol)")
_ISO = re.compile(r"iso/([^/]+\.(?:iso|img))", re.IGNORECASE)
_ARCHIVE = re.compile(r"vztmpl/([^/]+\.tar(?:\.(?:gz|xz|zst|bz2))?)", re.IGNORECASE)
_BACKUP = re.compile(r"backup/((?:vzdump-(?:lxc|qemu)-(\d+)-)?[^/]+\.(?:tgz|tar|vma|log|notes)[^/]*)")
_IMPORT = re.compile(r"import/([^/]+\.(ova|ovf|qcow2|raw|vmdk)(?:/[^/]+\.(?:raw|qcow2|vmdk))?)")

_FILE_FEATURES = {
    "snapshot": {"current": {"qcow2"}, "snap": {"qcow2"}},
    "clone": {"base": {"qcow2", "raw", "vmdk"}},
    "template": {"current": {"qcow2", "raw", "vmdk", "subvol"}},
    "copy": {"base": {"qcow2", "raw", "vmdk"}, "current": {"qcow2", "raw", "vmdk"}, "snap": {"qcow2"}},
    "rename": {"current": {"qcow2", "raw", "vmdk"}},
}
_BLOCK = {"raw", "subvol"}
# storage type -> feature -> state of the volume (current, base, or one of its snapshots) -> formats that can do it.
# Source: what each plugin of pve-storage answers to `volume_has_feature`.
FEATURES: Mapping[str, Mapping[str, Mapping[str, set[str]]]] = {
    **dict.fromkeys(FILE_TYPES - {"btrfs"}, _FILE_FEATURES),
    "btrfs": {
        "snapshot": {"current": {"qcow2", *_BLOCK}, "snap": {"qcow2", *_BLOCK}},
        "clone": {"base": {"qcow2", "vmdk", *_BLOCK}, "current": {"raw"}, "snap": {"raw"}},
        "template": {"current": {"qcow2", "vmdk", *_BLOCK}},
        "copy": {"base": {"qcow2", *_BLOCK}, "current": {"qcow2", *_BLOCK}, "snap": {"qcow2", *_BLOCK}},
        "rename": {"current": {"qcow2", *_BLOCK}},
    },
    "lvm": {"copy": {"base": {"raw"}, "current": {"raw"}}, "rename": {"current": {"raw"}}},
    "lvmthin": {
        "snapshot": {"current": {"raw"}},
        "clone": {"base": {"raw"}, "snap": {"raw"}},
        "template": {"current": {"raw"}},
        "copy": {"base": {"raw"}, "current": {"raw"}, "snap": {"raw"}},
        "rename": {"current": {"raw"}},
    },
    "zfspool": {
        "snapshot": {"current": _BLOCK, "snap": _BLOCK},
        "clone": {"base": _BLOCK},
        "template": {"current": _BLOCK},
        "copy": {"base": _BLOCK, "current": _BLOCK},
        "rename": {"current": _BLOCK},
        "replicate": {"base": _BLOCK, "current": _BLOCK},
    },
    "rbd": {
        "snapshot": {"current": {"raw"}, "snap": {"raw"}},
        "clone": {"base": {"raw"}, "snap": {"raw"}},
        "template": {"current": {"raw"}},
        "copy": {"base": {"raw"}, "current": {"raw"}, "snap": {"raw"}},
        "rename": {"current": {"raw"}},
    },
}


@dataclass(frozen=True)
class VolumeName:
    """A volume's name taken apart; `base` is (owner's VMID, name) of the volume it was cloned from."""

    vtype: str
    name: str
    vmid: int | None
    format: str
    base: tuple[int, str] | None = None
    is_base: bool = False


def parse_size(text: str) -> int:
    """Read a size such as `10G`, `512M` or `1.5G`.

    Args:
        text: a number, perhaps with a unit.

    Returns:
        Bytes.

    Raises:
        ValueError: it is no size.
    """
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(text)
    return int(float(found[1]) * _UNITS[found[2]]) if "." in found[1] else int(found[1]) * _UNITS[found[2]]


def format_size(size: int) -> str:
    """Print bytes with the largest unit that divides them, as volumes' `size=` shows them."""
    for unit in ("", "K", "M", "G"):
        if size % 1024:
            return f"{size}{unit}"
        size //= 1024
    return f"{size}T"


def formats(kind: str, *, container: bool = False) -> tuple[str, ...]:
    """Name the image formats of a type of storage, its default first."""
    if kind == "zfspool":
        return ("subvol", "raw") if container else ("raw", "subvol")
    if kind in FILE_TYPES:
        return ("raw", "qcow2", "vmdk", "subvol") if kind in {"dir", "cephfs"} else ("raw", "qcow2", "vmdk")
    return ("raw",)


def _parse_file(volname: str) -> VolumeName:
    """Take a name on a directory or share apart."""
    if linked := re.fullmatch(r"(\d+)/(\S+)/(\d+)/(\S+)", volname):
        image = _image(linked[4])
        return VolumeName("images", linked[4], int(linked[3]), image[1], (int(linked[1]), linked[2]), image[0])
    if plain := re.fullmatch(r"(\d+)/(\S+)", volname):
        image = _image(plain[2])
        return VolumeName("images", plain[2], int(plain[1]), image[1], None, image[0])
    for vtype, pattern in (("iso", _ISO), ("vztmpl", _ARCHIVE)):
        if found := pattern.fullmatch(volname):
            return VolumeName(vtype, found[1], None, "raw")
    if found := _BACKUP.fullmatch(volname):
        return VolumeName("backup", found[1], int(found[2]) if found[2] else None, "raw")
    if volname.startswith("snippets/") and volname.count("/") == 1:
        return VolumeName("snippets", volname.removeprefix("snippets/"), None, "raw")
    if found := _IMPORT.fullmatch(volname):
        return VolumeName("import", found[1], None, found[2])
    raise ValueError(f"unable to parse directory volume name '{volname}'")


def _image(name: str) -> tuple[bool, str]:
    """Tell whether an image file is a base, and its format."""
    found = _IMAGE_NAME.fullmatch(name)
    if not found:
        raise ValueError(f"unable to parse volume filename '{name}'")
    return bool(found[1]), found[2]


def parse_volname(kind: str, volname: str) -> VolumeName:
    """Take a volume's name apart as the storage's plugin does.

    Args:
        kind: type of the storage, such as `dir` or `lvmthin`.
        volname: what follows `STORAGE:` in a volume ID.

    Returns:
        The parts.

    Raises:
        ValueError: not a name on such a storage; the message is Proxmox VE's.
    """
    if kind in FILE_TYPES:
        return _parse_file(volname)
    if kind in {"zfspool", "rbd"}:
        found = re.fullmatch(r"(?:((?:base|basevol)-(\d+)-\S+)/)?((base|basevol|vm|subvol)-(\d+)-[^/\s]+)", volname)
        if found:
            form = "subvol" if found[4] in {"subvol", "basevol"} else "raw"
            base = (int(found[2]), found[1]) if found[1] else None
            return VolumeName("images", found[3], int(found[5]), form, base, found[4] in {"base", "basevol"})
        raise ValueError(f"unable to parse {'zfs' if kind == 'zfspool' else 'rbd'} volume name '{volname}'")
    found = re.fullmatch(r"((vm|base)-(\d+)-\S+)", volname)
    if not found or (kind == "lvm" and found[2] == "base"):
        raise ValueError(f"unable to parse lvm volume name '{volname}'")
    return VolumeName("images", found[1], int(found[3]), "raw", None, found[2] == "base")


def has_feature(kind: str, feature: str, volname: str, *, snapshot: bool = False, container: bool = False) -> bool:
    """Tell whether a volume can be snapshotted, cloned (linked), copied, made a base or renamed.

    Args:
        kind: type of the storage.
        feature: `snapshot`, `clone`, `copy`, `template`, `rename` or `replicate`.
        volname: the volume's name on it.
        snapshot: the question is about one of its snapshots.
        container: a container needs raw or subvol, which rules out clones that are qcow2 files.

    Returns:
        Whether it can.
    """
    if container and feature == "clone" and kind in FILE_TYPES - {"btrfs"}:
        return False
    name = parse_volname(kind, volname)
    state = "snap" if snapshot else "base" if name.is_base else "current"
    return name.format in FEATURES.get(kind, {}).get(feature, {}).get(state, set())


def free_name(kind: str, vmid: int, form: str, taken: Iterable[str]) -> str:
    """Choose the name of a guest's next disk: the lowest number that neither a disk nor a base of it has.

    Args:
        kind: type of the storage.
        vmid: owner.
        form: image format; part of the name on file storages.
        taken: volume names on that storage.

    Returns:
        The name without folders, such as `vm-101-disk-0.qcow2`.
    """
    used = {
        int(found[1]) for name in taken if (found := re.search(rf"(?:vm|base|subvol|basevol)-{vmid}-disk-(\d+)", name))
    }
    number = next(n for n in range(len(used) + 1) if n not in used)
    prefix = "subvol" if form == "subvol" else "vm"
    return f"{prefix}-{vmid}-disk-{number}{f'.{form}' if kind in FILE_TYPES else ''}"


def place(kind: str, vmid: int, name: str) -> str:
    """Give the volume name of an image file or block volume."""
    return f"{vmid}/{name}" if kind in FILE_TYPES else name


def linked_volname(kind: str, base: str, vmid: int, name: str) -> str:
    """Name a linked clone: it carries its base's name, but on LVM-thin."""
    if kind in FILE_TYPES:
        owner = parse_volname(kind, base)
        return f"{owner.vmid}/{owner.name}/{vmid}/{name}"
    if kind in {"zfspool", "rbd"}:
        return f"{parse_volname(kind, base).name}/{name}"
    return name


def base_volname(kind: str, volname: str) -> str:
    """Name the base that a volume becomes when its guest becomes a template."""
    parts = parse_volname(kind, volname)
    new = re.sub(r"^vm-", "base-", re.sub(r"^subvol-", "basevol-" if kind == "zfspool" else "base-", parts.name))
    return volname.removesuffix(parts.name) + new


def rounded(kind: str, size: int) -> int:
    """Round a size up to what the storage allocates: LVM in extents of 4 MiB, ZFS in MiB, else as asked."""
    grain = {"lvm": 4 * 1024**2, "lvmthin": 4 * 1024**2, "zfspool": 1024**2}.get(kind, 1)
    return -(-size // grain) * grain


def copy_seconds(size: int) -> float:
    """Give the time that a node takes to copy so many bytes."""
    return 0.3 + size / 1024**3
