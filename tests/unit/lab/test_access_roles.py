"""The ACL: who may hand on what, and to whom."""

from __future__ import annotations

import pytest
from fakes.labapi import Api

from atlas.lab.call import PVEError


async def handed(world: Api, role: str, *, user: str, **params: object) -> str:
    """Let a user hand a role on at a guest's path; return what was refused, nothing if it was taken."""
    try:
        caller = Api(world.lab, user)
        await caller.call("PUT", "/access/acl", path="/vms/101", users="other@pve", roles=role, **params)
    except PVEError as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    ("role", "refusal"),
    [
        ("PVEVMAdmin", ""),
        ("PVEVMUser", ""),
        ("Administrator", "Cannot add role 'Administrator' - requires 'Permissions.Modify' or superset of privileges."),
        ("NoAccess", "Cannot add role 'NoAccess' - requires 'Permissions.Modify'"),
    ],
)
async def test_who_may_allocate_a_guest_hands_on_what_he_has_and_no_more(role: str, refusal: str) -> None:
    world = await Api.fresh(user="root@pam")
    for name in ("boss@pve", "other@pve"):
        await world.call("POST", "/access/users", userid=name)
    await world.call("PUT", "/access/acl", path="/vms/101", users="boss@pve", roles="PVEVMAdmin")
    said = await handed(world, role, user="boss@pve")
    assert said == (f"ACL update failed: 400 Parameter verification failed.\nrole: {refusal}\n" if refusal else "")


async def test_what_is_not_handed_down_cannot_be_handed_on_downwards() -> None:
    world = await Api.fresh(user="root@pam")
    for name in ("boss@pve", "other@pve"):
        await world.call("POST", "/access/users", userid=name)
    await world.call("PUT", "/access/acl", path="/vms/101", users="boss@pve", roles="PVEVMAdmin", propagate=0)
    assert "with propagation - requires" in await handed(world, "PVEVMUser", user="boss@pve")
    assert await handed(world, "PVEVMUser", user="boss@pve", propagate=0) == ""
