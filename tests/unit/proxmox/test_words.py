"""PVE's words and the spec's attributes: what is read, what is written, and that they agree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas import attributes
from atlas.instances import instances
from atlas.plan import AttributeChange
from atlas.ports.cluster import Work
from atlas.proxmox import words
from atlas.proxmox.writes import writes
from atlas.spec import Stack
from atlas.state import Kind, Lease, State

VM: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # a VM's configuration, what it says
    ({"name": "a"}, {"name": "a"}),
    ({}, {"cpu.cores": 1, "cpu.sockets": 1, "cpu.type": "kvm64", "memory": 512, "agent": False}),
    ({"cpu": "host,flags=+aes"}, {"cpu.type": "host"}),
    ({"cpu": "cputype=host"}, {"cpu.type": "host"}),
    ({"memory": "2048"}, {"memory": 2048}),
    ({"memory": "current=4096"}, {"memory": 4096}),
    ({"agent": "1"}, {"agent": True}),
    ({"agent": "enabled=1,fstrim_cloned_disks=1"}, {"agent": True}),
    ({"onboot": 1}, {"start.on_boot": True}),
    ({"startup": "order=3,up=5"}, {"start.order": 3}),
    ({"startup": "up=5"}, {"start.order": None}),
    ({"tags": "b;a"}, {"tags": ("a", "b")}),
    ({"tags": "b,a b"}, {"tags": ("a", "b")}),
    ({"description": "text\natlas:i:s:1\nmore\n"}, {"description": "atlas:i:s:1"}),
    ({"description": "text"}, {"description": None}),
    ({"nameserver": "10.0.0.1 10.0.0.2"}, {"dns.servers": ("10.0.0.1", "10.0.0.2")}),
    ({"sshkeys": "ssh-ed25519%20AA%2BB%20me%0A"}, {"user.ssh_keys": ("ssh-ed25519 AA+B me",)}),
    ({"sshkeys": "k%20a%E2%80%A8b%C2%85c%0Al"}, {"user.ssh_keys": ("k a\u2028b\x85c", "l")}),
    ({"machine": "q35"}, {"machine": "q35"}),
    ({"machine": "type=q35,viommu=intel"}, {"machine": "q35"}),
    ({"bios": "ovmf", "efidisk0": "st:vm-1-disk-1,pre-enrolled-keys=1"}, {"efi": True, "efi.secure_boot": True}),
    ({"bios": "seabios"}, {"efi": None}),
    ({"tpmstate0": "st:vm-1-disk-2,version=v2.0"}, {"tpm": True, "tpm.storage": "st"}),
    ({"scsi0": "st:v,size=10G"}, {"disks[0].size": 10240, "disks[0].storage": "st", "disks[0].bus": "scsi"}),
    ({"scsi0": "st:v,size=3584M"}, {"disks[0].size": 3584}),
    ({"scsi0": "st:v,size=2097156K"}, {"disks[0].size": 2048}),
    ({"scsi0": "st:v,size=1T"}, {"disks[0].size": 1048576}),
    ({"scsi0": "file=st:v,size=1G"}, {"disks[0].storage": "st"}),
    ({"scsi0": "st:v,ssd=1,discard=on,backup=0,iothread=1"}, {"disks[0].ssd": True, "disks[0].discard": True}),
    ({"scsi0": "st:v,backup=0"}, {"disks[0].backup": False}),
    ({"scsi0": "st:v"}, {"disks[0].backup": True, "disks[0].discard": False}),
    ({"virtio0": "st:b", "scsi0": "st:a", "boot": "order=virtio0;net0"}, {"disks[0].bus": "virtio"}),
    ({"virtio0": "st:b", "scsi1": "st:a", "boot": "order=ide2;virtio0"}, {"disks[1].bus": "scsi"}),
    ({"scsi0": "st:a", "virtio1": "st:b", "scsi1": "st:c"}, {"disks[1].bus": "scsi", "disks[201].bus": "virtio"}),
    ({"ide2": "st:vm-1-cloudinit,media=cdrom", "ide0": "st:iso/x.iso,media=cdrom"}, {"disks[0].bus": None}),
    ({"net0": "virtio=bc:24:11:00:00:01,bridge=vmbr0"}, {"networks[0].mac": "BC:24:11:00:00:01"}),
    ({"net0": "model=e1000,macaddr=BC:24:11:00:00:01,bridge=b"}, {"networks[0].mac": "BC:24:11:00:00:01"}),
    ({"net0": "virtio=M,bridge=b,tag=7,mtu=1400"}, {"networks[0].vlan": 7, "networks[0].mtu": 1400}),
    ({"net0": "virtio=M", "ipconfig0": "ip=10.0.0.1/24,gw=10.0.0.254"}, {"networks[0].gateway": "10.0.0.254"}),
    ({"net0": "virtio=M", "ipconfig0": "ip6=fd00::1/64,gw6=fd00::"}, {"networks[0].address": "fd00::1/64"}),
    ({"net0": "virtio=M", "ipconfig0": "ip=dhcp"}, {"networks[0].address": "dhcp"}),
]


@pytest.mark.parametrize(("config", "expected"), VM)
def test_what_a_vm_says(config: dict[str, Any], expected: dict[str, Any]) -> None:
    found = words.attributes(config, "vm")
    assert {p: found.get(p) for p in expected} == expected


CT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"hostname": "a"}, {"name": "a", "memory": 512, "swap": 512, "cpu.cores": None, "unprivileged": False}),
    ({"unprivileged": 1, "features": "nesting=1,keyctl=0"}, {"unprivileged": True, "features": ("nesting",)}),
    ({"rootfs": "st:subvol,size=8G"}, {"disks[0].size": 8192, "disks[0].storage": "st"}),
    ({"mp0": "st:v,mp=/data,backup=1,size=1G"}, {"mounts[0].path": "/data", "mounts[0].backup": True}),
    ({"mp0": "/host,mp=/data"}, {"mounts[0].path": None}),
    (
        {"net0": "name=eth0,bridge=b,hwaddr=bc:24:11:00:00:01,ip=10.0.0.1/24,gw=10.0.0.2,tag=5,type=veth"},
        {"networks[0].address": "10.0.0.1/24", "networks[0].vlan": 5, "networks[0].mac": "BC:24:11:00:00:01"},
    ),
]


@pytest.mark.parametrize(("config", "expected"), CT)
def test_what_a_container_says(config: dict[str, Any], expected: dict[str, Any]) -> None:
    found = words.attributes(config, "container")
    assert {p: found.get(p) for p in expected} == expected


PENDING: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
    ([], {}),
    ([{"key": "memory", "value": "1024", "pending": "2048"}], {"memory": 2048}),
    ([{"key": "balloon", "value": 512, "delete": 1}], {"balloon": None}),
    ([{"key": "cores", "value": 2, "pending": 2}], {}),
    ([{"key": "scsi0", "pending": "st:v,ssd=1,size=1G"}], {"disks[0].ssd": True}),
]


@pytest.mark.parametrize(("rows", "expected"), PENDING)
def test_what_waits_for_a_reboot(rows: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    config = {"memory": "1024", "balloon": 512, "cores": 2, "scsi0": "st:v,size=4G"}
    assert words.waiting(config, rows, "vm") == expected


UPDATES: list[tuple[Kind, dict[str, Any], dict[str, Any], dict[str, Any], list[str]]] = [
    # kind, configuration, paths that change, what is put, what is deleted
    ("vm", {}, {"name": "b"}, {"name": "b"}, []),
    ("container", {}, {"name": "b"}, {"hostname": "b"}, []),
    ("vm", {}, {"balloon": None}, {}, ["balloon"]),
    ("vm", {"startup": "order=1,up=5"}, {"start.order": 2}, {"startup": "up=5,order=2"}, []),
    ("vm", {"startup": "order=1"}, {"start.order": None}, {}, ["startup"]),
    ("vm", {"cpu": "kvm64,flags=+aes"}, {"cpu.type": "host"}, {"cpu": "host,flags=+aes"}, []),
    ("vm", {"agent": "enabled=0,type=virtio"}, {"agent": True}, {"agent": "1,type=virtio"}, []),
    ("vm", {"description": "mine\natlas:x"}, {"description": "atlas:i"}, {"description": "atlas:i\nmine"}, []),
    ("vm", {}, {"user.ssh_keys": ("k a+b", "l")}, {"sshkeys": "k%20a%2Bb%0Al"}, []),
    ("container", {}, {"user.ssh_keys": ("k",)}, {}, []),
    (
        "vm",
        {"net0": "e1000=M,bridge=a,firewall=1"},
        {"networks[0].vlan": 5},
        {"net0": "e1000=M,bridge=a,firewall=1,tag=5"},
        [],
    ),
    ("vm", {"net0": "virtio=M,bridge=a,tag=5"}, {"networks[0].vlan": None}, {"net0": "virtio=M,bridge=a"}, []),
    ("vm", {"net1": "virtio=M", "ipconfig1": "ip=dhcp"}, {"networks[1].bridge": None}, {}, ["net1", "ipconfig1"]),
    (
        "vm",
        {"net0": "virtio=M", "ipconfig0": "ip=10.0.0.1/24,gw=10.0.0.2,ip6=auto"},
        {"networks[0].address": "dhcp", "networks[0].gateway": None},
        {"ipconfig0": "ip=dhcp,ip6=auto"},
        [],
    ),
    (
        "vm",
        {"net0": "virtio=M", "ipconfig0": "ip=10.0.0.1/24,gw=10.0.0.2"},
        {"networks[0].address": "fd00::1/64", "networks[0].gateway": None},
        {"ipconfig0": "ip6=fd00::1/64"},
        [],
    ),
    (
        "vm",
        {"net0": "virtio=M", "ipconfig0": "ip6=fd00::1/64,gw6=fd00::"},
        {"networks[0].address": "10.0.0.1/24", "networks[0].gateway": "10.0.0.2"},
        {"ipconfig0": "ip=10.0.0.1/24,gw=10.0.0.2"},
        [],
    ),
    (
        "container",
        {"net0": "name=eth0,ip=10.0.0.1/24,gw=10.0.0.2"},
        {"networks[0].address": "fd00::1/64", "networks[0].gateway": "fd00::"},
        {"net0": "name=eth0,ip6=fd00::1/64,gw6=fd00::,type=veth"},
        [],
    ),
    (
        "vm",
        {"net0": "virtio=M", "ipconfig0": "ip6=fd00::1/64,gw6=fd00::"},
        {"networks[0].gateway": None},
        {"ipconfig0": "ip6=fd00::1/64"},
        [],
    ),
    ("vm", {"scsi0": "st:v,size=1G"}, {"disks[0].ssd": True}, {"scsi0": "st:v,size=1G,ssd=1"}, []),
    ("vm", {"scsi0": "st:v,discard=on,size=1G"}, {"disks[0].discard": False}, {"scsi0": "st:v,size=1G"}, []),
    ("vm", {"scsi0": "st:v"}, {"disks[1].size": 1536}, {"scsi1": "def:1.5"}, []),
    ("vm", {"scsi0": "st:v", "scsi1": "st:w"}, {"disks[1].size": None}, {}, ["scsi1"]),
    ("container", {}, {"mounts[0].path": "/d", "mounts[0].size": 1024}, {"mp0": "def:1,mp=/d,backup=0"}, []),
    ("container", {"mp0": "st:v,mp=/d,size=1G"}, {"mounts[0].path": "/e"}, {"mp0": "st:v,mp=/e,size=1G"}, []),
    (
        "container",
        {"features": "fuse=1,mount=nfs"},
        {"features": ("nesting",)},
        {"features": "mount=nfs,nesting=1"},
        [],
    ),
]


@pytest.mark.parametrize(("kind", "config", "after", "put", "deleted"), UPDATES)
def test_what_is_written(
    kind: Kind, config: dict[str, Any], after: dict[str, Any], put: dict[str, Any], deleted: list[str]
) -> None:
    changes = [AttributeChange(p, None, v) for p, v in after.items()]
    wanted = {p: v for p, v in after.items() if v is not None}
    stays: dict[str, Any] = {"networks[0].bridge": "x", "disks[0].size": 1} | (
        {"mounts[0].path": "x"} if "mp0" in config else {}
    )
    found = writes(kind, config, changes, {**stays, **wanted}, "def")
    assert (found.put, found.delete) == (put, deleted)


GUEST = st.fixed_dictionaries(
    {"image": st.just("debian-12"), "kind": st.sampled_from(["vm", "container"])},
    optional={
        "memory": st.sampled_from(["1GiB", "3GiB"]),
        "balloon": st.sampled_from(["512MiB", "1GiB"]),
        "cpu": st.fixed_dictionaries({}, optional={"cores": st.integers(1, 8), "type": st.sampled_from(["host"])}),
        "protection": st.booleans(),
        "machine": st.sampled_from(["q35", "pc"]),
        "efi": st.fixed_dictionaries({}, optional={"secure_boot": st.booleans()}),
        "tpm": st.just({}),
        "features": st.fixed_dictionaries({}, optional={"nesting": st.booleans(), "fuse": st.booleans()}),
        "start": st.fixed_dictionaries({}, optional={"order": st.integers(0, 9), "on_boot": st.booleans()}),
        "disks": st.lists(
            st.fixed_dictionaries(
                {"size": st.sampled_from(["4GiB", "1536MiB"]), "bus": st.sampled_from(["scsi", "virtio", "sata"])},
                optional={"ssd": st.booleans(), "discard": st.booleans(), "iothread": st.booleans()},
            ),
            min_size=1,
            max_size=4,
        ),
        "mounts": st.lists(st.fixed_dictionaries({"path": st.just("/d"), "size": st.just("1GiB")}), max_size=2),
        "networks": st.lists(
            st.fixed_dictionaries(
                {"address": st.sampled_from(["dhcp", "10.0.0.5/24", "fd00::5/64"])},
                optional={"vlan": st.integers(1, 99), "mtu": st.just(1400), "bridge": st.sampled_from(["b", "vmbr1"])},
            ),
            max_size=3,
        ),
        "dns": st.fixed_dictionaries({}, optional={"servers": st.just(["10.0.0.1"]), "search": st.just("a.b")}),
        "user": st.fixed_dictionaries({"name": st.just("me"), "ssh_keys": st.just(["ssh-ed25519 AA+/= x y"])}),
        "tags": st.lists(st.sampled_from(["x", "y"]), unique=True),
        "backup": st.booleans(),
    },
)


@settings(max_examples=100, deadline=None)
@given(GUEST)
def test_what_is_written_is_what_is_read(guest: dict[str, Any]) -> None:
    (one,) = instances(Stack.model_validate({"metadata": {"name": "s"}, "guests": [{"name": "a", **guest}]}))
    nics = one.guest.networks
    macs = tuple(f"BC:24:11:00:00:{i:02X}" for i, _ in enumerate(nics))
    lease = Lease("s", "a", 0, one.guest.kind, 100, "n", "9", "n", tuple(n.address for n in nics), (None,) * 9, macs)
    work = Work("s", "i", "ssh-ed25519 BB atlas", (one,), {}, {}, State("", "", {}, (), {}), Path("/x"))
    wanted = attributes.wanted(one, lease, work)
    changes = [AttributeChange(p, None, v) for p, v in wanted.items()]
    boot = wanted.get("disks[0].bus", "scsi")
    before = {"rootfs": "st:r"} if one.guest.kind == "container" else {f"{boot}0": "st:v"}
    found = writes(one.guest.kind, before, changes, wanted, "st")
    config = {**before, **{k: _made(str(v)) for k, v in found.put.items()}}
    for slot, size in found.resize:
        config[slot] = f"{config[slot]},size={size}M"
    shown = words.attributes(config, one.guest.kind)
    elsewhere = {"kind", "image", "node", "pool", "running", "unprivileged"}
    elsewhere |= {"user.ssh_keys"} if one.guest.kind == "container" else set()
    assert {p: shown.get(p) for p in wanted if p not in elsewhere} == {
        p: v for p, v in wanted.items() if p not in elsewhere
    }


def _made(value: str) -> str:
    """Return an option as PVE keeps it once it has made the volume."""
    match = re.match(r"^st:([\d.]+)(,|$)", value)
    return f"st:vol,{value[match.end() :]},size={float(match.group(1)) * 1024:.0f}M" if match else value
