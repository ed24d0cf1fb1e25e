"""What lists say of a guest: its size, and a load that follows from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from atlas.lab.guest_devices import boot_disk_size, parse_mount
from atlas.lab.volumes import parse_size

if TYPE_CHECKING:
    from atlas.lab.entities import Guest


def disk(guest: Guest) -> int:
    """Return the size of the guest's boot disk in bytes, 0 where it has none."""
    if guest.kind == "lxc":
        return parse_size(parse_mount(str(guest.config.get("rootfs", ""))).get("size", "0"))
    return boot_disk_size(guest.config)


def memory(guest: Guest) -> int:
    """Return the guest's memory in bytes."""
    text = str(guest.config.get("memory", 512))
    match = re.match(r"(?:current=)?(\d+)", text)
    return (int(match[1]) if match else 512) * 1024**2


def processors(guest: Guest) -> float:
    """Return how many processors the guest has: all of the node's for a container without a limit."""
    config = guest.config
    if guest.kind == "lxc":
        return int(config.get("cores") or config.get("cpulimit") or 1)
    return int(config.get("vcpus") or int(config.get("cores") or 1) * int(config.get("sockets") or 1))


def fixed_row(guest: Guest) -> dict[str, Any]:
    """Return the fields that lists of guests share, but for how long it has been up: they hold until it changes."""
    config = guest.config
    row: dict[str, Any] = {
        "status": guest.status,
        "template": int(config.get("template") or 0),
        "maxcpu": processors(guest),
        "maxmem": memory(guest),
        "maxdisk": disk(guest),
    }
    row |= dict.fromkeys(("cpu", "mem", "disk", "uptime", "netin", "netout", "diskread", "diskwrite"), 0)
    if guest.status == "running":
        row |= {"cpu": 0.02, "mem": memory(guest) * 2 // 5}
    name = config.get("name" if guest.kind == "qemu" else "hostname")
    row["name"] = name or f"{'VM ' if guest.kind == 'qemu' else 'CT'}{guest.vmid}"
    for key in ("lock", "tags"):
        if config.get(key):
            row[key] = config[key]
    return row


def uptime(guest: Guest, now: float) -> int:
    """Return for how many seconds a running guest has been up at a time, in seconds since 1970."""
    return int(now - (guest.started_at or now))
