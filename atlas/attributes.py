"""A guest as flat values under paths of the spec, and what changing each of them does to a running guest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from atlas.instances import Instance
from atlas.plan import Effect, Value
from atlas.ports.cluster import Work
from atlas.state import Attributes, Kind, Lease, Stamp

NOTHING, REBOOT, REPLACE = Effect.NOTHING, Effect.REBOOT, Effect.REPLACE

EFFECTS: Final[Mapping[str, tuple[Effect | None, Effect | None]]] = {
    # path: (VM, container); None: the kind has no such attribute, or it can be given only when it is made.
    "agent": (REBOOT, None),
    "balloon": (REBOOT, None),
    "cpu.cores": (REBOOT, NOTHING),
    "cpu.sockets": (REBOOT, None),
    "cpu.type": (REBOOT, None),
    "description": (NOTHING, NOTHING),
    "disks[].backup": (NOTHING, None),
    "disks[].bus": (REBOOT, None),
    "disks[].discard": (REBOOT, None),
    "disks[].iothread": (REBOOT, None),
    "disks[].size": (NOTHING, NOTHING),
    "disks[].ssd": (REBOOT, None),
    "disks[].storage": (NOTHING, REBOOT),  # a container's volume moves only while it is stopped
    "dns.search": (REBOOT, REBOOT),
    "dns.servers": (REBOOT, REBOOT),
    "efi": (REBOOT, None),
    "efi.secure_boot": (REBOOT, None),
    "efi.storage": (NOTHING, None),
    "features": (None, REBOOT),
    "image": (REPLACE, REPLACE),
    "kind": (REPLACE, REPLACE),
    "machine": (REBOOT, None),
    "memory": (REBOOT, NOTHING),
    "mounts[].backup": (None, REBOOT),
    "mounts[].path": (None, REBOOT),
    "mounts[].size": (None, NOTHING),
    "mounts[].storage": (None, REBOOT),
    "name": (NOTHING, NOTHING),
    "networks[].address": (REBOOT, NOTHING),  # a VM reads its cloud-init data only while it boots
    "networks[].bridge": (NOTHING, NOTHING),
    "networks[].gateway": (REBOOT, NOTHING),
    "networks[].mac": (REBOOT, NOTHING),
    "networks[].mtu": (REBOOT, NOTHING),
    "networks[].vlan": (NOTHING, NOTHING),
    "node": (NOTHING, REBOOT),  # a VM migrates live, a container is restarted on the other node
    "pool": (NOTHING, NOTHING),
    "protection": (NOTHING, NOTHING),
    "running": (NOTHING, NOTHING),
    "start.on_boot": (NOTHING, NOTHING),
    "start.order": (NOTHING, NOTHING),
    "swap": (None, NOTHING),
    "tags": (NOTHING, NOTHING),
    "tpm": (REBOOT, None),
    "tpm.storage": (NOTHING, None),
    "unprivileged": (None, REPLACE),
    "user.name": (REBOOT, None),
    "user.ssh_keys": (REBOOT, None),
}
"""What changing an attribute does to a running guest, with the default `hotplug` of network, disk, usb.

