"""Command lines, seeds and places of real machines."""

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from atlas.lab.backend import BackendError, Disk, Machine, Nic
from atlas.lab.budget import OVERHEAD, admit
from atlas.lab.cables import subnet_of
from atlas.lab.commandline import Places, disk_device, gateway_command, machine_command
from atlas.lab.disks import Disks
from atlas.lab.image import apt_lines
from atlas.lab.leftovers import live_pid, run_folder
from atlas.lab.netconfig import Address
from atlas.lab.process import read_record, write_record
from atlas.lab.recipe import FINISH, overlay
from atlas.lab.seed import seed_files

MACHINE = Machine(
    101,
    "web-1",
    "11111111-2222-3333-4444-555555555555",
    cores=2,
    sockets=2,
    memory=768,
    disks=(Disk("scsi0", "st/a,b.qcow2"), Disk("efidisk0", "st/efi"), Disk("ide0", "st/x.iso", cdrom=True)),
    nics=(Nic("net0", "BC:24:11:00:00:01", "vmbr0", 20, "e1000"),),
    cloudinit={"user-data": "secret"},
    boot=("scsi0",),
)
PLACES = Places(Path("/lab/disks"), Path("/lab/run"), Path("/lab/con,sole.log"))


def after(command: list[str], option: str) -> list[str]:
    return [command[at + 1] for at, word in enumerate(command) if word == option]


def described(words: list[str]) -> list[dict[str, Any]]:
    return [json.loads(word) for word in words if word.startswith("{")]


def test_machine_is_as_configured() -> None:
    command = machine_command(MACHINE, PLACES, "tcg", {"net0": Path("/lab/run/net-vmbr0.20")})
    assert after(command, "-smp") == ["4,sockets=2,cores=2,threads=1"]
    assert after(command, "-m") == ["768M"]
    assert after(command, "-uuid") == [MACHINE.uuid]
    blocks = {block["node-name"]: block for block in described(after(command, "-blockdev"))}
    assert set(blocks) == {"drive-scsi0", "drive-ide0"}
    assert blocks["drive-scsi0"]["file"]["filename"] == "/lab/disks/st/a,b.qcow2"
    assert blocks["drive-ide0"]["read-only"] is True
    devices = {device["id"]: device for device in described(after(command, "-device"))}
    assert devices["scsi0"]["bootindex"] == 1
    assert devices["net0"]["mac"] == "BC:24:11:00:00:01"
    assert devices["net0"]["driver"] == "e1000"
    assert described(after(command, "-netdev"))[0]["addr"]["path"] == "/lab/run/net-vmbr0.20"
    assert "/lab/con,,sole.log" in " ".join(command)
    assert "secret" not in " ".join(command)


def test_image_is_started_by_its_own_kernel() -> None:
    places = Places(PLACES.disks, PLACES.run, PLACES.console, kernel=(Path("/i/k"), Path("/i/r"), "root=x"))
    command = machine_command(MACHINE, places, "tcg", {"net0": Path("/n")})
    assert (after(command, "-kernel"), after(command, "-append")) == (["/i/k"], ["root=x"])
    assert not [device for device in described(after(command, "-device")) if "bootindex" in device]


def test_each_bus_has_its_device() -> None:
    shown = {slot: disk_device(Disk(slot, "p"))["driver"] for slot in ("scsi3", "virtio1", "ide1", "sata2")}
    assert shown == {"scsi3": "scsi-hd", "virtio1": "virtio-blk-pci", "ide1": "ide-hd", "sata2": "scsi-hd"}
    assert disk_device(Disk("ide3", "p")).items() >= {"bus": "ide.1", "unit": 1}.items()
    ids = {disk_device(Disk(slot, "p"))["scsi-id"] for slot in ("scsi0", "scsi1", "sata0", "sata1")}
    assert len(ids) == 4


def test_gateway_answers_names_at_the_address_that_guests_route_to() -> None:
    net = IPv4Network("10.42.7.0/24")
    command = gateway_command(net, IPv4Address("10.42.7.1"), IPv4Address("10.42.7.254"), Path("/n"), Path("/q"))
    assert "user,id=u0,net=10.42.7.0/24,host=10.42.7.254,dns=10.42.7.1,ipv6=off" in command


