"""Modules of `community.proxmox` for virtual machines: their life, disks, network cards and snapshots."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from fakes.collection import Modules
from fakes.polling import until

from atlas.errors import ApiRefused
from atlas.proxmox.client import Client

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0zX2D3m8f3JtqJd0mXo1H0hQkq0l7Q3m4pV8u1b2Zc a+b@c"
VM: dict[str, Any] = {
    "node": "pve1",
    "cores": 2,
    "memory": 1024,
    "ostype": "l26",
    "scsihw": "virtio-scsi-single",
    "agent": "enabled=1",
    "scsi": {"scsi0": "local-lvm:4"},
    "net": {"net0": "virtio,bridge=vmbr0"},
}


def config(reader: Client, vmid: int, node: str = "pve1") -> dict[str, Any]:
    found: dict[str, Any] = reader.get("nodes", node, "qemu", vmid, "config")
    return found


def status(reader: Client, vmid: int, node: str = "pve1") -> str:
    return str(reader.get("nodes", node, "qemu", vmid, "status", "current")["status"])


@pytest.fixture(scope="module")
def vm(modules: Modules) -> int:
    return int(modules("proxmox_kvm", vmid=700, name="parts", **VM)["vmid"])


def test_a_machine_is_made_changed_run_and_removed(modules: Modules, reader: Client) -> None:
    made = modules.once("proxmox_kvm", vmid=701, name="one", tags=["a", "b"], description="made", **VM)
    found = config(reader, 701)
    assert (found["name"], found["cores"], str(found["memory"]), found["tags"]) == ("one", 2, "1024", "a;b")
    assert made["mac"]["net0"] in found["net0"]
    assert made["devices"]["scsi0"] in found["scsi0"]
    modules("proxmox_kvm", vmid=701, name="one", node="pve1", update=True, cores=4, description="changed")
    assert (config(reader, 701)["cores"], config(reader, 701)["description"]) == (4, "changed")
    modules("proxmox_kvm", vmid=701, node="pve1", delete="description")
    assert "description" not in config(reader, 701)
    for state, now in (("started", "running"), ("stopped", "stopped"), ("started", "running")):
        modules.once("proxmox_kvm", vmid=701, state=state, force=True)
        assert status(reader, 701) == now
    assert modules("proxmox_kvm", vmid=701, state="current")["status"] == "running"
    assert modules("proxmox_kvm", vmid=701, state="restarted", force=True)["changed"]
    modules("proxmox_kvm", vmid=701, node="pve1", update=True, memory=2048)
    modules("proxmox_kvm", vmid=701, node="pve1", revert="memory")
    assert str(config(reader, 701)["memory"]) == "1024"
    assert "is running" in modules("proxmox_kvm", vmid=701, state="absent")["msg"]
    modules.once("proxmox_kvm", vmid=701, state="absent", force=True)
    assert 701 not in [row["vmid"] for row in reader.get("cluster", "resources", type="vm")]


def test_machines_with_firmware_and_keys(modules: Modules, reader: Client) -> None:
    more: dict[str, Any] = {
        "bios": "ovmf",
        "machine": "q35",
        "efidisk0": {"storage": "local-lvm", "efitype": "4m", "format": "raw", "pre_enrolled_keys": False},
    }
    more |= {"tpmstate0": {"storage": "local-lvm", "version": "2.0"}, "ide": {"ide2": "local-lvm:cloudinit"}}
    more |= {"ciuser": "ops", "cipassword": "not-a-secret", "sshkeys": KEY}
    more |= {"ipconfig": {"ipconfig0": "ip=10.42.0.77/24,gw=10.42.0.1"}, "nameservers": ["10.42.0.1"]}
    more |= {"serial": {"serial0": "socket"}, "vga": "serial0", "onboot": True, "startup": "order=2", "pool": "made"}
    modules("proxmox_pool", poolid="made")
    modules.once("proxmox_kvm", vmid=702, name="firm", **VM, **more)
    found = config(reader, 702)
    assert "efitype=4m" in found["efidisk0"]
    assert "version=v2.0" in found["tpmstate0"]
    assert found["sshkeys"] == quote(KEY, safe="")
    assert [row["vmid"] for row in reader.get("pools", "made")["members"]] == [702]
    modules.once("proxmox_kvm", vmid=702, state="absent")


def test_clones_templates_and_migration(modules: Modules, reader: Client) -> None:
    modules.once("proxmox_kvm", clone="debian-12", name="copy", newid=703, node="pve1", storage="local-lvm", timeout=60)
    assert config(reader, 703)["scsi0"].startswith("local-lvm:vm-703-disk-0")
    modules("proxmox_kvm", clone="debian-12", name="linked", newid=704, node="pve1", full=False)
    assert "base-9000-disk-0" in config(reader, 704)["scsi0"]
    modules.once("proxmox_kvm", vmid=704, node="pve2", migrate=True)
    assert config(reader, 704, "pve2")["name"] == "linked"
    modules.once("proxmox_kvm", vmid=703, state="template")
    assert config(reader, 703)["template"] == 1
    for vmid in (703, 704):
        modules.once("proxmox_kvm", vmid=vmid, state="absent")


def test_disks(modules: Modules, reader: Client, vm: int) -> None:
    disk = {"vmid": vm, "disk": "scsi3"}
    modules.once("proxmox_disk", **disk, storage="local-lvm", size=2, state="present")
    assert "size=2G" in config(reader, vm)["scsi3"]
    modules.once("proxmox_disk", **disk, backup=False, cache="writeback", iothread=True)
    assert {"backup=0", "cache=writeback", "iothread=1"} < set(config(reader, vm)["scsi3"].split(","))
    modules.once("proxmox_disk", **disk, state="resized", size="3G")
    modules("proxmox_disk", **disk, state="resized", size="+1G")
    assert "size=4G" in config(reader, vm)["scsi3"]
    modules.once("proxmox_disk", **disk, state="moved", target_storage="shared-nfs", delete_moved=True)
    assert config(reader, vm)["scsi3"].startswith(f"shared-nfs:{vm}/vm-{vm}-disk-")
    modules.once("proxmox_disk", **disk, state="detached")
    unused = next(key for key, value in config(reader, vm).items() if key.startswith("unused"))
    modules.once("proxmox_disk", vmid=vm, disk=unused, state="absent")
    assert not any(key.startswith("unused") for key in config(reader, vm))
    modules("proxmox_disk", vmid=vm, disk="ide1", media="cdrom", iso_image="none")
    assert config(reader, vm)["ide1"].startswith("none")
    modules.once("proxmox_disk", vmid=vm, disk="ide1", state="absent")


def test_a_disk_goes_to_another_machine(modules: Modules, reader: Client, vm: int) -> None:
    modules("proxmox_kvm", vmid=705, name="taker", **VM)
    modules("proxmox_disk", vmid=vm, disk="scsi5", storage="local-lvm", size=1)
    modules("proxmox_disk", vmid=vm, disk="scsi5", state="moved", target_vmid=705, target_disk="scsi4")
    assert "scsi5" not in config(reader, vm)
    assert config(reader, 705)["scsi4"].startswith("local-lvm:vm-705-disk-1")
    modules("proxmox_kvm", vmid=705, state="absent")


def test_network_cards(modules: Modules, reader: Client, vm: int) -> None:
    nic = {"vmid": vm, "interface": "net3", "bridge": "vmbr0", "mac": "BC:24:11:00:00:07"}
    modules.once("proxmox_nic", **nic)
    modules.once("proxmox_nic", **nic, tag=7, firewall=True, model="e1000", rate=2.5)
    assert config(reader, vm)["net3"] == "e1000=BC:24:11:00:00:07,bridge=vmbr0,firewall=1,rate=2.5,tag=7"
    modules.once("proxmox_nic", vmid=vm, interface="net3", state="absent")
    assert "net3" not in config(reader, vm)


def test_snapshots(modules: Modules, reader: Client, vm: int) -> None:
    snap = {"vmid": vm, "snapname": "before"}
    modules.once("proxmox_snap", **snap, description="first")
    modules("proxmox_kvm", vmid=vm, node="pve1", update=True, cores=8)
    modules("proxmox_snap", **snap, state="rollback")
    assert config(reader, vm)["cores"] == 2
    modules("proxmox_snap", vmid=vm, snapname="later", retention=1)  # the older one goes
    names = [row["name"] for row in reader.get("nodes", "pve1", "qemu", vm, "snapshot")]
    assert names == ["later", "current"]
    modules.once("proxmox_snap", vmid=vm, snapname="later", state="absent")
    assert not modules("proxmox_snap_info", vmid=vm)["changed"]


def test_what_is_told_of_machines(modules: Modules, reader: Client, vm: int) -> None:
    told = modules("proxmox_vm_info", vmid=vm, config="current")["proxmox_vms"][0]
    row = next(row for row in reader.get("cluster", "resources", type="vm") if row["vmid"] == vm)
    assert (told["name"], told["status"], told["maxmem"]) == (row["name"], row["status"], row["maxmem"])
    assert told["config"]["scsi0"] == config(reader, vm)["scsi0"]
    modules("proxmox_kvm", clone="debian-12", name="talks", newid=706, node="pve1")
    modules("proxmox_kvm", vmid=706, state="started")
    until(lambda: _agent(reader, 706))
    told = modules("proxmox_vm_info", name="talks", type="qemu", config="pending", network=True)["proxmox_vms"][0]
    assert "lo" in [nic["name"] for nic in told["network"]]
    everything = modules("proxmox_vm_info")["proxmox_vms"]
    assert {row["vmid"] for row in everything} == {r["vmid"] for r in reader.get("cluster", "resources", type="vm")}


def _agent(reader: Client, vmid: int) -> bool:
    try:
        reader.get("nodes", "pve1", "qemu", vmid, "agent", "get-osinfo")
    except ApiRefused:
        return False
    return True
