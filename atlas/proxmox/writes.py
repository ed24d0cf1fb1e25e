"""Changes of attributes as what has to be written to PVE: parameters, resizes, moves. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from atlas import attributes, pveconfig
from atlas.plan import AttributeChange, Value
from atlas.proxmox import devices, words
from atlas.proxmox.devices import Writes, set_or_delete
from atlas.state import Attributes, Kind

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

_LEADING = {"cpu.type": ("cpu", "cputype"), "machine": ("machine", "type"), "agent": ("agent", "enabled")}
"""Options with parts, of which the first has no name: key, and what that part is called."""

_FEATURES = ("nesting", "keyctl", "fuse")


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
            devices.network(out, kind, config, index, after, gone=gone)
        elif entry.startswith("mounts"):
            devices.mount(out, config, index, after, gone=gone, default_storage=default_storage)
        else:
            devices.disk(out, kind, config, index, after, wanted, gone=gone, default_storage=default_storage)
    return out


def _plain(
    out: Writes, kind: Kind, config: Mapping[str, Any], change: AttributeChange, wanted: Attributes, storage: str
) -> None:
    path, after = change.path, change.after
    if path in _PLAIN:
        key = _PLAIN[path][0 if kind == "vm" else 1]
        set_or_delete(out, key, _number(after))
    elif path == "description":
        kept = [
            x for x in str(config.get("description", "")).splitlines() if not x.startswith(("atlas:", words.MARKER))
        ]
        set_or_delete(out, "description", "\n".join([str(after or ""), *kept]).strip() or None)
    elif path == "tags":
        set_or_delete(out, "tags", ";".join(str(t) for t in _tuple(after)) or None)
    elif path == "start.order":
        parts = {k: v for k, v in pveconfig.options(config.get("startup", "")).items() if k != "order"}
        startup = pveconfig.joined({**parts, **({"order": after} if after is not None else {})})
        set_or_delete(out, "startup", startup or None)
    elif path == "dns.servers":
        set_or_delete(out, "nameserver", " ".join(str(s) for s in _tuple(after)) or None)
    elif path == "user.ssh_keys" and kind == "vm":  # a container takes its keys only when it is made
        set_or_delete(out, "sshkeys", encoded_keys(after) or None)
    elif path == "features":
        parts = {k: v for k, v in pveconfig.options(config.get("features", "")).items() if k not in _FEATURES}
        set_or_delete(out, "features", pveconfig.joined({**parts, **{str(f): 1 for f in _tuple(after)}}) or None)
    elif path in _LEADING:
        key, first = _LEADING[path]
        led: dict[str, object] = {**pveconfig.options(config.get(key, ""), first), first: _number(after)}
        set_or_delete(out, key, None if after is None else pveconfig.joined(led, first))
    elif path in ("efi", "efi.secure_boot", "efi.storage"):
        devices.efi(out, config, change, wanted, storage)
    elif path in ("tpm", "tpm.storage"):
        devices.tpm(out, config, change, wanted, storage)


def _number(value: Value) -> Value:
    """Return a value with PVE's 1 and 0 for true and false."""
    return int(value) if isinstance(value, bool) else value


def _tuple(value: Value) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


def encoded_keys(value: Value) -> str:
    """Return ssh keys as `sshkeys` takes them: percent-encoded once more than the form is. Source: pve-common Tools."""
    return quote("\n".join(str(k) for k in _tuple(value)), safe="")
