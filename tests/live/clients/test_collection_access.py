"""Modules of `community.proxmox` that say who may do what: users, groups, roles, ACLs, realms, pools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.collection import Modules

from atlas.errors import ApiRefused
from atlas.proxmox.client import Client


def test_groups(modules: Modules, reader: Client) -> None:
    modules.once("proxmox_group", groupid="ops", comment="who operate")
    assert reader.get("access", "groups", "ops") == {"comment": "who operate", "members": []}
    assert modules("proxmox_group_info", group="ops")["proxmox_groups"][0]["users"] == []
    assert "does not exist" in modules.run("proxmox_group_info", group="none")["msg"]
    modules.once("proxmox_group", groupid="ops", state="absent")
    assert not modules("proxmox_group_info")["proxmox_groups"]
    with pytest.raises(ApiRefused, match="group 'ops' does not exist"):
        reader.get("access", "groups", "ops")


def test_users_with_tokens(modules: Modules, reader: Client, lab: dict[str, Any]) -> None:
    modules("proxmox_group", groupid="team")
    user: dict[str, Any] = {"userid": "ann@pve", "comment": "first", "email": "ann@example.org", "groups": ["team"]}
    modules.once("proxmox_user", **user)
    modules("proxmox_user", **user, password="not-a-secret")  # a password is set again each time
    found = reader.get("access", "users", "ann@pve")
    assert (found["comment"], found["email"], found["groups"]) == ("first", "ann@example.org", ["team"])
    user |= {"comment": "second", "tokens": [{"tokenid": "ci", "comment": "runner", "privsep": False}]}
    secret = modules.once("proxmox_user", **user)["secrets"]["ci"]
    asked = Client(lab["url"], f"ann@pve!ci={secret}", ca_file=Path(lab["ca_file"]))
    assert asked.get("version")["version"]
    assert reader.get("access", "users", "ann@pve", "token", "ci")["comment"] == "runner"
    told = modules("proxmox_user_info", userid="ann@pve")["proxmox_users"][0]
    assert (told["comment"], told["groups"], told["tokens"][0]["tokenid"]) == ("second", ["team"], "ci")
    assert "ann@pve" in [u["userid"] for u in modules("proxmox_user_info", domain="pve")["proxmox_users"]]
    user |= {"tokens": []}
    modules.once("proxmox_user", **user)
    assert reader.get("access", "users", "ann@pve", "token") == []
    modules.once("proxmox_user", userid="ann@pve", state="absent")
    assert "ann@pve" not in [u["userid"] for u in reader.get("access", "users")]


def test_roles(modules: Modules, reader: Client) -> None:
    modules.once("proxmox_role", roleid="Watch", privs=["VM.Audit", "Sys.Audit"])
    assert reader.get("access", "roles", "Watch") == {"VM.Audit": 1, "Sys.Audit": 1}
    modules.once("proxmox_role", roleid="Watch", privs=["VM.Audit"])
    assert reader.get("access", "roles", "Watch") == {"VM.Audit": 1}
    modules.once("proxmox_role", roleid="Watch", state="absent")
    assert "Watch" not in [row["roleid"] for row in reader.get("access", "roles")]


def test_acls(modules: Modules, reader: Client) -> None:
    modules("proxmox_user", userid="bob@pve")
    entry = {"path": "/vms/9000", "type": "user", "ugid": "bob@pve", "roleid": "PVEVMUser"}
    modules.once("proxmox_access_acl", **entry)
    modules.once("proxmox_access_acl", **entry, state="absent")
    modules.once("proxmox_access_acl", **entry, propagate=False)
    row = next(row for row in reader.get("access", "acl") if row["ugid"] == "bob@pve")
    assert {k: row[k] for k in entry} == entry
    assert row["propagate"] == 0
    modules.once("proxmox_access_acl", **entry, propagate=False, state="absent")
    assert "bob@pve" not in [row["ugid"] for row in reader.get("access", "acl")]


def test_realms(modules: Modules, reader: Client) -> None:
    assert {d["realm"] for d in modules("proxmox_domain_info")["proxmox_domains"]} >= {"pam", "pve"}
    realm = {"realm": "tree", "state": "present", "type": "ldap", "ldap_base_dn": "dc=example,dc=org"}
    realm |= {"ldap_user_attr": "uid", "ldap_primary_server": "10.42.0.9"}
    modules.once("proxmox_domain", **realm, comment="one")
    modules.once("proxmox_domain", **realm, comment="two")
    assert modules("proxmox_domain_info", domain="tree")["proxmox_domains"][0]["comment"] == "two"
    assert reader.get("access", "domains", "tree")["server1"] == "10.42.0.9"
    modules.once("proxmox_domain", realm="tree", state="absent")
    assert "tree" not in [row["realm"] for row in reader.get("access", "domains")]


def test_pools_and_their_members(modules: Modules, reader: Client) -> None:
    modules.once("proxmox_pool", poolid="team", comment="ours")
    assert reader.get("pools", "team") == {"poolid": "team", "comment": "ours", "members": []}
    one = [{"storage": "local-lvm"}]
    modules.once("proxmox_pool_member", poolid="team", members=one)
    modules("proxmox_pool_member", poolid="team", members=[{"vm": "debian-12"}])
    assert {row["id"] for row in reader.get("pools", "team")["members"]} >= {"qemu/9000", "storage/pve1/local-lvm"}
    refused = modules.run("proxmox_pool", poolid="team", state="absent")
    assert "with members" in refused["msg"]
    modules.once("proxmox_pool_member", poolid="team", members=one, state="absent")
    reader.put("pools", "team", vms="9000", delete=1)
    modules.once("proxmox_pool", poolid="team", state="absent")
    assert reader.get("pools") == []
