"""PVE's configuration of a guest as attributes of the spec. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from atlas.attributes import natural, ssh_keys
from atlas.plan import Value
from atlas.pveconfig import DISK, disk_slots, options
from atlas.state import Attributes, Kind

MARKER = "atlas-run:"
"""Begins the line in the notes that ties a guest which is being made to the call that makes it."""

_MODELS = frozenset({"virtio", "e1000", "e1000e", "rtl8139", "vmxnet3", "i82551", "i82557b", "ne2k_pci", "pcnet"})
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)")


def mib(text: str | None) -> int | None:
    """Return a volume's size in MiB, rounded down; None where it is not said."""
    match = _SIZE.fullmatch(text or "")
    if match is None:
        return None
    number, unit = float(match.group(1)), match.group(2)
    factor = {"": 1 / 1024**2, "K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}[unit]
    return int(number * factor)


def cloudinit_slot(config: Mapping[str, Any]) -> str | None:
    """Return the slot of the cloud-init drive, None where there is none."""
    return next((k for k, v in config.items() if DISK.fullmatch(k) and "cloudinit" in str(v).partition(",")[0]), None)


def volume(value: object) -> str:
    """Return a drive's or mount's volume id."""
    parts = options(value)
    return parts.get("volume", parts.get("file", ""))


def storage(value: object) -> str | None:
    """Return the storage of a drive or mount, None for a path."""
    name, colon, _ = volume(value).partition(":")
    return name if colon and not name.startswith("/") else None


def identity(config: Mapping[str, Any], kind: Kind) -> str | None:
    """Return what tells this guest from a later one with its VMID: SMBIOS uuid, a container's root volume."""
    if kind == "container":
        return volume(config["rootfs"]) if "rootfs" in config else None
    uuid = options(config.get("smbios1", "")).get("uuid")
    return uuid.lower() if uuid else None


def flag(value: object) -> bool:
    """Return PVE's booleans, which come as 1, "1" or true."""
    return str(value).lower() in ("1", "true", "yes", "on")


def attributes(config: Mapping[str, Any], kind: Kind) -> Attributes:
    """Return what a configuration says, under the spec's paths; sizes in MiB, absent values left out."""
    values: dict[str, Value] = dict(_common(config))
    values |= _vm(config) if kind == "vm" else _container(config)
    return {p: values[p] for p in sorted(values, key=natural) if values[p] is not None}


def _common(config: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    order = options(config.get("startup", "")).get("order")
    yield "description", stamp_lines(str(config.get("description", "")))
    yield "tags", tags(str(config.get("tags", "")))
    yield "protection", flag(config.get("protection", 0))
    yield "start.on_boot", flag(config.get("onboot", 0))
    yield "start.order", int(order) if order and order.isdigit() else None
    yield "dns.servers", tuple(str(config.get("nameserver", "")).replace(",", " ").split()) or None
    yield "dns.search", str(config.get("searchdomain", "")).strip() or None


def stamp_lines(notes: str) -> str | None:
    """Return the lines of the notes that are ours; what people write beside them is theirs."""
    lines = (line.strip() for line in notes.splitlines())
    return "\n".join(line for line in lines if line.startswith(("atlas:", MARKER))) or None


def tags(text: str) -> tuple[str, ...] | None:
    """Return PVE's tags, sorted."""
    return tuple(sorted(set(re.split(r"[;, ]+", text.strip())) - {""})) or None


def _vm(config: Mapping[str, Any]) -> dict[str, Value]:
    memory = options(config.get("memory", 512), "current").get("current", "512")
    agent = options(config.get("agent", 0), "enabled")
    values: dict[str, Value] = {
        "name": str(config["name"]) if "name" in config else None,
        "cpu.cores": int(config.get("cores", 1)),
        "cpu.sockets": int(config.get("sockets", 1)),
        "cpu.type": options(config.get("cpu", "kvm64"), "cputype").get("cputype"),
        "memory": int(memory),
        "balloon": int(config.get("balloon", 0)) or None,  # 0 is ballooning off, which has no size either
        "machine": options(config.get("machine", ""), "type").get("type"),
        "agent": flag(agent.get("enabled", 0)),
        "user.name": config.get("ciuser"),
        "user.ssh_keys": ssh_keys(unquote(str(config.get("sshkeys", ""))).split("\n")) or None,
    }
    if config.get("bios") == "ovmf":
        efi = options(config.get("efidisk0", ""))
        values |= {
            "efi": True,
            "efi.secure_boot": flag(efi.get("pre-enrolled-keys", 0)),
            "efi.storage": storage(config["efidisk0"]) if efi else None,
        }
    if "tpmstate0" in config:
        values |= {"tpm": True, "tpm.storage": storage(config["tpmstate0"])}
    for i, slot in disk_slots(config).items():
        parts = options(config[slot])
        values |= {
            f"disks[{i}].size": mib(parts.get("size")),
            f"disks[{i}].storage": storage(config[slot]),
            f"disks[{i}].bus": slot.rstrip("0123456789"),
            f"disks[{i}].ssd": flag(parts.get("ssd", 0)),
            f"disks[{i}].discard": parts.get("discard") == "on",
            f"disks[{i}].iothread": flag(parts.get("iothread", 0)),
            f"disks[{i}].backup": flag(parts.get("backup", 1)),
        }
    for i, net in numbered(config, "net"):
        parts = options(net, "model")
        mac = parts.get("macaddr") or next((v for k, v in parts.items() if k in _MODELS), None)
        ip = options(config.get(f"ipconfig{i}", ""))
        values |= _nic(i, parts, mac, ip)
    return values


def _container(config: Mapping[str, Any]) -> dict[str, Value]:
    features = options(config.get("features", ""))
    values: dict[str, Value] = {
        "name": str(config["hostname"]) if "hostname" in config else None,
        "cpu.cores": int(config["cores"]) if "cores" in config else None,
        "memory": int(config.get("memory", 512)),
        "swap": int(config.get("swap", 512)),
        "unprivileged": flag(config.get("unprivileged", 0)),
        "features": tuple(sorted(k for k in ("nesting", "keyctl", "fuse") if flag(features.get(k, 0)))) or None,
    }
    if "rootfs" in config:
        values |= {
            "disks[0].size": mib(options(config["rootfs"]).get("size")),
            "disks[0].storage": storage(config["rootfs"]),
        }
    for i, mount in numbered(config, "mp"):
        parts = options(mount)
        if storage(mount) is not None:  # a bind mount is root's, not ours
            values |= {
                f"mounts[{i}].path": parts.get("mp"),
                f"mounts[{i}].size": mib(parts.get("size")),
                f"mounts[{i}].storage": storage(mount),
                f"mounts[{i}].backup": flag(parts.get("backup", 0)),
            }
    for i, net in numbered(config, "net"):
        parts = options(net)
        values |= _nic(i, parts, parts.get("hwaddr"), parts)
    return values


def _nic(i: int, parts: Mapping[str, str], mac: str | None, ip: Mapping[str, str]) -> dict[str, Value]:
    four = ip.get("ip") not in (None, "manual")
    return {
        f"networks[{i}].bridge": parts.get("bridge"),
        f"networks[{i}].vlan": int(parts["tag"]) if parts.get("tag", "").isdigit() else None,
        f"networks[{i}].mtu": int(parts["mtu"]) if parts.get("mtu", "").isdigit() else None,
        f"networks[{i}].mac": mac.upper() if mac else None,
        f"networks[{i}].address": ip.get("ip") if four else ip.get("ip6"),
        f"networks[{i}].gateway": ip.get("gw") if four else ip.get("gw6"),
    }


def numbered(config: Mapping[str, Any], name: str) -> list[tuple[int, str]]:
    """Return the entries `name0`, `name1` … of a configuration by their number."""
    found = [
        (int(k[len(name) :]), str(v)) for k, v in config.items() if k.startswith(name) and k[len(name) :].isdigit()
    ]
    return sorted(found)


def with_pending(config: Mapping[str, Any], pending: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the configuration as it will be once everything that waits has been taken.

    Args:
        config: The running values.
        pending: What `GET pending` answers: `{key, value, pending, delete}`.
    """
    later = dict(config)
    for row in pending:
        if row.get("delete"):
            later.pop(str(row["key"]), None)
        elif "pending" in row:
            later[str(row["key"])] = row["pending"]
    return later


def waiting(config: Mapping[str, Any], pending: list[dict[str, Any]], kind: Kind) -> Attributes:
    """Return the attributes that wait for a reboot with the value that they will have, None for absent."""
    now, later = attributes(config, kind), attributes(with_pending(config, pending), kind)
    # The size is the volume's, whatever the text of an option that waits says of it.
    sizes = {p for p in now if p.endswith(".size") and p in later}
    return {p: later.get(p) for p in sorted({*now, *later} - sizes, key=natural) if now.get(p) != later.get(p)}
