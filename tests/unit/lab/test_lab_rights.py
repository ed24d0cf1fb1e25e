"""Rights: ACLs, groups, pools and tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.lab.auth import hash_token
from atlas.lab.clock import Clock
from atlas.lab.entities import Acl, Group, Pool, User
from atlas.lab.rights import builtin_roles, known_path, normal_path
from atlas.lab.simulated import SimulatedBackend
from atlas.lab.world import Lab


@pytest.fixture
def lab() -> Lab:
    lab = Lab(SimulatedBackend(), Clock("instant"))
    lab.users["root@pam"] = User("root@pam")
    lab.users["u@pve"] = User("u@pve")
    return lab


def token(lab: Lab, name: str, privsep: int) -> str:
    lab.users["u@pve"].tokens[name] = {"value": hash_token("x"), "privsep": privsep, "expire": 0}
    return f"u@pve!{name}"


def test_a_deeper_entry_replaces_what_was_inherited(lab: Lab) -> None:
    lab.acl["/"] = Acl("/", users={"u@pve": {"PVEAdmin": 1}})
    lab.acl["/vms/100"] = Acl("/vms/100", users={"u@pve": {"PVEAuditor": 1}})
    assert lab.rights.holds("u@pve", "/vms/101", ["VM.Allocate"])
    assert not lab.rights.holds("u@pve", "/vms/100", ["VM.Allocate"])
    assert lab.rights.holds("u@pve", "/vms/100", ["VM.Audit"])


def test_without_propagation_an_entry_counts_on_its_own_path_only(lab: Lab) -> None:
    lab.acl["/vms"] = Acl("/vms", users={"u@pve": {"PVEAuditor": 0}})
    assert lab.rights.holds("u@pve", "/vms", ["VM.Audit"])
    assert not lab.rights.holds("u@pve", "/vms/100", ["VM.Audit"])


def test_a_users_own_entry_outweighs_its_groups_and_noaccess_wins(lab: Lab) -> None:
    lab.groups["g"] = Group("g")
    lab.users["u@pve"].groups["g"] = 1
    lab.acl["/vms"] = Acl("/vms", groups={"g": {"PVEVMAdmin": 1}})
    assert lab.rights.holds("u@pve", "/vms/100", ["VM.Allocate"])
    lab.acl["/vms"].users["u@pve"] = {"PVEAuditor": 1}
    assert not lab.rights.holds("u@pve", "/vms/100", ["VM.Allocate"])
    lab.acl["/vms/100"] = Acl("/vms/100", users={"u@pve": {"PVEVMAdmin": 1, "NoAccess": 1}})
    assert not lab.rights.of("u@pve", "/vms/100")


def test_a_pools_roles_add_to_its_members(lab: Lab) -> None:
    lab.pools["p"] = Pool("p", vms={"100": 1}, storages={"local": 1})
    lab.acl["/pool/p"] = Acl("/pool/p", users={"u@pve": {"PVEVMUser": 1, "PVEDatastoreUser": 1}})
    assert lab.rights.holds("u@pve", "/vms/100", ["VM.PowerMgmt"])
    assert lab.rights.holds("u@pve", "/storage/local", ["Datastore.AllocateSpace"])
    del lab.pools["p"].vms["100"]
    assert not lab.rights.holds("u@pve", "/vms/100", ["VM.PowerMgmt"])


def test_a_separated_token_has_no_more_than_both_it_and_its_user(lab: Lab) -> None:
    lab.acl["/vms"] = Acl("/vms", users={"u@pve": {"PVEVMUser": 1}})
    full, apart = token(lab, "full", 0), token(lab, "apart", 1)
    assert lab.rights.of(full, "/vms/1") == lab.rights.of("u@pve", "/vms/1")
    assert not lab.rights.of(apart, "/vms/1")
    lab.acl["/vms"].tokens[apart] = {"PVEVMAdmin": 1}
    assert set(lab.rights.of(apart, "/vms/1")) == set(builtin_roles()["PVEVMUser"])


@given(st.sets(st.sampled_from(sorted(builtin_roles()))), st.sets(st.sampled_from(sorted(builtin_roles()))))
def test_no_token_exceeds_its_user(mine: set[str], its: set[str]) -> None:
    lab = Lab(SimulatedBackend(), Clock("instant"))
    lab.users["u@pve"] = User("u@pve")
    name = token(lab, "t", 1)
    lab.acl["/vms"] = Acl("/vms", users={"u@pve": dict.fromkeys(mine, 1)}, tokens={name: dict.fromkeys(its, 1)})
    assert set(lab.rights.of(name, "/vms/1")) <= set(lab.rights.of("u@pve", "/vms/1"))


def test_paths_have_one_way_of_writing() -> None:
    assert [normal_path(p) for p in ("/", "", "vms", "//vms///100/")] == ["/", "/", "/vms", "/vms/100"]
    assert normal_path("/pool/a b") is None
    assert [known_path(p) for p in ("/vms/100", "/pool/a/b/c", "/nothing", "/vms/1")] == [True, True, False, False]
