"""Disks, network cards and mount points of guests: reading and printing their property strings (pure)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping

from atlas.lab.cloudinit import is_cloudinit_volume
from atlas.lab.volumes import format_size, parse_size

Config = Mapping[str, str | int]
DRIVES = (
    *(f"ide{n}" for n in range(4)),
    *(f"scsi{n}" for n in range(31)),
    *(f"virtio{n}" for n in range(16)),
    *(f"sata{n}" for n in range(6)),
    "efidisk0",
    "tpmstate0",
)
"""Drive slots in the order in which a boot disk is looked for."""
MOUNTS = ("rootfs", *(f"mp{n}" for n in range(256)))
_BOOLEANS = {
    *("backup", "iothread", "replicate", "ro", "shared", "snapshot", "ssd", "pre-enrolled-keys", "firewall"),
    *("link_down", "acl", "quota", "detect_zeroes"),
}
_TRUTH = {"on": "1", "yes": "1", "true": "1", "off": "0", "no": "0", "false": "0"}


def split(text: str, default: str | None = None) -> dict[str, str]:
    """Read a property string.

    Args:
        text: such as `local-lvm:vm-1-disk-0,size=10G`.
        default: the key of a value that stands without one.

    Returns:
        Values by key; booleans as `1` or `0`.
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        key, sign, value = part.partition("=")
        if not part.strip():
            continue
        if sign:
            found[key] = _TRUTH.get(value.lower(), value) if key in _BOOLEANS else value
        elif default:
            found[default] = part
    return found


def join(data: Mapping[str, str], default: str | None = None, first: tuple[str, ...] = ()) -> str:
    """Print a property string: the default key's bare value, the required keys, then the rest by name."""
    head = [data[default]] if default and default in data else []
    head += [f"{key}={data[key]}" for key in first if key in data]
    return ",".join([*head, *(f"{key}={data[key]}" for key in sorted(data) if key != default and key not in first)])


def parse_drive(text: str) -> dict[str, str]:
    """Read a VM's drive; its volume or `none` is `file`."""
    drive = split(text, "file")
    if "volume" in drive:
        drive["file"] = drive.pop("volume")
    return drive


def print_drive(drive: Mapping[str, str]) -> str:
    """Print a VM's drive with its size in the largest unit that divides it."""
    return join(_sized(drive), "file")


def _sized(data: Mapping[str, str]) -> dict[str, str]:
    """Give the size its printed form."""
    return {**data, "size": format_size(parse_size(data["size"]))} if "size" in data else dict(data)


def is_cdrom(drive: Mapping[str, str], *, cloudinit_counts: bool = True) -> bool:
    """Tell whether a drive holds a CD: an image, nothing, or (unless told otherwise) the cloud-init data."""
    if not cloudinit_counts and is_cloudinit(drive):
        return False
    return drive.get("media") == "cdrom"


def is_cloudinit(drive: Mapping[str, str]) -> bool:
    """Tell whether a drive is the cloud-init drive."""
    return is_cloudinit_volume(drive.get("file", ""))


def drives(config: Config) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the drives of a VM in Proxmox VE's order."""
    for slot in DRIVES:
        if slot in config:
            yield slot, parse_drive(str(config[slot]))


def cloudinit_slot(config: Config, skip: str | None = None) -> str | None:
    """Find the slot of the cloud-init drive, leaving one slot out of account."""
    return next((slot for slot, drive in drives(config) if slot != skip and is_cloudinit(drive)), None)


def default_boot(config: Config) -> str:
    """Choose a boot order: the first disk, the first CD, the first network card."""
    found = list(drives(config))
    bootable = [(slot, drive) for slot, drive in found if slot not in {"efidisk0", "tpmstate0"}]
    order = [next((slot for slot, drive in bootable if is_cdrom(drive) is cd), None) for cd in (False, True)]
    order.append(next((f"net{n}" for n in range(32) if f"net{n}" in config), None))
    return print_boot([slot for slot in order if slot])


def print_boot(order: list[str]) -> str:
    """Print a boot order; an empty one is the empty text."""
    return f"order={';'.join(order)}" if order else ""


def boot_order(config: Config) -> list[str]:
    """Read the boot order, empty where the config has the old form or none."""
    return [
        slot for slot in re.split(r"[;,\s]+", split(str(config.get("boot", "")), "legacy").get("order", "")) if slot
    ]


def boot_disk_size(config: Config) -> int:
    """Give the bytes of the first disk in the boot order, 0 without one."""
    old = [str(config["bootdisk"])] if "bootdisk" in config else []
    for slot in boot_order(config) or old:
        if slot in DRIVES and slot in config:
            drive = parse_drive(str(config[slot]))
            if not is_cdrom(drive):
                return parse_size(drive.get("size", "0"))
    return 0


def random_mac(prefix: str = "BC:24:11") -> str:
    """Make a MAC address below a prefix, upper case as Proxmox VE prints it."""
    given = [part for part in prefix.upper().split(":") if part]
    return ":".join([*given, *(f"{byte:02X}" for byte in secrets.token_bytes(6 - len(given)))])


_MODELS = re.compile(
    r"e1000|e1000-8254[05]em|e1000-82544gc|e1000-82545em|e1000e|i8255\w+|ne2k_isa|ne2k_pci|pcnet|rtl8139|virtio|vmxnet3"
)


def parse_net(text: str) -> dict[str, str]:
    """Read a VM's network card: `model`, `macaddr`, `bridge` and so on, whichever way it was written."""
    net = split(text, "model")
    for key in [key for key in net if _MODELS.fullmatch(key)]:
        net["model"], net["macaddr"] = key, net.pop(key)
    return net


def print_net(net: Mapping[str, str], prefix: str = "BC:24:11") -> str:
    """Print a VM's network card, with a new MAC below a prefix if it has none."""
    rest = {key: value for key, value in net.items() if key not in {"model", "macaddr"}}
    return ",".join(filter(None, [f"{net['model']}={net.get('macaddr') or random_mac(prefix)}", join(rest)]))


def print_lxc_net(net: Mapping[str, str], prefix: str = "BC:24:11") -> str:
    """Print a container's network card, with its type and a new MAC below a prefix if it has none."""
    return join({"type": "veth", "hwaddr": random_mac(prefix), **net}, None, ("name",))


def parse_mount(text: str) -> dict[str, str]:
    """Read a container's root file system or mount point; what is mounted is `volume`."""
    return split(text, "volume")


def print_mount(mount: Mapping[str, str]) -> str:
    """Print a container's root file system or mount point."""
    return join(_sized(mount), "volume", ("mp",))


def mount_type(volume: str) -> str:
    """Classify what is mounted: `volume`, `device` or `bind`."""
    if volume.startswith("/dev/"):
        return "device"
    return "bind" if volume.startswith("/") else "volume"


def mounts(config: Config) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the root file system and mount points of a container."""
    for slot in MOUNTS:
        if slot in config:
            yield slot, parse_mount(str(config[slot]))
