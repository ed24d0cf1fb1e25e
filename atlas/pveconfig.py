"""PVE's configuration texts: property strings, and which slot of a VM is which disk of its spec. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from atlas.attributes import natural

_BUSES = ("scsi", "virtio", "sata", "ide")
_FOREIGN = 100
DISK = re.compile(r"(scsi|virtio|sata|ide)(\d+)")


def options(text: object, first: str = "volume") -> dict[str, str]:
    """Return a property string's parts; the part without a name gets `first` as its name."""
    found: dict[str, str] = {}
    for part in str(text).split(","):
        name, equals, value = part.partition("=")
        if equals:
            found[name.strip()] = value
        elif part.strip():
            found[first] = part.strip()
    return found


def joined(parts: Mapping[str, object], first: str = "volume") -> str:
    """Return a property string; the part named `first` leads, without its name."""
    rest = ",".join(f"{k}={v}" for k, v in parts.items() if k != first)
    return ",".join(p for p in (str(parts.get(first, "")), rest) if p)


def disk_slots(config: Mapping[str, Any]) -> dict[int, str]:
    """Return the slot of each disk of a VM by its index in the spec: 0 is the boot disk, others go by their number.

    Source: `GET /nodes/{node}/qemu/{vmid}/config`; `boot` is `order=scsi0;net0`.
    """
    slots = [k for k in sorted(config, key=natural) if DISK.fullmatch(k) and not is_cdrom(config[k])]
    boot = _boot_disk(config, slots)
    if boot is None:
        return {}
    found = {0: boot}
    for bus in _BUSES:
        for slot in slots:
            match = DISK.fullmatch(slot)
            if match and match.group(1) == bus and slot != boot:
                number = int(match.group(2))
                # Two buses may use one number: the later one is shown under a number that no spec reaches.
                found.setdefault(number if number not in found else _FOREIGN * (1 + _BUSES.index(bus)) + number, slot)
    return dict(sorted(found.items()))


def _boot_disk(config: Mapping[str, Any], slots: list[str]) -> str | None:
    """Return the slot of the disk that a VM boots from, None where it has no disk."""
    order = options(config.get("boot", ""), "legacy").get("order", "").split(";")
    named = [str(config["bootdisk"])] if "bootdisk" in config else []
    usual = [f"{bus}0" for bus in _BUSES]
    return next((s for s in (*order, *named, *usual, *slots) if s in slots), None)


def is_cdrom(value: object) -> bool:
    """Tell whether a drive is an optical one; a cloud-init drive is, too."""
    parts = options(value)
    return parts.get("media") == "cdrom" or parts.get("volume", parts.get("file", "")).endswith("cloudinit")


def is_volume(key: str) -> bool:
    """Tell whether a key of a VM's configuration names a volume."""
    return bool(DISK.fullmatch(key)) or key in ("efidisk0", "tpmstate0")
