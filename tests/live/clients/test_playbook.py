"""`ansible-playbook` and `ansible-inventory` with the collection `community.proxmox`, as their users start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atlas.proxmox.client import Client

Run = Callable[..., str]


@pytest.fixture
def ansible(lab: dict[str, Any], collections: Path, tmp_path: Path) -> Run:
    """Return a function that runs a program of Ansible; where the lab is and who asks is in the environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "PROXMOX_"))}
    env = {
        **kept,
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "PROXMOX_HOST": str(lab["host"]),
        "PROXMOX_PORT": str(lab["port"]),
        "PROXMOX_URL": lab["url"],
        "PROXMOX_USER": "root@pam",
        "PROXMOX_PASSWORD": lab["password"],
        "PROXMOX_CA_PATH": lab["ca_file"],
        "REQUESTS_CA_BUNDLE": lab["ca_file"],  # the inventory plugin has no option for it
    }

    def run(program: str, *words: str) -> str:
        command = [str(Path(sys.executable).with_name(program)), *words]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


PLAY: list[dict[str, Any]] = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"community.proxmox.proxmox_pool": {"poolid": "play", "comment": "of a play"}},
            {
                "community.proxmox.proxmox_kvm": {
                    "vmid": 600,
                    "name": "played",
                    "node": "pve1",
                    "pool": "play",
                    "memory": 512,
                    "scsi": {"scsi0": "local-lvm:1"},
                    "net": {"net0": "virtio,bridge=vmbr0"},
                    "tags": ["web"],
                }
            },
            {"community.proxmox.proxmox_vm_info": {"vmid": 600}, "register": "told"},
            {"ansible.builtin.assert": {"that": "told.proxmox_vms[0].name == 'played'"}},
        ],
    }
]


def test_a_play_changes_once(ansible: Run, reader: Client, tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(json.dumps(PLAY))
    assert "changed=2 " in ansible("ansible-playbook", "play.yml")
    assert [row["vmid"] for row in reader.get("pools", "play")["members"]] == [600]
    assert "changed=0 " in ansible("ansible-playbook", "play.yml")


def test_the_inventory_holds_every_guest_with_its_facts(ansible: Run, reader: Client, tmp_path: Path) -> None:
    (tmp_path / "lab.proxmox.yml").write_text(
        json.dumps(
            {
                "plugin": "community.proxmox.proxmox",
                "want_facts": True,
                "qemu_extended_statuses": True,
                "want_proxmox_nodes_ansible_host": True,
                "keyed_groups": [{"key": "proxmox_tags_parsed", "prefix": "tag"}],
                "compose": {"cores": "proxmox_cores | default(1)"},
            }
        )
    )
    listed = ansible("ansible-inventory", "-i", "lab.proxmox.yml", "--list")
    found = json.loads(listed, object_hook=lambda found: found.get("__ansible_unsafe", found))
    facts = found["_meta"]["hostvars"]
    rows = reader.get("cluster", "resources", type="vm")
    guests = {row["name"] for row in rows if not row.get("template")}  # the plugin leaves templates out
    assert guests < set(facts)
    assert set(found["proxmox_nodes"]["hosts"]) == {"pve1", "pve2", "pve3"}
    assert found["tag_web"]["hosts"] == found["proxmox_pool_play"]["hosts"] == ["played"]
    mine = facts["played"]
    assert (mine["proxmox_vmid"], mine["proxmox_status"], mine["proxmox_node"]) == (600, "stopped", "pve1")
    assert mine["proxmox_net0"]["bridge"] == "vmbr0"
    assert facts["pve1"]["ansible_host"] == next(
        row["address"] for row in reader.get("nodes", "pve1", "network") if row["iface"] == "vmbr0"
    )
