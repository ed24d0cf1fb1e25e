"""Which options need which privilege, and what a running VM takes at once."""

from __future__ import annotations

import pytest

from atlas.lab import qemu_rules as rules

RUNNING: dict[str, str | int] = {
    "scsi0": "a:1/vm-1-disk-0.raw,size=1G",
    "ide2": "a:1/vm-1-cloudinit.qcow2,media=cdrom",
    "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
    "agent": "1",
}


@pytest.mark.parametrize(
    ("key", "value", "now"),
    [
        ("cores", 4, False),
        ("memory", "512", False),
        ("cpu", "host", False),
        ("cpulimit", "2", True),
        ("cpuunits", 200, True),
        ("scsi1", "a:1/vm-1-disk-1.raw", True),
        ("sata0", "a:1/vm-1-disk-1.raw", False),
        ("ide2", "none,media=cdrom", True),
        ("scsi0", "a:1/vm-1-disk-0.raw,size=1G,iothread=1", False),
        ("scsi0", "a:1/vm-1-disk-0.raw,size=1G,mbps=10", True),
        ("efidisk0", "a:1/vm-1-disk-1.raw", False),
        ("net0", "virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=5", True),
        ("net1", "virtio=BC:24:11:00:00:02,bridge=vmbr0", True),
        ("agent", "1,fstrim_cloned_disks=1", True),
        ("agent", "0", False),
        ("ostype", "l26", False),
    ],
)
def test_what_a_running_vm_takes_at_once(key: str, value: str | int, now: bool) -> None:
    assert rules.can_plug(key, value, RUNNING) is now


def test_without_hotplug_disks_and_new_cards_wait_but_a_bridge_changes() -> None:
    config = RUNNING | {"hotplug": "0"}
    assert not rules.can_plug("scsi1", "a:1/vm-1-disk-1.raw", config)
    assert not rules.can_plug("net1", "virtio=BC:24:11:00:00:02,bridge=vmbr0", config)
    assert rules.can_plug("net0", "virtio=BC:24:11:00:00:01,bridge=vmbr1", config)
    assert not rules.can_unplug("net0", config)
    assert rules.can_plug("memory", "512", RUNNING | {"hotplug": "memory,cpu"})


def test_what_a_running_vm_drops_at_once() -> None:
    assert rules.can_unplug("net0", RUNNING)
    assert rules.can_unplug("scsi0", RUNNING)
    assert rules.can_unplug("description", RUNNING)
    assert not rules.can_unplug("ide2", RUNNING)
    assert not rules.can_unplug("agent", RUNNING)


@pytest.mark.parametrize(
    ("option", "needed"),
    [
        ("cores", ("VM.Config.CPU",)),
        ("net3", ("VM.Config.Network",)),
        ("ipconfig0", ("VM.Config.Cloudinit", "VM.Config.Network")),
        ("ciuser", ("VM.Config.Cloudinit", "VM.Config.Network")),
        ("boot", ("VM.Config.Disk",)),
        ("scsi0", ()),
        ("tags", ()),
        ("args", None),
        ("vmgenid", None),
        ("hookscript", None),
    ],
)
def test_the_privileges_of_an_option(option: str, needed: tuple[str, ...] | None) -> None:
    assert rules.privileges(option) == needed


def test_a_drive_needs_what_it_holds() -> None:
    assert rules.drive_privileges("a:1/vm-1-cloudinit.qcow2,media=cdrom") == ("VM.Config.Cloudinit", "VM.Config.CDROM")
    assert rules.drive_privileges("none,media=cdrom") == ("VM.Config.CDROM",)
    assert rules.drive_privileges("a:1") == ("VM.Config.Disk",)


@pytest.mark.parametrize(
    ("key", "now"),
    [
        ("ipconfig0", True),
        ("ipconfig31", True),
        ("sshkeys", True),
        ("nameserver", True),
        ("name", True),
        ("ipconfig", False),
        ("cores", False),
        ("net0", False),
    ],
)
def test_what_means_nothing_to_the_running_process(key: str, now: bool) -> None:
    assert rules.fast(key) is now
