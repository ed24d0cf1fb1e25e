"""Terraform's state: read, mended, backed up; a state that cannot be read stops everything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from atlas.errors import TerraformError
from atlas.terraform import statefile


def write(folder: Path, *instances: dict[str, Any]) -> None:
    resource = {"mode": "managed", "type": "proxmox_virtual_environment_vm", "name": "guests", "instances": instances}
    other = {"mode": "managed", "type": "terraform_data", "name": "x", "instances": [{"attributes": {"id": "1"}}]}
    data = {"version": 4, "serial": 7, "lineage": "l", "outputs": {}, "resources": [resource, other]}
    (folder / statefile.NAME).write_text(json.dumps(data))


def instance(key: str, vmid: int, **more: Any) -> dict[str, Any]:
    values = {"id": str(vmid), "clone": [{"vm_id": 9000}], "disk": [{"interface": "scsi0"}]}
    return {"index_key": key, "attributes": values, **more}


def test_guests_are_known_by_key_and_vmid_whatever_else_is_there(tmp_path: Path) -> None:
    assert statefile.known(tmp_path) == ()
    write(tmp_path, instance("a", 100), instance("b", 101, status="tainted"))
    found = {k.key: (k.kind, k.vmid, k.tainted, k.cloned, k.disks) for k in statefile.known(tmp_path)}
    disks = frozenset({"scsi0"})
    assert found == {"a": ("vm", 100, False, True, disks), "b": ("vm", 101, True, True, disks)}


def test_mending_changes_just_what_is_named_and_leaves_a_backup(tmp_path: Path) -> None:
    write(tmp_path, instance("a", 100), instance("b", 101, status="tainted"), instance("c", 102), instance("d", 103))
    before = (tmp_path / statefile.NAME).read_text()
    mends: dict[str, list[statefile.Mend]] = {
        "a": [],
        "b": [statefile.untaint],
        "c": [statefile.forget],
        "d": [statefile.renamed("e"), statefile.whole],
    }
    statefile.mend(tmp_path, mends)
    assert [(k.key, k.tainted) for k in statefile.known(tmp_path)] == [("a", False), ("b", False), ("e", False)]
    data = json.loads((tmp_path / statefile.NAME).read_text())
    assert (data["serial"], len(data["resources"])) == (8, 2)
    (backup,) = (tmp_path / "backups").iterdir()
    assert backup.read_text() == before
    assert {oct(p.stat().st_mode & 0o777) for p in (backup, tmp_path / statefile.NAME)} == {"0o600"}


def test_a_guest_that_was_moved_is_known_where_it_is(tmp_path: Path) -> None:
    write(tmp_path, instance("a", 100))
    statefile.mend(tmp_path, {"a": [statefile.moved("pve2")]})
    assert [k.node for k in statefile.known(tmp_path)] == ["pve2"]


def test_parts_that_are_gone_are_taken_out(tmp_path: Path) -> None:
    one = instance("a", 100)
    one["attributes"] |= {"tpm_state": [{"version": "v2.0"}], "efi_disk": [{"type": "4m"}]}
    write(tmp_path, one)
    assert [k.parts for k in statefile.known(tmp_path)] == [{"efi_disk", "tpm_state"}]
    statefile.mend(tmp_path, {"a": [statefile.without(["tpm_state"])]})
    assert [k.parts for k in statefile.known(tmp_path)] == [{"efi_disk"}]


def test_nothing_wrong_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path, instance("a", 100))
    before = (tmp_path / statefile.NAME).stat().st_mtime_ns
    statefile.mend(tmp_path, {"a": []})
    assert (tmp_path / statefile.NAME).stat().st_mtime_ns == before
    assert not (tmp_path / "backups").exists()


def test_only_the_last_backups_are_kept(tmp_path: Path) -> None:
    write(tmp_path, instance("a", 100))
    for _ in range(statefile.KEPT + 3):
        statefile.back_up(tmp_path)
    assert len(list((tmp_path / "backups").iterdir())) == statefile.KEPT


@pytest.mark.parametrize("text", ["{", '{"version": 3}'])
def test_a_state_that_cannot_be_read_is_an_error_that_names_the_backups(tmp_path: Path, text: str) -> None:
    (tmp_path / statefile.NAME).write_text(text)
    with pytest.raises(TerraformError, match="state"):
        statefile.known(tmp_path)
