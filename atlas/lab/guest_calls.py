"""The modules that register the calls of guests; importing this one imports them all."""

from __future__ import annotations

import importlib

MODULES = (
    *(
        "agent",
        "backup_calls",
        "lxc_clone",
        "lxc_config",
        "lxc_create",
        "lxc_disks",
        "lxc_power",
        "migrate",
        "qemu_clone",
    ),
    *("qemu_cloudinit", "qemu_create", "qemu_disks", "qemu_pause", "qemu_power", "qemu_status", "qemu_update"),
    *("snapshot_calls", "guest_graphs"),
)

for _name in MODULES:
    importlib.import_module(f"atlas.lab.{_name}")
