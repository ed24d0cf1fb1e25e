"""Aliases and IP sets: names without case, networks in their normal form, what has gone."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.labapi import Api

from atlas.lab.call import PVEError

BASE = "/cluster/firewall"


async def refused(world: Api, verb: str, path: str, **params: Any) -> tuple[str, dict[str, str]]:
    with pytest.raises(PVEError) as caught:
        await world.call(verb, path, **params)
    return caught.value.message, caught.value.errors or {}


async def test_an_alias_is_found_in_any_case_and_shown_as_it_was_named() -> None:
    world = await Api.fresh(user="root@pam")
    await world.call("POST", f"{BASE}/aliases", name="Lan", cidr="10.0.0.1/32")
    assert await world.call("GET", f"{BASE}/aliases/LAN") == {"name": "Lan", "cidr": "10.0.0.1", "ipversion": 4}
    assert (await refused(world, "POST", f"{BASE}/aliases", name="lan", cidr="10.0.0.2"))[1] == {
        "name": "alias 'lan' already exists"
    }


async def test_a_set_holds_each_network_once_and_says_which_alias_has_gone() -> None:
    world = await Api.fresh(user="root@pam")
    await world.call("POST", f"{BASE}/aliases", name="lan", cidr="10.0.0.0/8")
    await world.call("POST", f"{BASE}/ipset", name="Some")
    entries = f"{BASE}/ipset/some"
    assert (await refused(world, "POST", entries, cidr="other"))[0] == "no such alias 'other'"
    await world.call("POST", entries, cidr="lan")
    await world.call("POST", entries, cidr="10.1.2.3/16", nomatch=1, comment="c")
    assert (await refused(world, "POST", entries, cidr="10.1.0.0/16"))[1] == {
        "cidr": "address '10.1.0.0/16' already exists"
    }
    assert "zero prefix" in (await refused(world, "POST", entries, cidr="0.0.0.0/0"))[1]["cidr"]
    await world.call("PUT", f"{entries}/10.1.0.0%2F16".replace("%2F", "/"), comment="kept")
    await world.call("DELETE", f"{BASE}/aliases/lan")
    shown = [{key: row[key] for key in row if key != "digest"} for row in await world.call("GET", entries)]
    assert shown == [
        {"cidr": "10.1.0.0/16", "comment": "kept"},
        {"cidr": "lan", "errors": {"cidr": "no such alias 'lan'"}},
    ]
