"""Disks grow, come, move and are kept, and clones come from templates anywhere, by either engine."""

from __future__ import annotations

import pytest
from fakes.site import Site, farm

from atlas.errors import SpecError, TerraformError


def test_disks_grow_are_added_moved_and_detached(site: Site) -> None:
    site.apply(farm({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    grown = farm({"name": "a", "disks": [{"size": "6GiB"}, {"size": "2GiB", "storage": site.other_storage}]})
    site.apply(grown)
    config = site.config(lease.vmid)
    assert ",size=6G" in config["scsi0"]
    assert config["scsi1"].startswith(f"{site.other_storage}:")
    assert ",size=2G" in config["scsi1"]
    assert site.plan(grown)[1].changes == ()
    moved = farm({"name": "a", "disks": [{"size": "6GiB", "storage": site.other_storage}]})
    plan = site.apply(moved)
    assert any("kept" in note for note in plan.changes[0].notes)
    config = site.config(lease.vmid)
    assert config["scsi0"].startswith(f"{site.other_storage}:")
    assert "scsi1" not in config
    assert config["unused0"].startswith(f"{site.other_storage}:")
    assert site.plan(moved)[1].changes == ()
    with pytest.raises(SpecError):
        site.plan(farm({"name": "a", "disks": [{"size": "5GiB"}]}))


def test_a_template_on_another_node_with_local_disks(site: Site) -> None:
    wanted = farm(
        {
            "name": "far",
            "template": "debian-12-local",
            "node": site.node(3),
            "disks": [{"size": "4GiB", "storage": site.other_storage}],
        }
    )
    site.apply(wanted)
    (lease,) = site.store.leases("test", "farm")
    assert site.at(lease.vmid)[1] == site.node(3)
    assert site.config(lease.vmid)["scsi0"].startswith(f"{site.other_storage}:")
    assert site.plan(wanted)[1].changes == ()


def test_a_linked_clone_and_a_template_on_shared_storage_for_another_node(site: Site) -> None:
    other = {"disks": [{"size": "4GiB", "storage": site.other_storage}]}
    wanted = farm(
        {"name": "l", "clone": "linked", "node": site.node(2)},
        {"name": "f", "node": site.node(3)},
        {"name": "o", "node": site.node(3), **other},
    )
    site.apply(wanted)
    leases = {x.key: x for x in site.store.leases("test", "farm")}
    assert f"base-{site.template.vmid}" in site.config(leases["l"].vmid)["scsi0"]
    assert {k: site.at(x.vmid)[1] for k, x in leases.items()} == {
        "l": site.node(2),
        "f": site.node(3),
        "o": site.node(3),
    }
    assert site.config(leases["o"].vmid)["scsi0"].startswith(f"{site.other_storage}:")
    assert site.plan(wanted)[1].changes == ()


@pytest.mark.parametrize("engine", [pytest.param("terraform", marks=pytest.mark.provider)], indirect=True)
def test_growing_a_linked_clone_is_refused_by_name_where_the_provider_cannot(site: Site) -> None:
    linked = {"name": "l", "clone": "linked", "node": site.node(2)}
    site.apply(farm(linked))
    grown = farm({**linked, "disks": [{"size": "5GiB"}]})
    with pytest.raises(TerraformError, match=r"would not grow disks\[0\] of l"):
        site.plan(grown)
    site.use("api")
    site.apply(grown)
    site.use("terraform")
    assert site.plan(grown)[1].changes == ()
