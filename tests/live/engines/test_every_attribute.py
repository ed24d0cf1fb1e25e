"""Every attribute there is, set, changed and set back, by either engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fakes.site import KEY, Site, farm

from atlas.proxmox.client import Client

KEYS = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMAf+/x0 me@home = a b"]


# What the provider cannot set back on a VM, or change on a container without making another of it: so it stays.
VM_STAYS = {"api": (), "terraform": ("pool", "efi", "dns")}
CONTAINER_STAYS = {"api": (), "terraform": ("pool", "disks", "mounts")}


def rich_guest(site: Site) -> dict[str, Any]:
    """Return a guest with every attribute."""
    return {
        "name": "rich",
        "node": site.node(2),
        "cpu": {"cores": 2, "sockets": 2, "type": "host"},
        "memory": "2GiB",
        "balloon": "1GiB",
        "machine": "q35",
        "efi": {"storage": site.storages[0], "secure_boot": True},
        "tpm": {"storage": site.storages[0]},
        "disks": [
            {"size": "4GiB", "ssd": True, "discard": True, "iothread": True, "storage": site.storages[0]},
            {"size": "1GiB", "bus": "virtio", "storage": site.other_storage},
            {"size": "2GiB", "bus": "sata", "storage": site.storages[0]},
        ],
        "networks": [
            {"bridge": "vmbr0", "vlan": 20, "mtu": 1400, "address": "10.42.0.50/24", "gateway": "10.42.0.1"},
            {"bridge": "vmbr0", "address": "fd00::5/64", "gateway": "fd00::1"},
            {"bridge": "vmbr0", "address": "dhcp"},
        ],
        "dns": {"servers": ["10.42.0.1", "10.42.0.2"], "search": "example.org"},
        "user": {"name": "me", "ssh_keys": KEYS},
        "start": {"on_boot": False, "order": 3},
        "tags": ["x", "y"],
        "pool": "ours",
        "backup": False,
        "protection": True,
    }


@pytest.fixture
def pool(site: Site) -> Iterator[str]:
    token = site.status.get("tokens", {}).get("root@pam!lab", site.status["token"])  # a site's own token may do it
    root = Client(site.status["url"], token, ca_file=Path(site.status["ca_file"]))
    for name in ("ours", "other"):
        root.post("pools", poolid=name)
    yield "ours"
    site.sweep()
    for name in ("ours", "other"):
        root.delete("pools", poolid=name)


def test_every_attribute_is_set_changed_and_reset(site: Site, pool: str) -> None:
    rich = rich_guest(site)
    site.apply(farm(rich))
    assert site.plan(farm(rich))[1].changes == ()
    (lease,) = site.store.leases("test", "farm")
    config = site.config(lease.vmid)
    assert (config["bios"], config["machine"], config["cpu"]) == ("ovmf", "q35", "host")
    assert "backup=0" in config["virtio1"]
    assert unquote(config["sshkeys"]).splitlines() == sorted([KEY, *KEYS])
    changed = {
        **rich,
        "node": site.node(3),
        "pool": "other",
        "machine": "pc",
        "balloon": "512MiB",
        "dns": {"servers": ["10.42.0.3"], "search": "example.net"},
        "protection": False,
        "backup": True,
        "start": {"on_boot": True, "order": 4},
    }
    site.apply(farm(changed))
    assert site.plan(farm(changed))[1].changes == ()
    assert site.running(lease.vmid)
    stays = {k: changed[k] for k in VM_STAYS[site.engine.name]}
    bare = {"name": "rich", "disks": [{"size": "4GiB"}], "networks": [{"address": "10.42.0.50/24"}], **stays}
    site.apply(farm(bare))
    assert site.plan(farm(bare))[1].changes == ()
    config = site.config(lease.vmid)
    gone = ["net1", "net2", "virtio1", "sata2", "tpmstate0", "startup"]
    gone += [] if stays else ["ipconfig1", "nameserver", "searchdomain", "bios", "balloon"]
    assert not [k for k in gone if k in config]
    assert not int(config.get("balloon", 0))
    assert not site.pending(lease.vmid)
    assert site.running(lease.vmid)
    assert (site.cluster.row(lease.vmid) or {}).get("pool") == stays.get("pool")


def test_every_attribute_of_a_container_is_set_changed_and_reset(site: Site, pool: str) -> None:
    rich: dict[str, Any] = {
        "name": "ct",
        "kind": "container",
        "node": site.node(2),
        "cpu": {"cores": 1},
        "swap": "1GiB",
        "features": {"nesting": True},
        "disks": [{"size": "4GiB", "storage": site.storages[0]}],
        "mounts": [
            {"path": "/srv/a", "size": "1GiB", "storage": site.other_storage, "backup": True},
            {"path": "/srv/b", "size": "1GiB"},
        ],
        "networks": [
            {"bridge": "vmbr0", "vlan": 20, "mtu": 1400, "address": "10.42.0.50/24", "gateway": "10.42.0.1"},
            {"bridge": "vmbr0", "address": "dhcp"},
        ],
        "dns": {"servers": ["10.42.0.1"], "search": "example.org"},
        "start": {"on_boot": False, "order": 3},
        "pool": "ours",
        "protection": True,
    }
    site.apply(farm(rich))
    assert site.plan(farm(rich))[1].changes == ()
    (lease,) = site.store.leases("test", "farm")
    stays = {k: rich[k] for k in CONTAINER_STAYS[site.engine.name]}
    changed: dict[str, Any] = {
        **rich,
        "pool": "other",
        "protection": False,
        "disks": [{"size": "4GiB", "storage": site.other_storage}],
        "mounts": [
            {"path": "/srv/c", "size": "2GiB", "storage": site.other_storage},
            {"path": "/srv/b", "size": "1GiB"},
        ],
        "dns": {"servers": ["10.42.0.3"]},
        "networks": [{"bridge": "vmbr0", "address": "10.42.0.51/24"}],
        **stays,
    }
    site.apply(farm(changed))
    assert site.plan(farm(changed))[1].changes == ()
    assert changed["disks"][0]["storage"] in site.config(lease.vmid)["rootfs"]
    bare = {"name": "ct", "kind": "container", "networks": [{"address": "10.42.0.50/24"}], **stays}
    site.apply(farm(bare))
    assert site.plan(farm(bare))[1].changes == ()
    config = site.config(lease.vmid)
    gone = ["net1", "nameserver", "searchdomain", "startup", *([] if stays else ["mp0", "mp1"])]
    assert not [k for k in gone if k in config]
    assert "nesting=1" not in config.get("features", "")
    assert not site.pending(lease.vmid)
    assert site.running(lease.vmid)
    site.apply(None, "farm")
    assert lease.vmid not in site.vmids_there()
