"""Containers are made, changed and deleted, by either engine."""

from __future__ import annotations

from fakes.site import Site, farm


def test_a_container_is_made_changed_and_deleted(site: Site) -> None:
    guest = {"name": "ct", "kind": "container"}
    features = {"features": {"nesting": True}, "swap": "256MiB"}
    wanted = farm({**guest, **features, "mounts": [{"path": "/srv/data", "size": "1GiB"}]})
    site.apply(wanted)
    (lease,) = site.store.leases("test", "farm")
    config = site.config(lease.vmid)
    assert (config["hostname"], config["memory"], config["swap"]) == ("ct", 1024, 256)
    assert config["ostype"] == "debian"
    assert site.running(lease.vmid)
    assert site.plan(wanted)[1].changes == ()
    mounts = [{"path": "/srv/data", "size": "2GiB"}]
    changed = farm({**guest, "memory": "2GiB", "disks": [{"size": "5GiB"}], "mounts": mounts})
    site.apply(changed)
    config = site.config(lease.vmid)
    assert config["memory"] == 2048
    assert ",size=5G" in config["rootfs"]
    assert ",size=2G" in config["mp0"]
    assert "features" not in config
    assert site.running(lease.vmid)
    assert site.plan(changed)[1].changes == ()
    site.apply(None, "farm")
    assert lease.vmid not in site.vmids_there()
