"""Guests are made, counted, renamed, replaced and deleted, by either engine; a second plan is empty."""

from __future__ import annotations

from fakes.site import Site, farm

from atlas.plan import Action


def test_a_stack_is_made_as_wanted_and_the_second_plan_is_empty(site: Site) -> None:
    wanted = farm({"name": "web", "count": 2, "cpu": {"cores": 2}}, {"name": "db", "start": {"order": 1}})
    plan = site.apply(wanted)
    assert (plan.count(Action.CREATE), len(plan.changes)) == (3, 3)
    assert sorted(site.ready) == ["db", "web-1", "web-2"]
    for lease in site.store.leases("test", "farm"):
        config = site.config(lease.vmid)
        assert config["name"] == lease.key
        assert config["description"].strip() == f"atlas:{site.store.installation()}:farm:{lease.vmid}"
        assert ",size=4G" in config["scsi0"]
        gateway = {f"gw={lease.gateways[0]}"} if lease.gateways[0] else set()
        assert set(config["ipconfig0"].split(",")) == {f"ip={lease.addresses[0]}", *gateway}
        assert lease.macs[0] in config["net0"]
        assert config["tags"] == "atlas;test"
        assert str(config["ciupgrade"]) == "0"
        assert site.running(lease.vmid)
        assert not site.pending(lease.vmid)
        assert lease.made
        assert lease.uuid
        assert lease.uuid in config["smbios1"]
    assert site.plan(wanted)[1].changes == ()


def test_guests_come_go_are_renamed_and_counted(site: Site) -> None:
    site.apply(farm({"name": "a"}, {"name": "b", "count": 2}))
    first = {x.key: x.vmid for x in site.store.leases("test", "farm")}
    after = farm({"name": "z", "renamed_from": "a"}, {"name": "b", "count": 1}, {"name": "c"})
    plan = site.apply(after)
    assert {c.key: c.action.value for c in plan.changes} == {"z": "update", "b-2": "delete", "c": "create"}
    now = {x.key: x.vmid for x in site.store.leases("test", "farm")}
    assert now["z"] == first["a"]
    assert now["b-1"] == first["b-1"]
    assert site.config(now["z"])["name"] == "z"
    assert first["b-2"] not in site.vmids_there()
    assert site.plan(after)[1].changes == ()


def test_an_image_that_changes_replaces_the_guest(site: Site) -> None:
    site.apply(farm({"name": "a"}))
    (before,) = site.store.leases("test", "farm")
    changed = farm({"name": "a", "image": "ubuntu-24.04"})
    plan = site.apply(changed)
    (after,) = site.store.leases("test", "farm")
    assert [c.action for c in plan.changes] == [Action.REPLACE]
    assert (before.vmid, before.uuid != after.uuid) == (after.vmid, True)
    assert site.running(after.vmid)
    node, vmid = site.nodes[0], int(after.source)
    clones = site.client.get("nodes", node, "tasks", source="all", typefilter="qmclone", vmid=vmid)
    assert before.source != after.source
    assert clones, "the guest was made from the new image's template"
    assert site.plan(changed)[1].changes == ()


def test_a_template_under_a_new_vmid_replaces_nothing(site: Site) -> None:
    first, second = site.vmids[1] - 1, site.vmids[1]
    node = site.template.node
    site.clone(first, "golden", template=True)
    wanted = farm({"name": "a", "template": "golden"})
    site.apply(wanted)
    site.clone(second, "golden", template=True)
    site.task(site.client.delete("nodes", node, "qemu", first))
    try:
        assert site.plan(wanted)[1].changes == ()
    finally:
        site.task(site.client.delete("nodes", node, "qemu", second))


def test_destroy_leaves_the_lab_as_it_was(site: Site) -> None:
    before, volumes = site.vmids_there(), site.volumes()
    containers = site.containers({"name": "ct"})
    site.apply(farm({"name": "a", "count": 3}, *containers))
    plan = site.apply(None, "farm")
    assert plan.count(Action.DELETE) == 3 + len(containers)
    assert site.vmids_there() == before
    assert site.volumes() == volumes
    assert not site.store.leases("test", "farm")
