"""Named formats that are property strings, written as the API table writes its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from atlas.lab.cpu_models import verify_cpu
from atlas.lab.table import load

_PCI = r"(?:[a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\.[a-f0-9])?"
_VANISHED = "(?:acl|properties|entry)"
_COUNT = {"type": "integer", "minimum": 0, "optional": 1}
PROPERTIES: dict[str, dict[str, dict[str, Any]]] = {
    "prune-backups": {
        "keep-all": {"type": "boolean", "optional": 1},
        **{f"keep-{unit}": _COUNT for unit in ("last", "hourly", "daily", "weekly", "monthly", "yearly")},
    },
    "backup-fleecing": {
        "enabled": {"type": "boolean", "optional": 1, "default": 0, "default_key": 1},
        "storage": {"type": "string", "format": "pve-storage-id", "optional": 1},
    },
    "backup-performance": {
        "max-workers": {"type": "integer", "minimum": 1, "maximum": 256, "optional": 1, "default": 16},
        "pbs-entries-max": {"type": "integer", "minimum": 1, "optional": 1, "default": 1048576},
    },
    "pve-qm-ipconfig": {
        "ip": {"type": "string", "format": "pve-ipv4-config", "optional": 1},
        "gw": {"type": "string", "format": "ipv4", "optional": 1, "requires": "ip"},
        "ip6": {"type": "string", "format": "pve-ipv6-config", "optional": 1},
        "gw6": {"type": "string", "format": "ipv6", "optional": 1, "requires": "ip6"},
    },
    "pve-vm-cpu-conf": {
        "cputype": {"type": "string", "optional": 1, "default_key": 1},
        "flags": {
            "type": "string",
            "optional": 1,
            "pattern": r"([+-])([a-zA-Z0-9\-_\.]+)(;([+-])([a-zA-Z0-9\-_\.]+))*",
        },
        "hidden": {"type": "boolean", "optional": 1},
        "hv-vendor-id": {"type": "string", "optional": 1, "pattern": r"[a-zA-Z0-9]{1,12}"},
        "phys-bits": {"type": "string", "optional": 1, "format": "pve-phys-bits"},
        "guest-phys-bits": {"type": "integer", "optional": 1, "minimum": 32, "maximum": 64},
        "level": {"type": "integer", "optional": 1, "minimum": 0, "maximum": 4294967295},
        "reported-model": {"type": "string", "optional": 1},
    },
    "pve-qm-smbios1": {
        "base64": {"type": "boolean", "optional": 1},
        "uuid": {"type": "string", "optional": 1, "pattern": r"[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}"},
        **{
            name: {"type": "string", "optional": 1, "pattern": r"[A-Za-z0-9+\/]+={0,2}"}
            for name in ("family", "manufacturer", "product", "serial", "sku", "version")
        },
    },
    "pve-qm-watchdog": {
        "model": {"type": "string", "optional": 1, "default_key": 1, "enum": ["i6300esb", "ib700"]},
        "action": {
            "type": "string",
            "optional": 1,
            "enum": ["reset", "shutdown", "poweroff", "pause", "debug", "none"],
        },
    },
    "pve-qm-rng": {
        "source": {"type": "string", "default_key": 1, "enum": ["/dev/urandom", "/dev/random", "/dev/hwrng"]},
        "max_bytes": {"type": "integer", "optional": 1},
        "period": {"type": "integer", "optional": 1},
    },
    "pve-qm-cicustom": {
        name: {"type": "string", "optional": 1, "format": "pve-volume-id"}
        for name in ("meta", "network", "user", "vendor")
    },
    "pve-qm-boot": {
        "legacy": {"type": "string", "optional": 1, "default_key": 1, "pattern": "[acdn]{1,4}"},
        "order": {"type": "string", "optional": 1, "format": "pve-qm-bootdev-list"},
    },
    "pve-qm-hostpci": {
        "host": {"type": "string", "optional": 1, "default_key": 1, "pattern": rf"{_PCI}(;{_PCI})*"},
        "mapping": {"type": "string", "optional": 1, "format": "pve-configid"},
        **{name: {"type": "boolean", "optional": 1} for name in ("rombar", "pcie", "x-vga", "legacy-igd")},
        "romfile": {"type": "string", "optional": 1, "pattern": "[^,;]+"},
        "mdev": {"type": "string", "optional": 1, "pattern": r"[^/\.:]+"},
        **{
            f"{name}-id": {"type": "string", "optional": 1, "pattern": "0x[0-9a-fA-F]{4}"}
            for name in ("vendor", "device", "sub-vendor", "sub-device")
        },
        "driver": {"type": "string", "optional": 1, "enum": ["vfio", "keep"]},
    },
    "pve-qemu-sev-fmt": {
        "type": {"type": "string", "default_key": 1, "enum": ["std", "es", "snp"], "maxLength": 3},
        **{
            name: {"type": "boolean", "optional": 1}
            for name in ("no-debug", "no-key-sharing", "allow-smt", "kernel-hashes")
        },
    },
    "pve-qemu-tdx-fmt": {
        "type": {"type": "string", "default_key": 1, "enum": ["tdx"]},
        "attestation": {"type": "boolean"},
        "vsock-cid": {"type": "integer", "optional": 1, "minimum": 2},
        "vsock-port": {"type": "integer", "optional": 1, "minimum": 0},
    },
    "proxmox-remote": {
        "host": {"type": "string"},
        "port": {"type": "integer", "optional": 1},
        "apitoken": {"type": "string"},
        "fingerprint": {"type": "string", "optional": 1, "pattern": "([A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}"},
    },
    "realm-sync-options": {
        "scope": {"type": "string", "optional": 1, "enum": ["users", "groups", "both"]},
        "remove-vanished": {"type": "string", "optional": 1, "pattern": rf"(?:(?:{_VANISHED};)*{_VANISHED})|none"},
        **{name: {"type": "boolean", "optional": 1} for name in ("full", "enable-new", "purge")},
    },
    "pve-tfa-config": {
        "type": {"type": "string", "enum": ["yubico", "oath"]},
        **{name: {"type": "string", "optional": 1} for name in ("id", "key", "url")},
        "digits": {"type": "integer", "optional": 1, "minimum": 6, "maximum": 8},
        "step": {"type": "integer", "optional": 1, "minimum": 10},
    },
    "pve-sdn-dhcp-range": {
        "start-address": {"type": "ip"},
        "end-address": {"type": "ip"},
    },
}


def properties(name: str) -> dict[str, dict[str, Any]] | None:
    """Return the properties of a named format that is a property string, or None where it is none."""
    if name == "pve-qm-ide":  # the old name `cdrom` of ide2 takes what that takes
        slots = load().description["/nodes/{node}/qemu"]["POST"]["parameters"]
        found: dict[str, dict[str, Any]] = slots["ide[n]"]["format"]
        return found
    return PROPERTIES.get(name)


def _prune(given: Mapping[str, str]) -> str | None:
    others = any(float(value) > 0 for key, value in given.items() if key != "keep-all")
    return "keep-all cannot be set together with other options." if others and given.get("keep-all") == "1" else None


def _fleecing(given: Mapping[str, str]) -> str | None:
    missing = given.get("enabled") == "1" and not given.get("storage")
    return "'storage' parameter is required when 'enabled' is set" if missing else None


VALIDATORS: dict[str, Callable[[Mapping[str, str]], str | None]] = {
    "prune-backups": _prune,
    "backup-fleecing": _fleecing,
    "pve-vm-cpu-conf": verify_cpu,
}
"""What a property string must fulfil as a whole, once each of its properties is right."""
