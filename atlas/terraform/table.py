"""Provider attribute <-> path of the spec: the one table, and what the provider itself reboots a guest for.

Source: bpg/proxmox 0.111.1, resources `virtual_environment_vm` and `virtual_environment_container`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from atlas import attributes
from atlas.plan import Effect, Value
from atlas.state import Attributes, Kind, Stamp
from atlas.units import GIB

KINDS: Final[Mapping[str, Kind]] = {
    "proxmox_virtual_environment_vm": "vm",
    "proxmox_virtual_environment_container": "container",
}

_BOTH: Final = {
    "pool": "pool_id",
    "node": "node_name",
    "protection": "protection",
    "running": "started",
    "start.order": "startup.0.order",
    "cpu.cores": "cpu.0.cores",
    "memory": "memory.0.dedicated",
    "dns.search": "initialization.0.dns.0.domain",
    "dns.servers": "initialization.0.dns.0.servers",
}
_VM: Final = {
    **_BOTH,
    "name": "name",
    "start.on_boot": "on_boot",
    "cpu.sockets": "cpu.0.sockets",
    "cpu.type": "cpu.0.type",
    "balloon": "memory.0.floating",
    "machine": "machine",
    "agent": "agent.0.enabled",
    "user.name": "initialization.0.user_account.0.username",
    "user.ssh_keys": "initialization.0.user_account.0.keys",
    "efi.secure_boot": "efi_disk.0.pre_enrolled_keys",
    "efi.storage": "efi_disk.0.datastore_id",
    "tpm.storage": "tpm_state.0.datastore_id",
}
_CONTAINER: Final = {
    **_BOTH,
    "name": "initialization.0.hostname",
    "start.on_boot": "start_on_boot",
    "swap": "memory.0.swap",
    "unprivileged": "unprivileged",
    "disks[0].size": "disk.0.size",
    "disks[0].storage": "disk.0.datastore_id",
}
_DISK: Final = {
    "size": "size",
    "storage": "datastore_id",
    "ssd": "ssd",
    "discard": "discard",
    "iothread": "iothread",
    "backup": "backup",
}
_NETWORK: Final = {"bridge": "bridge", "vlan": "vlan_id", "mtu": "mtu", "mac": "mac_address"}
_MOUNT: Final = {"path": "path", "size": "size", "storage": "volume", "backup": "backup"}

_GIVEN_ONCE: Final = frozenset({"user.ssh_keys"})
"""What a container takes only when it is made; the bundle ignores its changes."""

_REBOOTS: Final[Mapping[Kind, frozenset[str]]] = {
    "vm": frozenset({"disks[].storage", "efi.storage", "tpm.storage"}),
    "container": frozenset(
        {"memory", "swap", "name", "mounts[].size", "mounts[].path", "mounts[].backup"}
        | {f"networks[].{field}" for field in (*_NETWORK, "address", "gateway")}
    ),
}
"""What the provider takes a running guest down for although the change alone would not need it."""

_LEFT: Final[Mapping[Kind, frozenset[str]]] = {
    "vm": frozenset({"dns.search", "dns.servers", "efi", "efi.secure_boot", "efi.storage"}),
    "container": frozenset(),
}
"""What the provider leaves on a guest although it says that it takes it away."""


def left(path: str, kind: Kind, after: Value) -> bool:
    """Tell whether the provider says that it takes a value away, and does not."""
    return after is None and path in _LEFT[kind]


def effect(path: str, kind: Kind, own: Effect, running: bool) -> Effect:
    """Return what changing a path does when the provider does it; `own` is what it does by itself."""
    reboots = running and own is Effect.NOTHING and attributes.pattern(path) in _REBOOTS[kind]
    return Effect.REBOOT if reboots else own


def read(values: Mapping[str, Any] | None, kind: Kind, slots: Mapping[str, int]) -> Attributes:
    """Return what the provider says of one guest under the spec's paths; absent values are left out.

    Args:
        values: `before` or `after` of a resource in Terraform's plan.
        kind: The guest's kind.
        slots: Index in the spec of each disk of a VM, by its interface.
    """
    if values is None:
        return {}
    found: dict[str, Value] = {p: _plain(_at(values, a)) for p, a in (_VM if kind == "vm" else _CONTAINER).items()}
    found["kind"] = kind
    found["description"] = _stamp(values.get("description"))
    found["tags"] = tuple(sorted(values.get("tags") or ())) or None
    for path in ("user.ssh_keys", "dns.servers"):
        found[path] = _list(found.get(path), ordered=path == "dns.servers")
    found["balloon"] = found.get("balloon") or None
    if found["start.order"] == -1:
        found["start.order"] = None
    found |= _vm(values, slots) if kind == "vm" else _container(values)
    found |= _networks(values, "network_device" if kind == "vm" else "network_interface")
    return {p: found[p] for p in sorted(found, key=attributes.natural) if found[p] is not None}


def unseen(kind: Kind) -> frozenset[str]:
    """Return the paths that the provider cannot show for a kind."""
    return attributes.UNSEEN | (_GIVEN_ONCE if kind == "container" else frozenset())


def _vm(values: Mapping[str, Any], slots: Mapping[str, int]) -> dict[str, Value]:
    found: dict[str, Value] = {
        "efi": bool(values.get("efi_disk")) or None,
        "tpm": bool(values.get("tpm_state")) or None,
    }
    for disk in values.get("disk") or ():
        slot = str(disk["interface"])
        bus = slot.rstrip("0123456789")
        i = slots.get(slot, int(slot.removeprefix(bus)))
        found |= {f"disks[{i}].{field}": _plain(disk.get(name)) for field, name in _DISK.items()}
        found[f"disks[{i}].bus"] = bus
        found[f"disks[{i}].size"] = _mib(disk.get("size"))
        found[f"disks[{i}].discard"] = disk.get("discard") == "on"
    return found


def _container(values: Mapping[str, Any]) -> dict[str, Value]:
    features = _at(values, "features.0") or {}
    on = tuple(sorted(name for name in ("nesting", "keyctl", "fuse") if features.get(name)))
    found: dict[str, Value] = {"features": on or None, "disks[0].size": _mib(_at(values, "disk.0.size"))}
    for i, mount in enumerate(values.get("mount_point") or ()):
        found |= {f"mounts[{i}].{field}": _plain(mount.get(name)) for field, name in _MOUNT.items()}
        found[f"mounts[{i}].size"] = _mib(str(mount.get("size") or "").rstrip("G"))
        found[f"mounts[{i}].storage"] = str(mount.get("volume") or "").partition(":")[0] or None
    return found


def _networks(values: Mapping[str, Any], block: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for i, network in enumerate(values.get(block) or ()):
        found |= {
            f"networks[{i}].{field}": _plain((network or {}).get(name)) or None for field, name in _NETWORK.items()
        }
        mac = found[f"networks[{i}].mac"]
        found[f"networks[{i}].mac"] = mac.upper() if isinstance(mac, str) else None
    cards = len(values.get(block) or ())  # the address of a card that is gone may stay behind, and means nothing
    for i, ip in enumerate((_at(values, "initialization.0.ip_config") or ())[:cards]):
        family = _at(ip or {}, "ipv4.0") or _at(ip or {}, "ipv6.0") or {}
        found[f"networks[{i}].address"] = family.get("address") or None
        found[f"networks[{i}].gateway"] = family.get("gateway") or None
    return found


def _at(values: Any, path: str) -> Any:
    for part in path.split("."):
        if part.isdigit():
            values = values[int(part)] if isinstance(values, list) and len(values) > int(part) else None
        else:
            values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _plain(value: Any) -> Value:
    if isinstance(value, str):
        return value.strip() or None
    return (tuple(value) or None) if isinstance(value, list) else value


def _list(value: Value, *, ordered: bool) -> Value:
    if not isinstance(value, tuple):
        return None
    texts = [str(v).strip() for v in value if v]
    return tuple(texts if ordered else sorted(set(texts))) or None


def _stamp(notes: Any) -> str | None:
    """Return the line of the notes that is ours; what people write beside it is theirs."""
    return next((line.strip() for line in str(notes or "").splitlines() if Stamp.read(line)), None)


def _mib(gib: Any) -> int | None:
    return int(gib) * GIB if str(gib or "").isdigit() and int(gib) else None
