"""Terraform's plan held against what compare expects: the same changes, or a refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fakes import stacks

from atlas.compare import compare, subjects
from atlas.errors import TerraformError
from atlas.plan import Action, AttributeChange, Change, Effect
from atlas.ports.cluster import Work
from atlas.terraform import planning

VM = "proxmox_virtual_environment_vm"


def values(work: Work, key: str = "web", **other: Any) -> dict[str, Any]:
    """Return a VM as the provider shows it after it was made as wanted."""
    lease = work.leases[key]
    found: dict[str, Any] = {
        "name": key,
        "description": f"atlas:a1b2c3:farm:{lease.vmid}",
        "tags": ["atlas"],
        "pool_id": "",
        "node_name": "pve1",
        "protection": False,
        "on_boot": True,
        "started": True,
        "machine": "",
        "startup": [],
        "agent": [{"enabled": True}],
        "cpu": [{"cores": 2, "sockets": 1, "type": "x86-64-v2-AES"}],
        "memory": [{"dedicated": 2048, "floating": 0}],
        "disk": [
            {"interface": "scsi0", "datastore_id": "shared-nfs", "size": 10, "ssd": False, "discard": "ignore"}
            | {"iothread": False, "backup": True}
        ],
        "network_device": [{"bridge": "vmbr0", "vlan_id": 0, "mtu": 0, "mac_address": lease.macs[0]}],
        "initialization": [
            {
                "dns": [],
                "ip_config": [{"ipv4": [{"address": lease.addresses[0], "gateway": ""}], "ipv6": []}],
                "user_account": [{"username": "ops", "keys": [stacks.KEY]}],
            }
        ],
    }
    return {**found, **other}


def row(actions: list[str], before: Any, after: Any, key: str = "web", **more: Any) -> dict[str, Any]:
    return {"type": VM, "index": key, "change": {"actions": actions, "before": before, "after": after, **more}}


def planned(work: Work, *rows: dict[str, Any]) -> tuple[Change, ...]:
    everyone = subjects(work)
    told = planning.planned({"resource_changes": list(rows)}, everyone, work)
    return planning.changes(told, compare(work), everyone)


def changed(**fields: Any) -> Work:
    """Return a stack whose one guest is made, and whose spec has changed since."""
    made = stacks.made(stacks.work({}))
    return replace(made, instances=stacks.work(fields).instances)


def test_a_creation_holds_just_what_compare_says() -> None:
    work = stacks.work({})
    assert planned(work, row(["create"], None, values(work))) == compare(work)


def test_a_change_has_path_values_and_effect() -> None:
    work = changed(memory="4GiB")
    after = values(work, memory=[{"dedicated": 4096, "floating": 0}])
    (change,) = planned(work, row(["update"], values(work), after))
    assert change.attributes == (AttributeChange("memory", 2048, 4096, Effect.REBOOT),)
    assert (change,) == compare(work)


def test_nothing_is_nothing_and_what_only_the_provider_knows_is_no_change() -> None:
    work = changed()
    assert planned(work, row(["no-op"], values(work), values(work))) == ()
    assert planned(work, row(["update"], values(work), values(work, stop_on_destroy=True))) == ()


def test_a_disk_that_moves_reboots_because_the_provider_takes_the_guest_down() -> None:
    work = changed(disks=[{"size": "10GiB", "storage": "local-lvm"}])
    disk = {**values(work)["disk"][0], "datastore_id": "local-lvm"}
    (change,) = planned(work, row(["update"], values(work), values(work, disk=[disk])))
    assert change.attributes == (AttributeChange("disks[0].storage", "shared-nfs", "local-lvm", Effect.REBOOT),)


@pytest.mark.parametrize("actions", [["delete", "create"], ["create", "delete"], ["delete"]])
def test_what_would_destroy_a_guest_that_only_changes_is_refused(actions: list[str]) -> None:
    work = changed(memory="4GiB")
    with pytest.raises(TerraformError, match="instead of update") as caught:
        planned(work, row(actions, values(work), None, replace_paths=[["pool_id"]]))
    assert "--engine api" in caught.value.hint


def test_what_terraform_would_do_without_being_asked_is_refused() -> None:
    work = changed()
    with pytest.raises(TerraformError, match="although nothing has to change there"):
        planned(work, row(["update"], values(work), values(work, tags=["atlas", "other"])))
    with pytest.raises(TerraformError, match="would delete web"):
        planned(work, row(["delete"], values(work), None))


def test_what_others_added_goes_with_no_change_that_was_asked_for() -> None:
    """The provider has no gaps among NICs, so one that others put at net3 would be taken away along the way."""
    work = changed(memory="4GiB")
    nic = values(work)["network_device"][0]
    theirs = [nic, {}, {}, {**nic, "mac_address": "BC:24:11:FF:FF:FF"}]
    after = values(work, memory=[{"dedicated": 4096, "floating": 0}])
    with pytest.raises(TerraformError, match=r"change what others added to web \(networks\[3\]") as caught:
        planned(work, row(["update"], values(work, network_device=theirs), after))
    assert "--engine api" in caught.value.hint


def test_what_the_spec_left_open_of_a_thing_goes_with_it_unsaid() -> None:
    made = stacks.made(stacks.work({"tpm": {}}))
    work = replace(made, instances=stacks.work({}).instances)
    before = values(work, tpm_state=[{"datastore_id": "shared-nfs", "version": "v2.0"}])
    (change,) = planned(work, row(["update"], before, values(work, tpm_state=[])))
    assert [a.path for a in change.attributes] == ["tpm"] == [a.path for a in compare(work)[0].attributes]
    stored = replace(made, applied={"web": {**made.applied["web"], "tpm.storage": "shared-nfs"}})
    (change,) = planned(replace(stored, instances=work.instances), row(["update"], before, values(work, tpm_state=[])))
    assert [a.path for a in change.attributes] == ["tpm", "tpm.storage"], "what was set is told"


def test_what_the_provider_says_that_it_takes_away_and_leaves_is_refused() -> None:
    made = stacks.made(stacks.work({"efi": {"storage": "shared-nfs"}}))
    work = replace(made, instances=stacks.work({}).instances)
    efi = [{"datastore_id": "shared-nfs", "pre_enrolled_keys": False}]
    before, after = values(work, efi_disk=efi), values(work, efi_disk=[])
    with pytest.raises(TerraformError, match=r"would not update web as wanted .*efi yes → none"):
        planned(work, row(["update"], before, after))
    again = [change.action for change in planned(changed(image="debian-13"), row(["delete", "create"], before, after))]
    assert again == [Action.REPLACE], "a guest that is made anew has nothing left"


def test_what_terraform_leaves_out_is_refused() -> None:
    work = changed(memory="4GiB", tags=["new"])
    half = values(work, memory=[{"dedicated": 4096, "floating": 0}])
    with pytest.raises(TerraformError, match=r"would not update web as wanted .*tags"):
        planned(work, row(["update"], values(work), half))
    with pytest.raises(TerraformError, match="would not update web"):
        planned(work)


def test_a_value_that_waits_for_a_reboot_is_in_the_plan_although_the_provider_sees_it_as_set() -> None:
    work = changed(memory="4GiB")
    guest = replace(work.state.guests[10_000], pending={"memory": 4096})
    work = replace(work, state=replace(work.state, guests={**work.state.guests, 10_000: guest}))
    (change,) = planned(work)
    assert change.attributes == (AttributeChange("memory", 2048, 4096, Effect.REBOOT),)


def test_deleting_what_is_gone_needs_no_terraform() -> None:
    made = stacks.made(stacks.work({}))
    guests = {k: g for k, g in made.state.guests.items() if k != 10_000}
    work = replace(made, instances=(), state=replace(made.state, guests=guests))
    assert [c.action for c in planned(work)] == [Action.DELETE]


def change(action: Action, *rows: tuple[str, Any, Any], key: str = "web") -> Change:
    return Change(action, key, 10_000, "vm", "pve1", tuple(AttributeChange(*r) for r in rows))


def test_only_what_was_approved_is_inside() -> None:
    approved = [change(Action.UPDATE, ("memory", 1, 2), ("tags", None, ("x",)))]
    for resumed in (False, True):
        assert planning.outside([], approved, resumed=resumed) == []
        assert planning.outside([change(Action.UPDATE, ("memory", 1, 2))], approved, resumed=resumed) == []
        for other in (
            change(Action.UPDATE, ("memory", 1, 3)),
            change(Action.UPDATE, ("cpu.cores", 1, 2)),
            change(Action.DELETE),
            change(Action.REPLACE),
            change(Action.CREATE, key="new"),
        ):
            assert planning.outside([other], approved, resumed=resumed), f"{other} {resumed}"


def test_a_resumed_run_may_finish_what_it_began_and_no_more() -> None:
    made, updated = [change(Action.CREATE, ("memory", None, 2))], [change(Action.UPDATE, ("memory", 1, 2))]
    finishing = change(Action.UPDATE, ("disks[0].size", 3, 4), ("running", False, True))
    assert planning.outside([finishing], made, resumed=True) == []
    assert planning.outside([finishing], made, resumed=False)
    assert planning.outside([change(Action.UPDATE, ("running", False, True))], updated, resumed=True) == []
    assert planning.outside([change(Action.UPDATE, ("memory", 9, 2))], updated, resumed=True) == []
    assert planning.outside([change(Action.UPDATE, ("memory", 9, 2))], updated, resumed=False)
    assert planning.outside([change(Action.DELETE)], made, resumed=True)


def event(action: str, key: str = "web", type_: str = VM) -> dict[str, Any]:
    resource = {"addr": f'{type_}.guests["{key}"]', "resource_type": type_, "resource_key": key}
    return {"type": "planned_change", "change": {"resource": resource, "action": action}}


@pytest.mark.parametrize(
    ("events", "same"),
    [
        ([event("create")], True),
        ([{"type": "version"}, event("create"), event("create", "x", "terraform_data")], True),
        ([], False),
        ([event("update")], False),
        ([event("create"), event("delete", "db")], False),
        ([event("create"), event("create")], False),
    ],
)
def test_the_events_tell_when_only_whole_guests_of_the_approved_come_and_go(
    events: list[dict[str, Any]], same: bool
) -> None:
    expected = compare(stacks.work({"name": "web"}))
    assert [c.action for c in expected] == [Action.CREATE]
    assert planning.as_approved(events, expected, expected) is same


def test_a_guest_of_other_values_than_approved_is_not_as_approved() -> None:
    expected = compare(stacks.work({"name": "web"}))
    smaller = [replace(c, attributes=c.attributes[1:]) for c in expected]
    assert not planning.as_approved([event("create")], expected, smaller)
    assert not planning.as_approved([event("create")], expected, [])


def test_an_update_is_read_from_the_saved_plan() -> None:
    expected = compare(changed(memory="4GiB"))
    assert not planning.as_approved([event("update")], expected, expected)
