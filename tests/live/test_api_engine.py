"""The api engine against a lab or a site of yours: plan, apply, change, rename, count, containers, destroy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fakes.site import KEY, Site
from fakes.where import cluster

from atlas.errors import PartlyDone, SpecError, StalePlan
from atlas.plan import Action
from atlas.proxmox.client import Client


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("lab")
    with cluster(folder, latency="fast") as status:
        yield status


@pytest.fixture
def site(lab: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "home", lab)
    yield made
    made.store.close()
    made.sweep()


def spec(*guests: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """Return a small stack."""
    return {
        "metadata": {"name": "farm", "tags": ["test"]},
        "defaults": {"image": "debian-12", "memory": "1GiB", "disks": [{"size": "4GiB"}], **defaults},
        "guests": list(guests),
    }


def test_a_stack_is_made_as_wanted_and_the_second_plan_is_empty(site: Site) -> None:
    wanted = spec({"name": "web", "count": 2, "cpu": {"cores": 2}}, {"name": "db", "start": {"order": 1}})
    plan = site.apply(wanted)
    assert (plan.count(Action.CREATE), len(plan.changes)) == (3, 3)
    assert sorted(site.ready) == ["db", "web-1", "web-2"]
    for lease in site.store.leases("test", "farm"):
        config = site.config(lease.vmid)
        assert config["name"] == lease.key
        assert config["description"].strip() == f"atlas:{site.store.installation()}:farm:{lease.vmid}"
        assert config["scsi0"].endswith("size=4G")
        assert config["ipconfig0"] == f"ip={lease.addresses[0]}" + (
            f",gw={lease.gateways[0]}" if lease.gateways[0] else ""
        )
        assert lease.macs[0] in config["net0"]
        assert config["tags"] == "atlas;test"
        assert str(config["ciupgrade"]) == "0"
        assert site.running(lease.vmid)
        assert not site.pending(lease.vmid)
        assert lease.made
        assert lease.uuid
        assert lease.uuid in config["smbios1"]
    assert site.plan(wanted)[1].changes == ()


def test_memory_changes_in_place_with_a_reboot(site: Site) -> None:
    site.apply(spec({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    before = site.config(lease.vmid)
    plan = site.apply(spec({"name": "a", "memory": "2GiB", "cpu": {"cores": 2}}))
    assert [c.action for c in plan.changes] == [Action.UPDATE]
    assert plan.changes[0].reboots
    after = site.config(lease.vmid)
    assert (str(after["memory"]), after["cores"], after["smbios1"]) == ("2048", 2, before["smbios1"])
    assert site.running(lease.vmid)
    assert not site.pending(lease.vmid)
    assert site.plan(spec({"name": "a", "memory": "2GiB", "cpu": {"cores": 2}}))[1].changes == ()


def test_disks_grow_are_added_moved_and_detached(site: Site) -> None:
    site.apply(spec({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    grown = spec({"name": "a", "disks": [{"size": "6GiB"}, {"size": "2GiB", "storage": site.other_storage}]})
    site.apply(grown)
    config = site.config(lease.vmid)
    assert config["scsi0"].endswith("size=6G")
    assert config["scsi1"].startswith(f"{site.other_storage}:")
    assert config["scsi1"].endswith("size=2G")
    assert site.plan(grown)[1].changes == ()
    moved = spec({"name": "a", "disks": [{"size": "6GiB", "storage": site.other_storage}]})
    plan = site.apply(moved)
    assert any("kept" in note for note in plan.changes[0].notes)
    config = site.config(lease.vmid)
    assert config["scsi0"].startswith(f"{site.other_storage}:")
    assert "scsi1" not in config
    assert config["unused0"].startswith(f"{site.other_storage}:")
    assert site.plan(moved)[1].changes == ()
    with pytest.raises(SpecError):
        site.plan(spec({"name": "a", "disks": [{"size": "5GiB"}]}))


def test_guests_come_go_are_renamed_and_counted(site: Site) -> None:
    site.apply(spec({"name": "a"}, {"name": "b", "count": 2}))
    first = {x.key: x.vmid for x in site.store.leases("test", "farm")}
    after = spec({"name": "z", "renamed_from": "a"}, {"name": "b", "count": 1}, {"name": "c"})
    plan = site.apply(after)
    assert {c.key: c.action.value for c in plan.changes} == {"z": "update", "b-2": "delete", "c": "create"}
    now = {x.key: x.vmid for x in site.store.leases("test", "farm")}
    assert now["z"] == first["a"]
    assert now["b-1"] == first["b-1"]
    assert site.config(now["z"])["name"] == "z"
    assert first["b-2"] not in site.vmids_there()
    assert site.plan(after)[1].changes == ()


def test_networks_tags_and_power_are_set_right(site: Site) -> None:
    site.apply(spec({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    node = site.cluster.row(lease.vmid)["node"]  # type: ignore[index]  # it was just made
    notes = "note\n" + str(site.config(lease.vmid)["description"])
    site.alter(lease.vmid, tags="atlas;test;theirs", description=notes)
    site.task(site.client.post("nodes", node, "qemu", lease.vmid, "status", "stop"))
    wanted = spec(
        {
            "name": "a",
            "tags": ["web"],
            "networks": [{**site.vlan, "address": "10.42.0.77/24"}, {"address": "10.43.0.5/24"}],
        },
    )
    site.apply(wanted)
    config = site.config(lease.vmid)
    assert config["tags"] == "atlas;test;theirs;web"
    assert "note" in config["description"]
    assert ("tag=7" in config["net0"]) == bool(site.vlan)
    assert config["ipconfig1"] == "ip=10.43.0.5/24"
    assert site.running(lease.vmid)
    assert site.plan(wanted)[1].changes == ()


def test_a_template_on_another_node_with_local_disks(site: Site) -> None:
    wanted = spec(
        {
            "name": "far",
            "template": "debian-12-local",
            "node": site.node(3),
            "disks": [{"size": "4GiB", "storage": site.other_storage}],
        }
    )
    site.apply(wanted)
    (lease,) = site.store.leases("test", "farm")
    assert site.cluster.row(lease.vmid)["node"] == site.node(3)  # type: ignore[index]  # it was just made
    assert site.config(lease.vmid)["scsi0"].startswith(f"{site.other_storage}:")
    assert site.plan(wanted)[1].changes == ()


def test_a_linked_clone_and_a_template_on_shared_storage_for_another_node(site: Site) -> None:
    wanted = spec({"name": "l", "clone": "linked", "node": site.node(2)}, {"name": "f", "node": site.node(3)})
    site.apply(wanted)
    leases = {x.key: x for x in site.store.leases("test", "farm")}
    assert f"base-{site.template.vmid}" in site.config(leases["l"].vmid)["scsi0"]
    assert {k: site.cluster.row(x.vmid)["node"] for k, x in leases.items()} == {"l": site.node(2), "f": site.node(3)}  # type: ignore[index]  # just made
    assert site.plan(wanted)[1].changes == ()


def test_an_image_that_changes_replaces_the_guest(site: Site) -> None:
    site.apply(spec({"name": "a"}))
    (before,) = site.store.leases("test", "farm")
    plan = site.apply(spec({"name": "a", "image": "ubuntu-24.04"}))
    (after,) = site.store.leases("test", "farm")
    assert [c.action for c in plan.changes] == [Action.REPLACE]
    assert (before.vmid, before.uuid != after.uuid) == (after.vmid, True)
    assert site.running(after.vmid)
    assert site.plan(spec({"name": "a", "image": "ubuntu-24.04"}))[1].changes == ()


def test_a_container_is_made_changed_and_deleted(site: Site) -> None:
    wanted = spec(
        {
            "name": "ct",
            "kind": "container",
            "features": {"nesting": True},
            "swap": "256MiB",
            "mounts": [{"path": "/srv/data", "size": "1GiB"}],
        }
    )
    site.apply(wanted)
    (lease,) = site.store.leases("test", "farm")
    config = site.config(lease.vmid)
    assert (config["hostname"], config["memory"], config["swap"]) == ("ct", 1024, 256)
    assert site.running(lease.vmid)
    assert site.plan(wanted)[1].changes == ()
    changed = spec(
        {
            "name": "ct",
            "kind": "container",
            "memory": "2GiB",
            "disks": [{"size": "5GiB"}],
            "mounts": [{"path": "/srv/data", "size": "2GiB"}],
        }
    )
    site.apply(changed)
    config = site.config(lease.vmid)
    assert (config["memory"], config["rootfs"].endswith("size=5G")) == (2048, True)
    assert site.running(lease.vmid)
    assert site.plan(changed)[1].changes == ()
    site.apply(None, "farm")
    assert lease.vmid not in site.vmids_there()


def test_destroy_leaves_the_lab_as_it_was(site: Site) -> None:
    before = site.vmids_there()
    volumes = site.volumes()
    site.apply(spec({"name": "a", "count": 3}))
    site.apply(None, "farm")
    assert site.vmids_there() == before
    assert site.volumes() == volumes
    assert not site.store.leases("test", "farm")


def test_what_changed_since_the_plan_is_refused(site: Site) -> None:
    site.apply(spec({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    work, plan = site.plan(spec({"name": "a", "memory": "2GiB"}))
    site.alter(lease.vmid, onboot=0)
    with pytest.raises(StalePlan):
        site.carry_out(work, plan)
    assert str(site.config(lease.vmid)["memory"]) == "1024"


def test_a_guest_of_others_under_our_vmid_is_left_alone(site: Site) -> None:
    work, plan = site.plan(spec({"name": "a"}))
    site.clone(site.vmids[0], "theirs")
    with pytest.raises(StalePlan, match="not ours"):
        site.carry_out(work, plan)
    assert site.config(site.vmids[0])["name"] == "theirs"


def test_one_guest_that_fails_does_not_keep_others(site: Site) -> None:
    work, plan = site.plan(spec({"name": "a"}, {"name": "b", "pool": "nowhere"}))
    with pytest.raises(PartlyDone, match="nowhere"):
        site.carry_out(work, plan)
    assert site.ready == ["a"]
    failed = [e for e in site.events if e.data.get("stage") == "failed"]
    assert [e.guest for e in failed] == ["b"]


KEYS = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMAf+/x0 me@home = a b"]


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
            {"size": "1536MiB", "bus": "sata", "storage": site.storages[0]},
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
    site.apply(spec(rich))
    assert site.plan(spec(rich))[1].changes == ()
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
        "dns": {"servers": ["10.42.0.3"]},
        "protection": False,
        "backup": True,
        "start": {"on_boot": True, "order": 4},
    }
    site.apply(spec(changed))
    assert site.plan(spec(changed))[1].changes == ()
    assert site.running(lease.vmid)
    bare = {"name": "rich", "disks": [{"size": "4GiB"}], "networks": [{"address": "10.42.0.50/24"}]}
    site.apply(spec(bare))
    assert site.plan(spec(bare))[1].changes == ()
    config = site.config(lease.vmid)
    gone = ("net1", "net2", "ipconfig1", "virtio1", "sata2", "startup", "nameserver", "searchdomain", "balloon", "bios")
    assert not [k for k in gone if k in config]
    assert not site.pending(lease.vmid)
    assert site.running(lease.vmid)
    assert (site.cluster.row(lease.vmid) or {}).get("pool") is None


def test_every_attribute_of_a_container_is_set_changed_and_reset(site: Site, pool: str) -> None:
    rich = {
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
    site.apply(spec(rich))
    assert site.plan(spec(rich))[1].changes == ()
    (lease,) = site.store.leases("test", "farm")
    changed = {
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
    }
    site.apply(spec(changed))
    assert site.plan(spec(changed))[1].changes == ()
    assert site.config(lease.vmid)["rootfs"].startswith(f"{site.other_storage}:")
    bare = {"name": "ct", "kind": "container", "networks": [{"address": "10.42.0.50/24"}]}
    site.apply(spec(bare))
    assert site.plan(spec(bare))[1].changes == ()
    config = site.config(lease.vmid)
    assert not [k for k in ("mp0", "mp1", "net1", "nameserver", "searchdomain", "startup", "features") if k in config]
    assert not site.pending(lease.vmid)
    assert site.running(lease.vmid)
    site.apply(None, "farm")
    assert lease.vmid not in site.vmids_there()
