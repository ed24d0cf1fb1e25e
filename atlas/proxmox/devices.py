"""Disks, mount points, network interfaces, EFI and TPM as PVE's options. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from atlas import pveconfig
from atlas.errors import EngineError
from atlas.plan import AttributeChange, Value
from atlas.state import Attributes, Kind


@dataclass(slots=True)
class Writes:
    """What is written to one guest.

    Args:
        put: Parameters of `PUT config`.
        delete: Keys that `PUT config` deletes.
        resize: Slot and size in MiB, absolute.
        move: Slot and target storage.
    """

    put: dict[str, Any] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    resize: list[tuple[str, int]] = field(default_factory=list)
    move: list[tuple[str, str]] = field(default_factory=list)


def set_or_delete(out: Writes, key: str, value: Any) -> None:
    """Set an option, or delete it where the value is None."""
    if not key:
        return
    if value is None:
        out.delete.append(key)
    else:
        out.put[key] = value


def efi(out: Writes, config: Mapping[str, Any], change: AttributeChange, wanted: Attributes, storage: str) -> None:
    """Give a VM UEFI firmware with its variables' disk, or take it away; the disk is kept."""
    if change.path == "efi.storage":
        if "efidisk0" in config and change.after is not None:
            out.move.append(("efidisk0", str(change.after)))
    elif "efi" not in wanted:
        out.delete += [k for k in ("bios", "efidisk0") if k in config and k not in out.delete]
    else:
        out.put["bios"] = "ovmf"
        if "efidisk0" not in config:
            keys = int(bool(wanted.get("efi.secure_boot")))
            out.put["efidisk0"] = f"{wanted.get('efi.storage', storage)}:1,efitype=4m,pre-enrolled-keys={keys}"


def tpm(out: Writes, config: Mapping[str, Any], change: AttributeChange, wanted: Attributes, storage: str) -> None:
    """Give a VM a TPM with its state's disk, or take it away; the disk is kept."""
    if change.path == "tpm.storage":
        if "tpmstate0" in config and change.after is not None:
            out.move.append(("tpmstate0", str(change.after)))
    elif "tpm" not in wanted:
        out.delete.append("tpmstate0")
    elif "tpmstate0" not in config:
        out.put["tpmstate0"] = f"{wanted.get('tpm.storage', storage)}:1,version=v2.0"


def network(
    out: Writes, kind: Kind, config: Mapping[str, Any], i: int, after: Mapping[str, Value], *, gone: bool
) -> None:
    """Set, add or remove one network interface; options that are not the spec's are left alone."""
    net = f"net{i}"
    if gone:
        out.delete += [k for k in (net, f"ipconfig{i}") if k in config]
        return
    card = {k: v for k, v in after.items() if k in ("bridge", "vlan", "mtu", "mac")}
    ip = {k: v for k, v in after.items() if k in ("address", "gateway")}
    parts = pveconfig.options(config.get(net, ""), "model")
    if kind == "container":
        parts = _addressed(_carded(parts or {"name": f"eth{i}"}, card, "hwaddr"), ip)
        out.put[net] = pveconfig.joined({**parts, "type": "veth"}, "model")
        return
    if card or not parts:
        model = next((k for k in parts if k in ("virtio", "e1000", "e1000e", "rtl8139", "vmxnet3")), "virtio")
        out.put[net] = pveconfig.joined(_carded(parts, card, model), "model")
    if ip:
        before = pveconfig.options(config.get(f"ipconfig{i}", ""))
        set_or_delete(out, f"ipconfig{i}", pveconfig.joined(_addressed(before, ip)) or None)


def _carded(parts: Mapping[str, str], card: Mapping[str, Value], mac: str) -> dict[str, str]:
    names = {"bridge": "bridge", "vlan": "tag", "mtu": "mtu", "mac": mac}
    merged = {mac: parts[mac]} if mac in parts else {}
    merged |= parts
    for field_, value in card.items():
        if value is None:
            merged.pop(names[field_], None)
        else:
            merged[names[field_]] = str(value)
    lead = {mac: merged[mac]} if mac in merged else {}
    return {**lead, **merged}


