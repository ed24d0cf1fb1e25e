"""Backups: what is kept by which rules, what a restore refuses, and that nothing of a removed one stays."""

from __future__ import annotations

import datetime

import pytest
from fakes.labapi import Api

from atlas.lab.call import PVEError
from atlas.lab.entities import Acl, Role, User, Volume
from atlas.lab.simulated import SimulatedBackend
from atlas.lab.storage_nodes import _mark


def backups(*times: str, protected: str = "") -> list[Volume]:
    made = []
    for text in times:
        when = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()
        made.append(Volume(text, "bak", "backup", "vma", 1, ctime=when, protected=text == protected))
    return made


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ({"keep-last": "2"}, ["2026-03-02T10:00", "2026-03-02T09:00"]),
        ({"keep-daily": "2"}, ["2026-03-02T10:00", "2026-03-01T10:00"]),
        ({"keep-last": "1", "keep-monthly": "1"}, ["2026-03-02T10:00", "2026-02-01T10:00"]),
        ({"keep-all": "1"}, ["2026-03-02T10:00", "2026-03-02T09:00", "2026-03-01T10:00", "2026-02-01T10:00"]),
    ],
)
def test_rules_keep_the_newest_of_each_time(rules: dict[str, str], kept: list[str]) -> None:
    group = backups("2026-02-01T10:00", "2026-03-01T10:00", "2026-03-02T09:00", "2026-03-02T10:00")
    marks = _mark(group, rules)
    assert sorted(name for name, mark in marks.items() if mark == "keep") == sorted(kept)


def test_a_protected_backup_is_never_removed_and_counts_for_none() -> None:
    group = backups("2026-03-01T10:00", "2026-03-02T10:00", protected="2026-03-02T10:00")
    assert _mark(group, {"keep-last": "1"}) == {"2026-03-02T10:00": "protected", "2026-03-01T10:00": "keep"}


async def test_a_running_guest_is_not_restored_over_and_a_removed_backup_leaves_no_disk() -> None:
    world = await Api.fresh(user="root@pam")
    await world.call("POST", "/storage", storage="bak", type="dir", path="/srv/bak", content="backup")
    await world.run("POST", "/nodes/pve1/qemu", vmid=101, scsi0="local-lvm:1")
    backend = world.lab.backend
    assert isinstance(backend, SimulatedBackend)
    disks = dict(backend._disks)
    assert await world.run("POST", "/nodes/pve1/vzdump", vmid="101", storage="bak") == "OK"
    assert "lock" not in world.config(101)
    volid = next(v.volid for v in world.lab.volumes.values() if v.content == "backup")
    await world.run("POST", "/nodes/pve1/qemu/101/status/start")
    with pytest.raises(PVEError, match="unable to restore VM 101 - vm is running"):
        await world.call("POST", "/nodes/pve1/qemu", vmid=101, archive=volid, force=1)
    with pytest.raises(PVEError, match=r"archive .* holds no container"):
        await world.call("POST", "/nodes/pve1/lxc", vmid=205, ostemplate=volid, restore=1)
    await world.run("DELETE", f"/nodes/pve1/storage/bak/content/{volid}")
    assert backend._disks == disks


async def test_a_restore_that_fails_leaves_no_guest() -> None:
    world = await Api.fresh(user="root@pam")
    await world.call("POST", "/storage", storage="bak", type="dir", path="/srv/bak", content="backup")
    await world.run("POST", "/nodes/pve1/qemu", vmid=101, scsi0="local-lvm:1")
    await world.run("POST", "/nodes/pve1/vzdump", vmid="101", storage="bak")
    held = next(v for v in world.lab.volumes.values() if v.content == "backup")
    world.lab.storages["bak"].options["disable"] = "1"
    with pytest.raises(PVEError, match="storage 'bak' is disabled"):
        await world.call("POST", "/nodes/pve1/qemu", vmid=105, archive=held.volid, storage="bak")
    assert "105" not in world.lab.guests


async def test_only_the_nodes_own_guests_are_backed_up_and_what_is_nowhere_fails() -> None:
    api = await Api.fresh()
    await api.run("POST", "/nodes/pve2/qemu", vmid=101, scsi0="local-lvm:1")
    assert await api.call("POST", "/nodes/pve1/vzdump", vmid="101", storage="local") == "OK"
    assert await api.run("POST", "/nodes/pve2/vzdump", vmid="101,102", storage="local") == "job errors"
    assert [v.vmid for v in api.lab.volumes.values() if v.content == "backup"] == [101]
    with pytest.raises(PVEError) as refused:
        await api.call("POST", "/nodes/pve2/vzdump", storage="local")
    assert refused.value.errors == {"vmid": "property is missing"}


async def test_a_storage_that_takes_no_backups_fails_the_task() -> None:
    api = await Api.fresh()
    text = "could not get storage information for 'local-lvm': can't use storage 'local-lvm' for backups"
    assert await api.run("POST", "/nodes/pve1/vzdump", vmid="9000", storage="local-lvm") == (
        f"{text} - wrong content type"
    )


async def test_who_may_not_back_up_a_guest_is_told_by_the_task() -> None:
    api = await Api.fresh()
    api.lab.users["u@pve"] = User("u@pve")
    api.lab.roles["Keeps"] = Role("Keeps", {"Datastore.AllocateSpace": 1})
    api.lab.acl["/"] = Acl("/", users={"u@pve": {"Keeps": 1}})
    mine = Api(api.lab, "u@pve")
    told = "403 Permission check failed (/vms/9000, VM.Backup)"
    assert await mine.run("POST", "/nodes/pve1/vzdump", vmid="9000", storage="local") == told
    assert await mine.run("POST", "/nodes/pve1/vzdump", all=1, storage="local") == "OK"
    assert not [v for v in api.lab.volumes.values() if v.content == "backup"]
