"""Named formats that are property strings, written as the API table writes its own."""

from __future__ import annotations

from typing import Any

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
        "phys-bits": {"type": "string", "optional": 1, "pattern": r"host|[0-9]{1,2}"},
        "guest-phys-bits": {"type": "integer", "optional": 1, "minimum": 32, "maximum": 64},
        "level": {"type": "integer", "optional": 1},
        "reported-model": {"type": "string", "optional": 1},
    },
    "pve-qm-smbios1": {
        "base64": {"type": "boolean", "optional": 1},
        "uuid": {"type": "string", "optional": 1, "pattern": r"[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}"},
        **{
            name: {"type": "string", "optional": 1, "pattern": r"[A-Za-z0-9+\/]+={0,2}|[^,]*"}
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
        "legacy": {"type": "string", "optional": 1, "default_key": 1},
        "order": {"type": "string", "optional": 1},
    },
}
