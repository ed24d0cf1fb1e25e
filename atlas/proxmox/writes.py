"""Changes of attributes as what has to be written to PVE: parameters, resizes, moves. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from atlas import attributes
from atlas.plan import AttributeChange, Value
from atlas.proxmox import words
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


_PLAIN = {
    # path: key of a VM, key of a container
    "name": ("name", "hostname"),
    "protection": ("protection", "protection"),
    "start.on_boot": ("onboot", "onboot"),
    "cpu.cores": ("cores", "cores"),
    "cpu.sockets": ("sockets", "sockets"),
    "memory": ("memory", "memory"),
    "balloon": ("balloon", ""),
    "swap": ("", "swap"),
    "dns.search": ("searchdomain", "searchdomain"),
    "user.name": ("ciuser", ""),
}


def writes(
    kind: Kind, config: Mapping[str, Any], changes: Sequence[AttributeChange], wanted: Attributes, default_storage: str
) -> Writes:
    """Return what carries out changes of one guest that is there.

    Args:
        kind: The guest's kind.
        config: Its running configuration.
        changes: What differs; pool, node and running are not written here.
        wanted: All that the guest shall be.
        default_storage: For new volumes whose storage is not spelled out.
    """
    out = Writes()
    entries: dict[str, list[AttributeChange]] = {}
    for change in changes:
        entry = attributes.item(change.path)
        if entry is not None:
            entries.setdefault(entry, []).append(change)
        else:
            _plain(out, kind, config, change, wanted, default_storage)
    for entry, mine in sorted(entries.items()):
        gone = not any(attributes.item(p) == entry for p in wanted)
        index = int(entry[entry.index("[") + 1 : -1])
        after = {c.path.rpartition(".")[2]: c.after for c in mine}
        if entry.startswith("networks"):
            _network(out, kind, config, index, after, gone=gone)
        elif entry.startswith("mounts"):
            _mount(out, config, index, after, gone=gone, default_storage=default_storage)
        else:
            _disk(out, kind, config, index, after, wanted, gone=gone, default_storage=default_storage)
    return out


def _plain(
    out: Writes, kind: Kind, config: Mapping[str, Any], change: AttributeChange, wanted: Attributes, storage: str
) -> None:
    path, after = change.path, change.after
    if path in _PLAIN:
        key = _PLAIN[path][0 if kind == "vm" else 1]
        _set(out, key, None if after is None else int(after) if isinstance(after, bool) else after)
    elif path == "description":
        kept = [
            x for x in str(config.get("description", "")).splitlines() if not x.startswith(("atlas:", words.MARKER))
        ]
        _set(out, "description", "\n".join([str(after or ""), *kept]).strip() or None)
    elif path == "tags":
        _set(out, "tags", ";".join(str(t) for t in _tuple(after)) or None)
    elif path == "start.order":
        parts = {k: v for k, v in words.options(config.get("startup", "")).items() if k != "order"}
        startup = words.joined({**parts, **({"order": after} if after is not None else {})})
        _set(out, "startup", startup or None)
    elif path == "dns.servers":
        _set(out, "nameserver", " ".join(str(s) for s in _tuple(after)) or None)
    elif path == "user.ssh_keys" and kind == "vm":  # a container takes its keys only when it is made
        _set(out, "sshkeys", encoded_keys(after) or None)
    elif path == "features":
        parts = {k: v for k, v in words.options(config.get("features", "")).items() if k not in FEATURES}
        _set(out, "features", words.joined({**parts, **{str(f): 1 for f in _tuple(after)}}) or None)
    elif path in ("cpu.type", "machine", "agent"):
        key, first = {"cpu.type": ("cpu", "cputype"), "machine": ("machine", "type"), "agent": ("agent", "enabled")}[
            path
        ]
        parts = words.options(config.get(key, ""), first)
        if after is None:
            _set(out, key, None)
        else:
            _set(out, key, words.joined({**parts, first: int(after) if isinstance(after, bool) else after}, first))
    elif path in ("efi", "efi.secure_boot", "efi.storage"):
        _efi(out, config, change, wanted, storage)
    elif path in ("tpm", "tpm.storage"):
        _tpm(out, config, change, wanted, storage)


FEATURES = ("nesting", "keyctl", "fuse")


def _set(out: Writes, key: str, value: Any) -> None:
    if not key:
        return
    if value is None:
        out.delete.append(key)
    else:
        out.put[key] = value


def _tuple(value: Value) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


def encoded_keys(value: Value) -> str:
    """Return ssh keys as `sshkeys` takes them: percent-encoded once more than the form is. Source: pve-common Tools."""
    return quote("\n".join(str(k) for k in _tuple(value)), safe="")


def _efi(out: Writes, config: Mapping[str, Any], change: AttributeChange, wanted: Attributes, storage: str) -> None:
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


def _tpm(out: Writes, config: Mapping[str, Any], change: AttributeChange, wanted: Attributes, storage: str) -> None:
    if change.path == "tpm.storage":
        if "tpmstate0" in config and change.after is not None:
            out.move.append(("tpmstate0", str(change.after)))
    elif "tpm" not in wanted:
        out.delete.append("tpmstate0")
    elif "tpmstate0" not in config:
        out.put["tpmstate0"] = f"{wanted.get('tpm.storage', storage)}:1,version=v2.0"


def _network(
    out: Writes, kind: Kind, config: Mapping[str, Any], i: int, after: Mapping[str, Value], *, gone: bool
) -> None:
    net = f"net{i}"
    if gone:
        out.delete += [k for k in (net, f"ipconfig{i}") if k in config]
        return
    card = {k: v for k, v in after.items() if k in ("bridge", "vlan", "mtu", "mac")}
    ip = {k: v for k, v in after.items() if k in ("address", "gateway")}
    parts = words.options(config.get(net, ""), "model")
    if kind == "container":
        parts = _addressed(_carded(parts or {"name": f"eth{i}"}, card, "hwaddr"), ip)
        out.put[net] = words.joined({**parts, "type": "veth"}, "model")
        return
    if card or not parts:
        model = next((k for k in parts if k in ("virtio", "e1000", "e1000e", "rtl8139", "vmxnet3")), "virtio")
        out.put[net] = words.joined(_carded(parts, card, model), "model")
    if ip:
        before = words.options(config.get(f"ipconfig{i}", ""))
        _set(out, f"ipconfig{i}", words.joined(_addressed(before, ip)) or None)


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
    """Return the options with address and gateway set; the other family's are left alone."""
    merged = dict(parts)
    now = merged.get("ip") or merged.get("ip6") or ""
    address = str(ip.get("address", now) or "")
    six = ":" in address or (not address and ":" in now)
    for name, key in (("address", "ip6" if six else "ip"), ("gateway", "gw6" if six else "gw")):
        if name in ip:
            value = ip[name]
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = str(value)
    if address == "dhcp":
        merged.pop("gw", None)
    return merged


