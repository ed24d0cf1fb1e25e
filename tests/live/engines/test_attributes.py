"""Attributes of running guests are changed, by either engine, with the reboots that the plan told."""

from __future__ import annotations

from fakes.site import Site, farm

from atlas.plan import Action


def test_memory_changes_in_place_with_a_reboot(site: Site) -> None:
    site.apply(farm({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    before = site.config(lease.vmid)
    plan = site.apply(farm({"name": "a", "memory": "2GiB", "cpu": {"cores": 2}}))
    assert [c.action for c in plan.changes] == [Action.UPDATE]
    assert plan.changes[0].reboots
    after = site.config(lease.vmid)
    assert (str(after["memory"]), after["cores"], after["smbios1"]) == ("2048", 2, before["smbios1"])
    assert site.running(lease.vmid)
    assert not site.pending(lease.vmid)
    assert site.plan(farm({"name": "a", "memory": "2GiB", "cpu": {"cores": 2}}))[1].changes == ()


def test_what_waits_for_a_reboot_is_rebooted_for(site: Site) -> None:
    site.apply(farm({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    wanted = farm({"name": "a", "disks": [{"size": "4GiB", "ssd": True}], "networks": [{"mtu": 1400}]})
    assert site.apply(wanted).changes[0].reboots
    assert "ssd=1" in site.config(lease.vmid)["scsi0"]
    assert not site.pending(lease.vmid)
    assert site.running(lease.vmid)
    assert site.plan(wanted)[1].changes == ()


def test_networks_tags_notes_and_power_are_set_right(site: Site) -> None:
    site.apply(farm({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    notes = "note\n" + str(site.config(lease.vmid)["description"])
    site.alter(lease.vmid, tags="atlas;test;theirs", description=notes)
    site.task(site.client.post(*site.at(lease.vmid), "status", "stop"))
    networks = [{**site.vlan, "address": "10.42.0.77/24"}, {"address": "10.43.0.5/24"}]
    wanted = farm({"name": "a", "tags": ["web"], "networks": networks})
    site.apply(wanted)
    config = site.config(lease.vmid)
    assert config["tags"] == "atlas;test;theirs;web"
    assert "note" in config["description"]
    assert ("tag=7" in config["net0"]) == bool(site.vlan)
    assert config["ipconfig1"] == "ip=10.43.0.5/24"
    assert site.running(lease.vmid)
    assert site.plan(wanted)[1].changes == ()
