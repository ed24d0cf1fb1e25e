"""The modules that register the calls of guests; importing this one registers them all."""

from atlas.lab import (
    agent,
    lxc_config,
    lxc_create,
    lxc_power,
    qemu_clone,
    qemu_cloudinit,
    qemu_create,
    qemu_disks,
    qemu_pause,
    qemu_power,
    qemu_status,
    qemu_update,
    snapshot_calls,
)

MODULES = (
    *(agent, lxc_config, lxc_create, lxc_power, qemu_clone, qemu_cloudinit, qemu_create, qemu_disks),
    *(qemu_pause, qemu_power, qemu_status, qemu_update, snapshot_calls),
)