@pytest.mark.parametrize(
    ("addresses", "vlan", "expected"),
    [
        ([Address("192.168.5.9", 20, "192.168.0.1")], None, ("192.168.0.0/20", "192.168.0.1", ["192.168.5.9"])),
        ([Address(dhcp=True)], None, ("10.42.0.0/24", None, [])),
        ([], 20, ("10.42.20.0/24", None, [])),
        ([], 4094, ("10.57.254.0/24", None, [])),
        ([Address("fd00::1", 64)], None, ("10.42.0.0/24", None, [])),
        ([Address("10.1.1.1", 32)], None, ("10.42.0.0/24", None, [])),
    ],
)
def test_subnet_follows_the_address(addresses: list[Address], vlan: int | None, expected: tuple[Any, ...]) -> None:
    subnet, gateway, own = subnet_of(Nic("net0", "m", "vmbr0", vlan), addresses)
    assert (str(subnet), gateway, own) == expected


def test_disk_names_stay_below_the_folder(tmp_path: Path) -> None:
    disks = Disks(tmp_path / "disks")
    assert disks.file("st/101/x.qcow2") == tmp_path / "disks/st/101/x.qcow2"
    for bad in ("../x", "/etc/passwd", "a/../../x", "", "."):
        with pytest.raises(BackendError, match="no name of a disk"):
            disks.file(bad)


async def test_image_disk_is_only_noted_until_it_is_needed(tmp_path: Path) -> None:
    disks = Disks(tmp_path)
    await disks.create("st/base.qcow2", 3 << 30, "no-such-image")
    assert not disks.file("st/base.qcow2").exists()
    with pytest.raises(BackendError, match="no image 'no-such-image' can be built here; known: debian-12"):
        await disks.clone("st/base.qcow2", "st/new.qcow2", linked=False, snapshot=None)
    disks.delete("st/base.qcow2")
    assert list((tmp_path / "st").iterdir()) == []


def test_apt_sources_are_the_machine_s_debian_ones() -> None:
    told = """\
http://mirror.example/debian/|bookworm|main|Packages
http://mirror.example/debian/|bookworm|main|Packages
http://mirror.example/debian/|bookworm|contrib|Packages
http://mirror.example/debian-security/|bookworm-security|main|Packages
https://other.example/apt|stable|main|Packages
file:/srv/x|bookworm|main|Packages
"""
    assert apt_lines(told, "bookworm") == [
        "deb http://mirror.example/debian bookworm main",
        "deb http://mirror.example/debian-security bookworm-security main",
    ]
    assert apt_lines(told, "trixie") == []
    assert apt_lines("garbage\n||", "bookworm") == []


def test_seed_has_what_cloud_init_needs() -> None:
    assert set(seed_files({})) == {"user-data", "meta-data"}
    given = {"user-data": "#cloud-config\r\n", "network-config": "version: 1\n", "../evil": "x", "vendor-data": ""}
    files = seed_files(given)
    assert set(files) == {"user-data", "meta-data", "network-config"}
    assert files["user-data"] == "#cloud-config\n"


def test_image_lets_services_start_and_honours_a_proxy() -> None:
    assert "policy-rc.d" in FINISH
    assert "etc/apt/apt.conf.d/95proxy" not in overlay("")
    assert "http://proxy.example:3128" in overlay("http://proxy.example:3128")["etc/apt/apt.conf.d/95proxy"]
    assert "etc/apt/apt.conf.d/95proxy" not in overlay('x";\nDPkg::Pre-Invoke {"evil')


def test_record_holds_no_secret_and_reads_back(tmp_path: Path) -> None:
    write_record(tmp_path / "m", MACHINE)
    assert "secret" not in (tmp_path / "m").read_text()
    again = read_record(tmp_path / "m")
    assert (again.vmid, list(again.disks), list(again.nics)) == (101, list(MACHINE.disks), list(MACHINE.nics))


def test_run_folder_is_short_enough_for_sockets(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    assert len(str(run_folder(deep))) < 60
    assert run_folder(deep) != run_folder(tmp_path / ("y" * 120))
    assert run_folder(Path("/lab")) == Path("/lab/run")


def test_pid_of_another_program_is_not_taken_for_a_guest(tmp_path: Path) -> None:
    file = tmp_path / "101.pid"
    assert live_pid(file) is None
    file.write_text("1\n")
    assert live_pid(file) is None
    file.write_text("nonsense")
    assert live_pid(file) is None


def test_what_does_not_fit_into_memory_is_told_what_to_do() -> None:
    assert admit(MACHINE, [], 768 + OVERHEAD) is MACHINE
    with pytest.raises(BackendError, match="it needs 992 MiB, and 992 of the lab's 1900 MiB are in use; stop a guest"):
        admit(MACHINE, [MACHINE], 1900)
