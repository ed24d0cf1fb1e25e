"""Containers are made, changed and deleted, by either engine."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.site import KEY, Site, farm

from atlas.compare import warnings
from atlas.errors import TerraformError


def test_a_container_is_made_changed_and_deleted(site: Site) -> None:
    guest = {"name": "ct", "kind": "container"}
    features = {"features": {"nesting": True}, "swap": "256MiB"}
    mounts = {"mounts": [{"path": "/srv/data", "size": "1GiB"}]}
    wanted = farm({**guest, **features, **mounts})
    site.apply(wanted)
    (lease,) = site.store.leases("test", "farm")
    config = site.config(lease.vmid)
    assert (config["hostname"], config["memory"], config["swap"]) == ("ct", 1024, 256)
    assert config["ostype"] == "debian"
    assert site.running(lease.vmid)
    assert site.plan(wanted)[1].changes == ()
    changed = farm({**guest, "memory": "2GiB", "disks": [{"size": "5GiB"}], **mounts})
    site.apply(changed)
    found = site.cluster.guest(lease.vmid)
    assert found is not None
    shown = found.attributes
    assert (shown["memory"], shown["swap"], shown["disks[0].size"]) == (2048, 512, 5120)
    assert "features" not in shown
    assert site.running(lease.vmid)
    assert site.plan(changed)[1].changes == ()
    site.apply(None, "farm")
    assert lease.vmid not in site.vmids_there()


def with_mount(size: str) -> dict[str, Any]:
    """Return a stack of a container with a mount point."""
    return farm({"name": "ct", "kind": "container", "mounts": [{"path": "/srv/data", "size": size}]})


@pytest.mark.parametrize("engine", ["api"], indirect=True)
def test_a_mount_grows_in_place(site: Site) -> None:
    site.apply(with_mount("1GiB"))
    site.apply(with_mount("2GiB"))
    (lease,) = site.store.leases("test", "farm")
    assert ",size=2G" in site.config(lease.vmid)["mp0"]
    assert site.plan(with_mount("2GiB"))[1].changes == ()


@pytest.mark.provider
@pytest.mark.parametrize("engine", ["terraform"], indirect=True)
def test_what_the_provider_can_only_replace_is_refused(site: Site) -> None:
    site.apply(with_mount("1GiB"))
    with pytest.raises(TerraformError, match=r"mount_point\.0\.size cannot be changed in place"):
        site.plan(with_mount("2GiB"))


@pytest.mark.parametrize("engine", ["api"], indirect=True)
def test_a_guest_of_the_other_kind_takes_its_place(site: Site) -> None:
    site.apply(farm({"name": "a"}))
    container = farm({"name": "a", "kind": "container", "dns": {"search": "example.org"}})
    site.apply(container)
    (lease,) = site.store.leases("test", "farm")
    found = site.cluster.guest(lease.vmid)
    assert found is not None
    assert (found.kind, found.attributes["dns.search"]) == ("container", "example.org")
    assert site.plan(container)[1].changes == ()
    site.apply(farm({"name": "a"}))
    found = site.cluster.guest(lease.vmid)
    assert found is not None
    assert found.kind == "vm"
    assert site.plan(farm({"name": "a"}))[1].changes == ()


@pytest.mark.provider
@pytest.mark.parametrize("engine", ["terraform"], indirect=True)
def test_another_kind_is_refused_by_name(site: Site) -> None:
    site.use("api")
    site.apply(farm({"name": "a"}))
    site.use("terraform")
    for _ in range(2):  # the second time it is in Terraform's state
        with pytest.raises(TerraformError, match="a changes between VM and container"):
            site.plan(farm({"name": "a", "kind": "container"}))


@pytest.mark.provider
@pytest.mark.parametrize("engine", ["terraform"], indirect=True)
def test_a_search_domain_needs_no_name_server(site: Site) -> None:
    wanted = farm({"name": "ct", "kind": "container", "dns": {"search": "example.org"}})
    site.apply(wanted)
    assert site.plan(wanted)[1].changes == ()


def test_keys_that_it_was_not_given_are_not_written_down_as_given(site: Site) -> None:
    guest = {"name": "ct", "kind": "container"}
    site.apply(farm(guest))
    given = site.store.applied("test", "farm")["ct"]["user.ssh_keys"]
    more = farm({**guest, "user": {"ssh_keys": [KEY.replace("AAAI", "BBBI")]}, "memory": "2GiB"})
    site.apply(more)
    assert site.store.applied("test", "farm")["ct"]["user.ssh_keys"] == given
    assert ["stay as they are" in d.summary for d in warnings(site.work(more))] == [True]
