"""Rules of the HA manager: about managed guests and nodes that there are, and such as can be followed together."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.labapi import Api

from atlas.lab.call import PVEError

RULES = "/cluster/ha/rules"
NEAR = {"type": "node-affinity", "nodes": "pve1", "resources": "vm:101"}


async def managed() -> Api:
    world = await Api.fresh(user="root@pam")
    for vmid in (101, 102):
        await world.call("POST", "/nodes/pve1/qemu", vmid=vmid)
        await world.call("POST", "/cluster/ha/resources", sid=f"vm:{vmid}")
    return world


async def refused(world: Api, verb: str, path: str, **params: Any) -> str:
    with pytest.raises(PVEError) as caught:
        await world.call(verb, path, **params)
    return caught.value.message


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({**NEAR, "resources": "vm:109"}, "cannot use unmanaged resource(s) vm:109."),
        ({**NEAR, "nodes": "nowhere"}, "cannot use non-existent node(s) nowhere."),
        (NEAR, "resource 'vm:101' is already used in another node affinity rule"),
        (
            {"type": "resource-affinity", "affinity": "negative", "resources": "vm:101,vm:102"},
            "rule shares two or more resources with a positive resource affinity rule",
        ),
    ],
)
async def test_a_rule_is_about_what_there_is_and_can_be_followed(rule: dict[str, Any], words: str) -> None:
    world = await managed()
    await world.call("POST", RULES, rule="near", **NEAR)
    await world.call(
        "POST", RULES, rule="both", type="resource-affinity", affinity="positive", resources="vm:101,vm:102"
    )
    assert words in await refused(world, "POST", RULES, rule="new", **rule)


async def test_a_rule_that_is_off_stands_in_nobodys_way() -> None:
    world = await managed()
    await world.call("POST", RULES, rule="near", **NEAR, disable=1)
    await world.call("POST", RULES, rule="other", **NEAR)
    assert "is already used" in await refused(world, "PUT", f"{RULES}/near", type="node-affinity", delete="disable")
    assert "unable to delete required option 'nodes'" in await refused(
        world, "PUT", f"{RULES}/near", type="node-affinity", delete="nodes"
    )


async def test_a_guest_that_is_let_go_leaves_its_rules_unless_they_keep_it() -> None:
    world = await managed()
    await world.call("POST", RULES, rule="near", **NEAR)
    await world.call("DELETE", "/cluster/ha/resources/vm:101", purge=0)
    assert (await world.call("GET", f"{RULES}/near"))["resources"] == "vm:101"
