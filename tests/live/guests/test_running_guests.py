"""Two real guests on the lab's network: reached, resolving, resized, saved, taken back, adopted."""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from live.guests.made import Real, address
from live.machines import Guest, adopted

from atlas.lab.backend import AgentSilent, BackendError, Disk
from atlas.lab.machines import QemuBackend

pytestmark = [pytest.mark.guest, pytest.mark.slow]
FIRST, SECOND = address("api"), address("terraform")
BY_SLOT = "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-{}"  # sda and sdb go to whichever answers first


@pytest.fixture(scope="module")
def guests(real: Real) -> Iterator[tuple[Guest, Guest]]:
    """The guests of both engines, without the lab that they were made in."""
    vmids = [int(real.made(engine).one("lease.taken")["vmid"]) for engine in ("api", "terraform")]
    addresses = dict(zip(vmids, (FIRST, SECOND), strict=True))
    real.kill_lab()
    try:
        with adopted(real.folder / "lab" / "guests", real.home / "ssh" / "id_ed25519", addresses) as found:
            yield found[0], found[1]
    finally:
        real.start_lab()


def test_guests_reach_each_other_by_their_addresses(guests: tuple[Guest, Guest]) -> None:
    assert guests[0].ssh(f"ping -c1 -W9 {SECOND}").returncode == 0
    assert guests[1].ssh(f"ping -c1 -W9 {FIRST}").returncode == 0


def test_names_are_resolved_by_the_nameserver_that_was_given(guests: tuple[Guest, Guest]) -> None:
    for guest, nameserver in zip(guests, ("10.42.0.1", "10.42.0.3"), strict=True):
        assert nameserver in guest.ssh("resolvectl dns eth0").stdout
        mirror = guest.ssh("awk '/^deb /{print $2; exit}' /etc/apt/sources.list").stdout.split("/")[2]
        assert guest.ssh(f"getent ahostsv4 {mirror}").returncode == 0


def test_agent_tells_the_configured_address(guests: tuple[Guest, Guest]) -> None:
    for guest in guests:
        shown = guest.agent("guest-network-get-interfaces")
        assert guest.address in [a["ip-address"] for card in shown for a in card["ip-addresses"]]


def test_jump_tells_a_closed_port_from_an_open_one_and_refuses_others(guests: tuple[Guest, Guest]) -> None:
    proxy = (guests[0].backend.jump() or {})["socks"]
    codes = {}
    for name, host_there, port in (("open", FIRST, 22), ("closed", FIRST, 81), ("else", "192.0.2.1", 22)):
        host, _, number = proxy.rpartition(":")
        with socket.create_connection((host, int(number)), timeout=30) as link:
            link.sendall(b"\x05\x01\x00\x05\x01\x00\x01" + socket.inet_aton(host_there) + port.to_bytes(2, "big"))
            answer = link.recv(2, socket.MSG_WAITALL) + link.recv(10, socket.MSG_WAITALL)
            codes[name] = answer[3]
    assert codes == {"open": 0, "closed": 5, "else": 2}


def test_running_guest_is_saved_and_taken_back(guests: tuple[Guest, Guest]) -> None:
    guest = guests[0]
    guest.save("clean")
    guest.ssh("touch /tmp/later && sync", check=True)
    guest.load("clean")
    assert guest.ssh("test -e /tmp/later").returncode == 1
    guest.loop.run(guest.backend.delete_snapshot(guest.vmid, "clean", [guest.disk("scsi0")]))
    with pytest.raises(BackendError, match="does not exist"):
        guest.load("clean")


def test_second_disk_is_there_and_grows_while_the_guest_runs(guests: tuple[Guest, Guest]) -> None:
    guest = guests[0]
    assert guest.ssh(f"lsblk -bdno SIZE {BY_SLOT.format('scsi1')}").stdout.strip() == str(1 << 30)
    guest.loop.run(guest.backend.resize_disk(guest.disk("scsi1"), 2 << 30))
    assert guest.ssh(f"lsblk -bdno SIZE {BY_SLOT.format('scsi1')}").stdout.strip() == str(2 << 30)


def test_memory_beyond_the_budget_is_refused(guests: tuple[Guest, Guest]) -> None:
    backend = guests[0].backend
    big = replace(backend.machine(guests[0].vmid), vmid=999, memory=1 << 20)
    with pytest.raises(BackendError, match="start the lab with a larger --memory"):
        guests[0].loop.run(backend.start(big))
    assert not backend.alive(999)


def test_guests_outlive_the_lab_and_are_adopted(guests: tuple[Guest, Guest]) -> None:
    guest = guests[1]
    guest.loop.run(guest.backend.close(stop=False))
    assert not guest.backend.alive(guest.vmid)
    again = QemuBackend(guest.backend.folder, memory=4096)
    guest.loop.run(again.open())
    assert again.alive(guests[0].vmid)
    assert again.alive(guest.vmid)
    assert again.jump() == guest.backend.jump()
    guest.loop.run(again.close(stop=False))
    guest.loop.run(guest.backend.open())
    assert guest.ssh("true").returncode == 0


def test_device_comes_and_goes_while_the_guest_runs(guests: tuple[Guest, Guest]) -> None:
    guest = guests[0]
    guest.loop.run(guest.backend.create_disk("test/late.qcow2", 1 << 28))
    guest.loop.run(guest.backend.plug(guest.vmid, Disk("scsi2", "test/late.qcow2")))
    guest.ssh("sudo udevadm settle", check=True)
    assert guest.ssh(f"lsblk -bdno SIZE {BY_SLOT.format('scsi2')}").stdout.strip() == str(1 << 28)
    guest.loop.run(guest.backend.unplug(guest.vmid, "scsi2"))
    guest.ssh("sudo udevadm settle", check=True)
    assert guest.ssh(f"test -e {BY_SLOT.format('scsi2')}").returncode == 1


def test_running_disk_is_copied_whole(guests: tuple[Guest, Guest]) -> None:
    guest = guests[0]
    guest.loop.run(guest.backend.clone_disk(guest.disk("scsi1"), "test/copy.qcow2"))
    copied = guest.backend.folder / "disks" / "test" / "copy.qcow2"
    subprocess.run(["qemu-img", "check", "-q", str(copied)], check=True)


def test_shutdown_is_heard_and_disks_roll_back(guests: tuple[Guest, Guest]) -> None:
    guest, backend, loop = guests[1], guests[1].backend, guests[1].loop
    paths = [guest.disk("scsi0"), guest.disk("scsi1")]
    loop.run(backend.snapshot(guest.vmid, "before", paths))
    with pytest.raises(BackendError, match="running"):
        loop.run(backend.rollback(guest.vmid, "before", paths))
    assert loop.run(backend.shutdown(guest.vmid, 60)) is True
    assert not backend.alive(guest.vmid)
    loop.run(backend.rollback(guest.vmid, "before", paths))
    loop.run(backend.delete_snapshot(guest.vmid, "before", paths))
    with pytest.raises(AgentSilent):
        guest.agent("guest-ping")
    assert "login:" in backend.console(guest.vmid)
