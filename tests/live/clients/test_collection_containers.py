"""Modules of `community.proxmox` for containers: their life, volumes, network and snapshots."""

from __future__ import annotations

from typing import Any

from fakes.collection import Modules

from atlas.proxmox.client import Client

ARCHIVE = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
CT: dict[str, Any] = {
    "node": "pve1",
    "ostemplate": ARCHIVE,
    "cores": 1,
    "memory": 512,
    "swap": 256,
    "password": "not-a-secret",
    "netif": {"net0": "name=eth0,bridge=vmbr0,ip=10.42.0.90/24,gw=10.42.0.1"},
}


def config(reader: Client, vmid: int) -> dict[str, Any]:
    found: dict[str, Any] = reader.get("nodes", "pve1", "lxc", vmid, "config")
    return found


def test_a_container_is_made_changed_run_and_removed(modules: Modules, reader: Client) -> None:
    more = {"disk": "local-lvm:2", "features": ["nesting=1"], "tags": ["a", "b"], "description": "made", "onboot": True}
    more |= {"mounts": {"mp0": "local-lvm:1,mp=/data"}, "nameserver": "10.42.0.1", "searchdomain": "example.org"}
    modules("proxmox", vmid=800, hostname="ct", **CT, **more)
    found = config(reader, 800)
    assert (found["hostname"], found["cores"], found["memory"], found["swap"]) == ("ct", 1, 512, 256)
    assert (found["features"], found["tags"], found["onboot"], found["unprivileged"]) == ("nesting=1", "a;b", 1, 1)
    assert found["rootfs"].startswith("local-lvm:vm-800-disk-")
    assert "mp=/data" in found["mp0"]
    modules("proxmox", vmid=800, hostname="ct", node="pve1", cores=2, memory=768, cmode="tty")
    assert (config(reader, 800)["cores"], config(reader, 800)["memory"]) == (2, 768)
    modules("proxmox", vmid=800, hostname="ct", node="pve1", cmode="tty", delete=["searchdomain"])
    assert "searchdomain" not in config(reader, 800)
    for state, now in (("started", "running"), ("stopped", "stopped"), ("started", "running")):
        modules.once("proxmox", vmid=800, state=state, force=state == "stopped")
        assert reader.get("nodes", "pve1", "lxc", 800, "status", "current")["status"] == now
    assert modules("proxmox", vmid=800, state="restarted")["changed"]
    assert "running" in modules.run("proxmox", vmid=800, state="absent")["msg"]
    modules.once("proxmox", vmid=800, state="absent", force=True, purge=True)
    assert 800 not in [row["vmid"] for row in reader.get("cluster", "resources", type="vm")]


def test_volumes_by_their_parts(modules: Modules, reader: Client) -> None:
    root = {"disk_volume": {"storage": "local-lvm", "size": 3}}
    more = {"mount_volumes": [{"id": "mp0", "storage": "local-lvm", "size": 1, "mountpoint": "/srv"}]}
    modules("proxmox", vmid=801, hostname="parts", **CT, **root, **more)
    assert "size=3G" in config(reader, 801)["rootfs"]
    assert "mp=/srv" in config(reader, 801)["mp0"]
    modules("proxmox_snap", vmid=801, snapname="before", description="x")
    modules("proxmox", vmid=801, hostname="changed", node="pve1", cmode="tty")
    modules("proxmox_snap", vmid=801, snapname="before", state="rollback")
    assert config(reader, 801)["hostname"] == "parts"
    modules.once("proxmox_snap", vmid=801, snapname="before", state="absent")
    told = modules("proxmox_vm_info", vmid=801, config="current", type="lxc")["proxmox_vms"][0]
    assert (told["name"], told["config"]["memory"]) == ("parts", 512)
    modules("proxmox", vmid=801, state="started")
    told = modules("proxmox_vm_info", vmid=801, network=True)["proxmox_vms"][0]
    assert "eth0" in [nic["name"] for nic in told["network"]]
    modules("proxmox", vmid=801, state="absent", force=True)


def test_clones_and_templates(modules: Modules, reader: Client) -> None:
    modules("proxmox", vmid=802, hostname="source", **CT, disk="local-lvm:1")
    clone = {"clone": 802, "node": "pve1", "timeout": 60}
    modules.once("proxmox", vmid=803, hostname="full", clone_type="full", storage="local-lvm", **clone)
    assert config(reader, 803)["hostname"] == "full"
    modules("proxmox", vmid=802, state="template")
    assert config(reader, 802)["template"] == 1
    modules.once("proxmox", vmid=804, hostname="linked", clone_type="linked", **clone)
    assert config(reader, 804)["rootfs"].startswith("local-lvm:vm-804-disk-")
    for vmid in (803, 804, 802):
        modules.once("proxmox", vmid=vmid, state="absent")