Source: qemu-server 9.2.6 vmconfig_hotplug_pending, pve-container 6.1.10 vmconfig_hotplug_pending; the spec's paths.
"""

UNSEEN: Final = frozenset({"image"})
"""Attributes that no guest shows; they are compared with what was applied."""

KEPT: Final = frozenset(
    {"image", "node", "disks[].storage", "disks[].bus", "mounts[].storage", "efi.storage", "tpm.storage"}
)
"""Attributes that stay as they are when the spec names them no more: where a thing lies, not what it is."""

_INDEX = re.compile(r"\[(\d+)\]")


def effect(path: str, kind: Kind) -> Effect | None:
    """Return what changing `path` does to a running guest; None where it can be given only when it is made."""
    vm, container = EFFECTS[pattern(path)]
    return vm if kind == "vm" else container


def known(path: str) -> bool:
    """Tell whether a path is an attribute that a cluster has; what Ansible did is kept beside them."""
    return pattern(path) in EFFECTS


def updated(wanted: Attributes, applied: Attributes, kind: Kind) -> Attributes:
    """Return what is applied to a guest that was there: what only a new one can be given is as it was."""
    return {p: v for p, v in wanted.items() if p not in applied or effect(p, kind) is not None}


def pattern(path: str) -> str:
    """Return a path as the tables have it, without indexes."""
    return _INDEX.sub("[]", path)


def natural(path: str) -> tuple[tuple[str, int], ...]:
    """Return a sorting key that puts `disks[2]` before `disks[10]`."""
    parts = _INDEX.split(path)
    return tuple((text, -1) if n % 2 == 0 else ("", int(text)) for n, text in enumerate(parts))


def item(path: str) -> str | None:
    """Return the list entry that a path belongs to (`disks[1]` for `disks[1].size`), None for other paths."""
    match = _INDEX.search(path)
    return path[: match.end()] if match else None


def items(paths: Iterable[str], name: str) -> list[int]:
    """Return the indexes of the entries of one list (`disks`, `networks`, `mounts`) among paths, in order."""
    found = {int(m.group(1)) for p in paths if p.startswith(f"{name}[") and (m := _INDEX.search(p))}
    return sorted(found)


def wanted(instance: Instance, lease: Lease, work: Work) -> Attributes:
    """Return what one guest shall be, under canonical paths; only what is spelled out or has a default is there.

    Args:
        instance: The guest as the spec wants it, defaults merged in.
        lease: Its VMID, addresses and MACs.
        work: The stack it belongs to.

    Returns:
        Sizes in MiB; absent values are left out, never None.
    """
    guest = instance.guest
    image = str(guest.template) if guest.template is not None else guest.image
    values: dict[str, Value] = {
        "kind": guest.kind,
        "image": image,
        "name": instance.key,
        "description": str(Stamp(work.installation, work.stack, lease.vmid)),
        "tags": tuple(sorted({*guest.tags, "atlas"})),
        "pool": guest.pool,
        "node": None if guest.node == "auto" else guest.node,
        "protection": guest.protection,
        "start.on_boot": guest.start.on_boot,
        "start.order": guest.start.order,
        "cpu.cores": guest.cpu.cores,
        "memory": int(guest.memory),
        "dns.servers": guest.dns.servers or None,
        "dns.search": guest.dns.search,
        "user.ssh_keys": ssh_keys((*guest.user.ssh_keys, work.ssh_key)),
        "running": True,
    }
    values |= _networks(instance, lease)
    values |= _vm(instance) if guest.kind == "vm" else _container(instance)
    return {path: values[path] for path in sorted(values, key=natural) if values[path] is not None}


def ssh_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Return keys in the one order in which they are compared and sent."""
    return tuple(sorted({key.strip() for key in keys if key.strip()}))


def _networks(instance: Instance, lease: Lease) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for i, network in enumerate(instance.guest.networks):
        address = lease.addresses[i] if i < len(lease.addresses) else network.address
        gateway = lease.gateways[i] if i < len(lease.gateways) else network.gateway
        mac = lease.macs[i] if i < len(lease.macs) else network.mac
        values |= {
            f"networks[{i}].bridge": network.bridge,
            f"networks[{i}].vlan": network.vlan,
            f"networks[{i}].mtu": network.mtu,
            f"networks[{i}].mac": mac.upper() if mac else None,
            f"networks[{i}].address": None if address == "auto" else address,
            f"networks[{i}].gateway": None if address == "dhcp" else gateway,
        }
    return values


def _vm(instance: Instance) -> dict[str, Value]:
    guest = instance.guest
    values: dict[str, Value] = {
        "cpu.sockets": guest.cpu.sockets,
        "cpu.type": guest.cpu.type,
        "balloon": None if guest.balloon is None else int(guest.balloon),
        "machine": guest.machine,
        "agent": True,
        "user.name": guest.user.name,
    }
    if guest.efi is not None:
        values |= {"efi": True, "efi.secure_boot": guest.efi.secure_boot, "efi.storage": guest.efi.storage}
    if guest.tpm is not None:
        values |= {"tpm": True, "tpm.storage": guest.tpm.storage}
    for i, disk in enumerate(guest.disks):
        # The boot disk keeps its template's bus unless another is spelled out.
        bus = disk.bus if i or "bus" in disk.model_fields_set else None
        values |= {
            f"disks[{i}].size": int(disk.size),
            f"disks[{i}].storage": disk.storage,
            f"disks[{i}].bus": bus,
            f"disks[{i}].ssd": disk.ssd,
            f"disks[{i}].discard": disk.discard,
            f"disks[{i}].iothread": disk.iothread,
            f"disks[{i}].backup": guest.backup,
        }
    return values


def _container(instance: Instance) -> dict[str, Value]:
    guest = instance.guest
    features = {name for name in ("nesting", "keyctl", "fuse") if getattr(guest.features, name)}
    values: dict[str, Value] = {
        "swap": None if guest.swap is None else int(guest.swap),
        "unprivileged": guest.unprivileged,
        "features": tuple(sorted(features)) or None,
        "disks[0].size": int(guest.disks[0].size),
        "disks[0].storage": guest.disks[0].storage,
    }
    for i, mount in enumerate(guest.mounts):
        values |= {
            f"mounts[{i}].path": mount.path,
            f"mounts[{i}].size": int(mount.size),
            f"mounts[{i}].storage": mount.storage,
            f"mounts[{i}].backup": mount.backup,
        }
    return values
