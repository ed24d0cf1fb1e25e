"""Modules of `community.proxmox` for nodes, storages, templates, backups, tasks and high availability."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.collection import Modules

from atlas.proxmox.client import Client

STORAGES: dict[str, dict[str, Any]] = {
    "dir": {"content": ["iso", "backup"], "dir_options": {"path": "/srv/more"}},
    "nfs": {"content": ["images"], "nfs_options": {"server": "10.42.0.3", "export": "/srv/nfs"}},
    "cifs": {
        "content": ["backup"],
        "cifs_options": {"server": "10.42.0.3", "share": "s", "username": "u", "password": "not-a-secret"},
    },
    "pbs": {
        "content": ["backup"],
        "pbs_options": {"server": "10.42.0.3", "username": "u@pbs", "password": "not-a-secret", "datastore": "d"},
    },
    "zfspool": {"content": ["images", "rootdir"], "zfspool_options": {"pool": "tank"}},
}


@pytest.mark.parametrize("kind", STORAGES)
def test_storages(modules: Modules, reader: Client, kind: str) -> None:
    made = {"name": f"a-{kind}", "type": kind, "nodes": ["pve1", "pve2"], **STORAGES[kind]}
    modules.once("proxmox_storage", **made)
    found = reader.get("storage", f"a-{kind}")
    assert set(found["content"].split(",")) == set(made["content"])
    assert set(found["nodes"].split(",")) == {"pve1", "pve2"}
    told = modules("proxmox_storage_info", storage=f"a-{kind}")["proxmox_storages"][0]
    assert (told["type"], told["storage"]) == (kind, f"a-{kind}")
    modules.once("proxmox_storage", name=f"a-{kind}", type=kind, state="absent")
    assert f"a-{kind}" not in [row["storage"] for row in reader.get("storage")]


def test_files_come_and_go(modules: Modules, reader: Client, tmp_path: Path) -> None:
    image = tmp_path / "small.iso"
    image.write_bytes(b"CD001" * 1000)
    where = {"node": "pve1", "content_type": "iso", "storage": "local"}
    modules.once("proxmox_template", **where, src=str(image))
    rows = reader.get("nodes", "pve1", "storage", "local", "content")
    assert [(row["volid"], row["size"]) for row in rows] == [("local:iso/small.iso", 5000)]
    told = modules("proxmox_storage_contents_info", node="pve1", storage="local", content="iso")
    assert [row["volid"] for row in told["proxmox_storage_content"]] == ["local:iso/small.iso"]
    modules.once("proxmox_template", **where, template="small.iso", state="absent")
    assert reader.get("nodes", "pve1", "storage", "local", "content") == []


def test_backups_and_their_jobs(modules: Modules, reader: Client) -> None:
    vm = {"node": "pve1", "memory": 512, "scsi": {"scsi0": "local-lvm:1"}}
    for vmid in (710, 711):
        modules("proxmox_kvm", vmid=vmid, name=f"b{vmid}", **vm)
    made = modules(
        "proxmox_backup", mode="include", vmids=[710], storage="local", node="pve1", wait=True, compress="zstd"
    )
    assert made["changed"]
    files = reader.get("nodes", "pve1", "storage", "local", "content", content="backup")
    assert [row["vmid"] for row in files] == [710]
    modules("proxmox_kvm", vmid=712, name="restored", node="pve1", archive=files[0]["volid"], storage="local-lvm")
    assert reader.get("nodes", "pve1", "qemu", 712, "config")["scsi0"].startswith("local-lvm:vm-712")
    reader.post(
        "cluster", "backup", id="nightly", schedule="03:00", storage="local", vmid="710", enabled=1, mode="stop"
    )
    modules.once("proxmox_backup_schedule", vm_id="711", backup_id="nightly", state="present")
    assert reader.get("cluster", "backup", "nightly")["vmid"] == "710,711"
    told = modules("proxmox_backup_info", vm_name="b711")["backup_info"]
    assert [(row["id"], row["vmid"], row["mode"]) for row in told] == [("nightly", "711", "stop")]
    modules.once("proxmox_backup_schedule", vm_name="b711", state="absent")
    assert reader.get("cluster", "backup", "nightly")["vmid"] == "710"


def test_high_availability(modules: Modules, reader: Client) -> None:
    modules("proxmox_kvm", vmid=715, name="ha", node="pve1", memory=512)
    modules.once("proxmox_cluster_ha_resources", name="vm:715", state="present", hastate="stopped", comment="kept")
    modules.once(
        "proxmox_cluster_ha_resources", name="vm:715", state="present", hastate="stopped", comment="kept", max_restart=3
    )
    found = reader.get("cluster", "ha", "resources", "vm:715")
    assert (found["state"], found["max_restart"]) == ("stopped", 3)
    rule = {"name": "here", "type": "node-affinity", "resources": ["vm:715"], "state": "present"}
    modules.once("proxmox_cluster_ha_rules", **rule, nodes=["pve1:10", "pve2"])
    modules.once("proxmox_cluster_ha_rules", **rule, nodes=["pve1:10", "pve3"])
    assert reader.get("cluster", "ha", "rules", "here")["nodes"] == "pve1:10,pve3"
    modules.once("proxmox_cluster_ha_rules", name="here", state="absent")
    modules.once("proxmox_cluster_ha_resources", name="vm:715", state="absent")
    assert reader.get("cluster", "ha", "resources") == []
    refused = modules.run("proxmox_cluster_ha_groups", name="old", state="present", nodes=["pve1"])
    assert refused["failed"]  # groups became rules


def test_nodes_and_tasks(modules: Modules, reader: Client) -> None:
    told = {row["node"]: row for row in modules("proxmox_node_info")["proxmox_nodes"]}
    assert set(told) == {row["node"] for row in reader.get("nodes")}
    modules("proxmox_kvm", vmid=720, name="task", node="pve2", memory=512)
    tasks = modules("proxmox_tasks_info", node="pve2")["proxmox_tasks"]
    made = next(row for row in tasks if row["type"] == "qmcreate" and row["id"] == "720")
    assert made["status"] == "OK"
    one = modules("proxmox_tasks_info", node="pve2", task=made["upid"])["proxmox_tasks"]
    assert [row["upid"] for row in one] == [made["upid"]]
    modules.once("proxmox_node", node="pve2", dns={"search": "example.org", "dns1": "10.42.0.1"})
    assert reader.get("nodes", "pve2", "dns")["dns1"] == "10.42.0.1"
    modules("proxmox_cluster_join_info")
    modules("proxmox_cluster_status_info")