def _addressed(parts: Mapping[str, str], ip: Mapping[str, Value]) -> dict[str, str]:
    """Return the options with address and gateway set; what somebody gave the other family is left alone."""
    merged = dict(parts)
    family = before = "" if merged.get("ip") not in (None, "manual") else "6"
    if (address := ip.get("address")) is not None:
        family = "6" if ":" in str(address) else ""
    gone = {"gw"} if address == "dhcp" else set()
    if family != before:
        gone |= {f"ip{before}", f"gw{before}"}  # the address that the guest had until now
    said = {f"ip{family}": ip.get("address", ...), f"gw{family}": ip.get("gateway", ...)}
    merged |= {key: str(value) for key, value in said.items() if value not in (None, ...)}
    gone |= {key for key, value in said.items() if value is None}
    return {key: value for key, value in merged.items() if key not in gone}


def mount(
    out: Writes, config: Mapping[str, Any], i: int, after: Mapping[str, Value], *, gone: bool, default_storage: str
) -> None:
    """Set, add or detach one mount point of a container."""
    slot = f"mp{i}"
    if gone:
        out.delete.append(slot)
        return
    if slot not in config:
        backup = int(bool(after.get("backup")))
        storage = after.get("storage") or default_storage
        out.put[slot] = f"{storage}:{gib(after['size'])},mp={after['path']},backup={backup}"
        return
    if "path" in after or "backup" in after:
        parts = pveconfig.options(config[slot])
        parts |= {"mp": str(after.get("path", parts.get("mp")))}
        parts |= {"backup": str(int(bool(after["backup"])))} if "backup" in after else {}
        out.put[slot] = pveconfig.joined(parts)
    if after.get("storage") is not None:
        out.move.append((slot, str(after["storage"])))
    if isinstance(size := after.get("size"), int):
        out.resize.append((slot, size))


def disk(
    out: Writes,
    kind: Kind,
    config: Mapping[str, Any],
    i: int,
    after: Mapping[str, Value],
    wanted: Attributes,
    *,
    gone: bool,
    default_storage: str,
) -> None:
    """Set, add or detach one disk; `disks[0]` is the boot disk, whatever its slot."""
    slot = "rootfs" if kind == "container" else pveconfig.disk_slots(config).get(i)
    if gone:
        out.delete += [slot] if slot else []
        return
    if slot is None:
        slot = f"{wanted.get(f'disks[{i}].bus', 'scsi')}{i}"
        storage = after.get("storage") or default_storage
        if slot in config:
            raise EngineError(f"{slot} is in use by something that is not a disk", f"free {slot}, then resume")
        out.put[slot] = pveconfig.joined({"volume": f"{storage}:{gib(after['size'])}", **_flags({}, after)})
        return
    flags = {k: v for k, v in after.items() if k in ("ssd", "discard", "iothread", "backup")}
    if flags and kind == "vm":
        out.put[slot] = pveconfig.joined(_flags(pveconfig.options(config[slot]), flags))
    if after.get("storage") is not None:
        out.move.append((slot, str(after["storage"])))
    if isinstance(size := after.get("size"), int):
        out.resize.append((slot, size))


def _flags(parts: Mapping[str, str], after: Mapping[str, Value]) -> dict[str, str]:
    merged = dict(parts)
    # name: how it is written when it is on, and when it is off; None: PVE's default, left out
    spelled = {"ssd": ("1", None), "discard": ("on", None), "iothread": ("1", None), "backup": (None, "0")}
    for name, (on, off) in spelled.items():
        if name in after:
            merged.pop(name, None)
            word = on if after[name] else off
            if word is not None:
                merged[name] = word
    return merged


def gib(size: Value) -> str:
    """Return MiB as the GiB that `storage:SIZE` takes, with decimals only where they are needed."""
    number = int(size) if isinstance(size, int) else 0
    return str(number // 1024) if number % 1024 == 0 else f"{number / 1024:.4f}".rstrip("0")
