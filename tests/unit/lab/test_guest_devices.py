"""Property strings of drives, cards and mounts; the boot order."""

from __future__ import annotations

import re

import pytest

from atlas.lab import guest_devices as gd


def test_a_drive_is_printed_volume_first_and_the_rest_by_name() -> None:
    drive = gd.parse_drive("ssd=on,qc1:1/vm-1-disk-0.raw,size=536870912,cache=none,backup=no")
    assert gd.print_drive(drive) == "qc1:1/vm-1-disk-0.raw,backup=0,cache=none,size=512M,ssd=1"


@pytest.mark.parametrize(
    "text", ["model=virtio,macaddr=bc:24:11:0a:0b:0c,bridge=vmbr0", "virtio=bc:24:11:0a:0b:0c,bridge=vmbr0"]
)
def test_both_ways_to_write_a_card_mean_the_same(text: str) -> None:
    assert (
        gd.print_net(gd.parse_net(text + ",tag=12,firewall=1"))
        == "virtio=bc:24:11:0a:0b:0c,bridge=vmbr0,firewall=1,tag=12"
    )


def test_a_card_without_an_address_gets_one_and_keeps_it() -> None:
    first = gd.print_net(gd.parse_net("e1000,bridge=vmbr0"))
    assert re.fullmatch(r"e1000=BC:24:11(:[0-9A-F]{2}){3},bridge=vmbr0", first)
    assert gd.print_net(gd.parse_net(first)) == first


def test_a_containers_card_starts_with_its_name() -> None:
    text = gd.print_lxc_net(gd.split("bridge=vmbr0,ip=dhcp,name=eth0,hwaddr=BC:24:11:00:00:01"))
    assert text == "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth"


def test_a_mount_point_names_its_place_before_its_options() -> None:
    assert gd.print_mount(gd.parse_mount("x:0,mp=/data,size=256M,acl=1")) == "x:0,mp=/data,acl=1,size=256M"
    assert [gd.mount_type(v) for v in ("x:1/vm-1-disk-0.raw", "/dev/sda", "/srv")] == ["volume", "device", "bind"]


def test_the_default_boot_order_is_disk_cd_card() -> None:
    config: dict[str, str | int] = {
        "ide0": "none,media=cdrom",
        "sata0": "a:1/vm-1-disk-0.raw",
        "scsi0": "a:1/vm-1-disk-1.raw",
        "net1": "virtio=x",
        "tpmstate0": "a:1/vm-1-disk-2.raw",
    }
    assert gd.default_boot(config) == "order=scsi0;ide0;net1"
    assert gd.boot_order({"boot": "order=scsi0;ide0"}) == ["scsi0", "ide0"]
    assert gd.default_boot({}) == ""
    assert gd.boot_order({"boot": "cdn"}) == []


def test_the_cloudinit_drive_is_found_by_its_volume() -> None:
    config: dict[str, str | int] = {"ide0": "none,media=cdrom", "ide2": "a:1/vm-1-cloudinit.qcow2,media=cdrom"}
    assert gd.cloudinit_slot(config) == "ide2"
    assert gd.cloudinit_slot(config, "ide2") is None