def _mount(
    out: Writes, config: Mapping[str, Any], i: int, after: Mapping[str, Value], *, gone: bool, default_storage: str
) -> None:
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
        parts = words.options(config[slot])
        parts |= {"mp": str(after.get("path", parts.get("mp")))}
        parts |= {"backup": str(int(bool(after["backup"])))} if "backup" in after else {}
        out.put[slot] = words.joined(parts)
    if after.get("storage") is not None:
        out.move.append((slot, str(after["storage"])))
    if isinstance(size := after.get("size"), int):
        out.resize.append((slot, size))


def _disk(
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
    slot = "rootfs" if kind == "container" else words.disks(config).get(i)
    if gone:
        out.delete += [slot] if slot else []
        return
    if slot is None:
        slot = f"{wanted.get(f'disks[{i}].bus', 'scsi')}{i}"
        storage = after.get("storage") or default_storage
        # A new disk is never made where its slot is in use by something else.
        if slot in config:
            raise ValueError(f"{slot} is in use by something that is not a disk")
        out.put[slot] = words.joined({"volume": f"{storage}:{gib(after['size'])}", **_flags({}, after)})
        return
    flags = {k: v for k, v in after.items() if k in ("ssd", "discard", "iothread", "backup")}
    if flags and kind == "vm":
        out.put[slot] = words.joined(_flags(words.options(config[slot]), flags))
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
