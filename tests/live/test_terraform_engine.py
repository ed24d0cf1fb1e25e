"""The terraform engine with the real provider against a lab or a site of yours: from plan to destroy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.tfsite import TerraformSite
from fakes.where import cluster

from atlas.errors import PartlyDone, SpecError, StalePlan
from atlas.plan import Action

pytestmark = [pytest.mark.provider, pytest.mark.usefixtures("provider")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("lab")
    with cluster(folder, latency="instant") as status:
        yield status


@pytest.fixture
def site(lab: dict[str, Any], tmp_path: Path) -> Iterator[TerraformSite]:
    made = TerraformSite(tmp_path / "home", lab)
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


def test_a_stack_is_made_as_wanted_and_the_second_plan_is_empty(site: TerraformSite) -> None:
    wanted = spec({"name": "web", "count": 2, "cpu": {"cores": 2}}, {"name": "db", "start": {"order": 1}})
    plan = site.apply(wanted)
    assert (plan.count(Action.CREATE), len(plan.changes)) == (3, 3)
    assert sorted(site.ready) == ["db", "web-1", "web-2"]
    for lease in site.store.leases("test", "farm"):
        config = site.config(lease.vmid)
        assert config["name"] == lease.key
        assert config["description"].strip() == f"atlas:{site.store.installation()}:farm:{lease.vmid}"
        assert ",size=4G" in config["scsi0"]
        assert config["ipconfig0"].endswith(f"ip={lease.addresses[0]}")
        assert lease.macs[0] in config["net0"]
        assert config["tags"] == "atlas;test"
        assert site.running(lease.vmid)
        assert not site.pending(lease.vmid)
        assert lease.made
        assert lease.uuid
        assert lease.uuid in config["smbios1"]
    assert site.plan(wanted)[1].changes == ()


def test_memory_changes_in_place_with_a_reboot(site: TerraformSite) -> None:
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


def test_disks_grow_are_added_moved_and_detached(site: TerraformSite) -> None:
    site.apply(spec({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    grown = spec({"name": "a", "disks": [{"size": "6GiB"}, {"size": "2GiB", "storage": site.other_storage}]})
    site.apply(grown)
    config = site.config(lease.vmid)
    assert ",size=6G" in config["scsi0"]
    assert config["scsi1"].startswith(f"{site.other_storage}:")
    assert ",size=2G" in config["scsi1"]
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


def test_what_the_provider_leaves_pending_is_rebooted_for(site: TerraformSite) -> None:
    site.apply(spec({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    wanted = spec({"name": "a", "disks": [{"size": "4GiB", "ssd": True}], "networks": [{"mtu": 1400}]})
    assert site.apply(wanted).changes[0].reboots
    assert "ssd=1" in site.config(lease.vmid)["scsi0"]
    assert not site.pending(lease.vmid)
    assert site.running(lease.vmid)
    assert site.plan(wanted)[1].changes == ()


def test_guests_come_go_are_renamed_and_counted(site: TerraformSite) -> None:
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


def test_networks_tags_notes_and_power_are_set_right(site: TerraformSite) -> None:
    site.apply(spec({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    node = site.cluster.row(lease.vmid)["node"]  # type: ignore[index]  # it was just made
    at = ("nodes", node, "qemu", lease.vmid)
    notes = "note\n" + str(site.config(lease.vmid)["description"])
    site.alter(lease.vmid, tags="atlas;test;theirs", description=notes)
    site.task(site.client.post(*at, "status", "stop"))
    networks = [{**site.vlan, "address": "10.42.0.77/24"}, {"address": "10.43.0.5/24"}]
    wanted = spec({"name": "a", "tags": ["web"], "networks": networks})
    site.apply(wanted)
    config = site.config(lease.vmid)
    assert config["tags"] == "atlas;test;theirs;web"
    assert "note" in config["description"]
    assert ("tag=7" in config["net0"]) == bool(site.vlan)
    assert config["ipconfig1"] == "ip=10.43.0.5/24"
    assert site.running(lease.vmid)
    assert site.plan(wanted)[1].changes == ()


def test_templates_of_other_nodes_linked_or_local(site: TerraformSite) -> None:
    wanted = spec(
        {
            "name": "far",
            "template": "debian-12-local",
            "node": site.node(3),
            "disks": [{"size": "4GiB", "storage": site.other_storage}],
        },
        {"name": "l", "clone": "linked", "node": site.node(2)},
        {"name": "f", "node": site.node(3), "disks": [{"size": "4GiB", "storage": site.other_storage}]},
    )
    site.apply(wanted)
    leases = {x.key: x for x in site.store.leases("test", "farm")}
    nodes = {k: site.cluster.row(x.vmid)["node"] for k, x in leases.items()}  # type: ignore[index]  # just made
    assert nodes == {"far": site.node(3), "l": site.node(2), "f": site.node(3)}
    assert f"base-{site.template.vmid}" in site.config(leases["l"].vmid)["scsi0"]
    assert site.config(leases["far"].vmid)["scsi0"].startswith(f"{site.other_storage}:")
    assert site.config(leases["f"].vmid)["scsi0"].startswith(f"{site.other_storage}:")
    assert site.plan(wanted)[1].changes == ()


def test_a_template_under_a_new_vmid_replaces_nothing(site: TerraformSite) -> None:
    first, second = site.vmids[1] - 1, site.vmids[1]
    node = site.template.node
    site.clone(first, "golden", template=True)
    wanted = spec({"name": "a", "template": "golden"})
    site.apply(wanted)
    site.clone(second, "golden", template=True)
    site.task(site.client.delete("nodes", node, "qemu", first))
    try:
        assert site.plan(wanted)[1].changes == ()
    finally:
        site.task(site.client.delete("nodes", node, "qemu", second))


def test_an_image_that_changes_replaces_the_guest(site: TerraformSite) -> None:
    site.apply(spec({"name": "a"}))
    (before,) = site.store.leases("test", "farm")
    changed = spec({"name": "a", "image": "ubuntu-24.04"})
    plan = site.apply(changed)
    (after,) = site.store.leases("test", "farm")
    assert [c.action for c in plan.changes] == [Action.REPLACE]
    assert (before.vmid, before.uuid != after.uuid) == (after.vmid, True)
    assert site.running(after.vmid)
    clones = site.client.get(
        "nodes", site.nodes[0], "tasks", source="all", typefilter="qmclone", vmid=int(after.source)
    )
    assert before.source != after.source
    assert clones, "the guest was made from the new image's template"
    assert site.plan(changed)[1].changes == ()


def test_a_container_is_made_changed_and_deleted(site: TerraformSite) -> None:
    features = {"features": {"nesting": True}, "swap": "256MiB", "mounts": [{"path": "/srv/data", "size": "1GiB"}]}
    wanted = spec({"name": "ct", "kind": "container", **features})
    site.apply(wanted)
    (lease,) = site.store.leases("test", "farm")
    config = site.config(lease.vmid)
    assert (config["hostname"], config["memory"], config["swap"]) == ("ct", 1024, 256)
    assert config["ostype"] == "debian"
    assert site.running(lease.vmid)
    assert site.plan(wanted)[1].changes == ()
    changed = spec({"name": "ct", "kind": "container", **features, "memory": "2GiB", "disks": [{"size": "5GiB"}]})
    site.apply(changed)
    guest = site.cluster.guest(lease.vmid)
    assert guest is not None
    assert (guest.attributes["memory"], guest.attributes["disks[0].size"]) == (2048, 5120)
    assert site.running(lease.vmid)
    assert site.plan(changed)[1].changes == ()
    site.apply(None, "farm")
    assert lease.vmid not in site.vmids_there()


def test_destroy_leaves_the_lab_as_it_was(site: TerraformSite) -> None:
    before, volumes = site.vmids_there(), site.volumes()
    containers = site.containers({"name": "ct"})
    site.apply(spec({"name": "a", "count": 2}, *containers))
    plan = site.apply(None, "farm")
    assert plan.count(Action.DELETE) == 2 + len(containers)
    assert site.vmids_there() == before
    assert site.volumes() == volumes
    assert not site.store.leases("test", "farm")


def test_what_changed_since_the_plan_is_refused(site: TerraformSite) -> None:
    site.apply(spec({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    work, plan = site.plan(spec({"name": "a", "memory": "2GiB"}))
    site.alter(lease.vmid, onboot=0)
    with pytest.raises(StalePlan):
        site.carry_out(work, plan)
    assert str(site.config(lease.vmid)["memory"]) == "1024"


def test_a_guest_of_others_under_our_vmid_is_left_alone(site: TerraformSite) -> None:
    work, plan = site.plan(spec({"name": "a"}))
    site.clone(site.vmids[0], "theirs")
    with pytest.raises(StalePlan, match="not ours"):
        site.carry_out(work, plan)
    assert site.config(site.vmids[0])["name"] == "theirs"


def test_one_guest_that_fails_does_not_keep_others(site: TerraformSite) -> None:
    work, plan = site.plan(spec({"name": "a"}, {"name": "b", "pool": "nowhere"}))
    with pytest.raises(PartlyDone, match="nowhere"):
        site.carry_out(work, plan)
    assert site.ready == ["a"]
    failed = [e for e in site.events if e.data.get("stage") == "failed"]
    assert [e.guest for e in failed] == ["b"]


def test_after_one_engine_the_other_plans_nothing(site: TerraformSite) -> None:
    guests: list[dict[str, Any]] = [
        {
            "name": "web",
            "count": 2,
            "tags": ["x"],
            "start": {"order": 2},
            "networks": [{**site.vlan, "address": "10.44.0.5/24"}, {"bridge": "vmbr0"}],
        },
        {"name": "db", "disks": [{"size": "5GiB"}, {"size": "1GiB", "storage": site.other_storage, "ssd": True}]},
        *site.containers({"name": "ct", "mounts": [{"path": "/srv", "size": "1GiB"}]}),
    ]
    site.use("api")
    site.apply(spec(*guests))
    site.use("terraform")
    assert site.plan(spec(*guests))[1].changes == ()
    more = spec(*guests, {"name": "late"}, memory="2GiB")
    site.apply(more)
    assert site.plan(more)[1].changes == ()
    site.use("api")
    assert site.plan(more)[1].changes == ()
    site.apply(None, "farm")
    site.use("terraform")
    assert not site.store.leases("test", "farm")
