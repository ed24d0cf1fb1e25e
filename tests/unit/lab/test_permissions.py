"""The table's permission expressions: who may call a method, and what a refusal names."""

from __future__ import annotations

from typing import Any

import pytest

from atlas.lab import permissions
from atlas.lab.call import Forbidden, PVEError
from atlas.lab.clock import Clock
from atlas.lab.entities import Acl, Role, User
from atlas.lab.simulated import SimulatedBackend
from atlas.lab.table import load
from atlas.lab.world import Lab


@pytest.fixture
def lab() -> Lab:
    lab = Lab(SimulatedBackend(), Clock("instant"))
    lab.users["u@pve"] = User("u@pve")
    return lab


def clone(lab: Lab, user: str, **params: Any) -> None:
    method = load().method("POST", "/nodes/{node}/qemu/{vmid}/clone")
    assert method is not None
    permissions.check(method.permissions, lab, user, {"node": "pve1", "vmid": "100", **params})


def test_an_expression_of_the_table_names_what_is_missing(lab: Lab) -> None:
    with pytest.raises(Forbidden) as caught:
        clone(lab, "u@pve", newid="200")
    assert caught.value.message == "Permission check failed (/vms/100, VM.Clone)"
    lab.roles["Clone"] = Role("Clone", {"VM.Clone": 1})
    lab.acl["/vms/100"] = Acl("/vms/100", users={"u@pve": {"Clone": 1}})
    with pytest.raises(Forbidden) as caught:
        clone(lab, "u@pve", newid="200")
    assert caught.value.message == "Permission check failed"
    lab.roles["Make"] = Role("Make", {"VM.Allocate": 1})
    lab.acl["/pool/p"] = Acl("/pool/p", users={"u@pve": {"Make": 1}})
    clone(lab, "u@pve", newid="200", pool="p")
    with pytest.raises(Forbidden):
        clone(lab, "u@pve", newid="200")


def test_root_may_all_and_a_method_without_an_entry_only_root(lab: Lab) -> None:
    clone(lab, "root@pam", newid="200")
    permissions.check(None, lab, "root@pam", {})
    lab.acl["/"] = Acl("/", users={"u@pve": {"Administrator": 1}})
    with pytest.raises(Forbidden, match="user != root@pam"):
        permissions.check(None, lab, "u@pve", {})


def test_a_user_name_without_form_is_no_question_of_rights(lab: Lab) -> None:
    method = load().method("POST", "/access/users")
    assert method is not None
    with pytest.raises(PVEError, match="does not look like a valid user name") as caught:
        permissions.check(method.permissions, lab, "u@pve", {"userid": "nobody"})
    assert caught.value.status == 500
