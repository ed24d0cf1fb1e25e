"""What an SDN object of a type has, needs and fits."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.labapi import Api

from atlas.lab.call import PVEError

SDN = "/cluster/sdn"
EVPN = {"type": "evpn", "controller": "ev", "vrf-vxlan": 7}


async def refused(world: Api, verb: str, path: str, **params: Any) -> str:
    with pytest.raises(PVEError) as caught:
        await world.call(verb, f"{SDN}/{path}", **params)
    return caught.value.message


async def world_with(*zones: dict[str, Any]) -> Api:
    world = await Api.fresh(user="root@pam")
    for zone in zones:
        await world.call("POST", f"{SDN}/zones", **zone)
    return world


async def test_a_type_has_its_own_properties() -> None:
    world = await world_with({"zone": "za", "type": "simple"})
    assert (
        await refused(world, "POST", "zones", zone="zb", type="simple", bridge="vmbr0")
        == "unexpected property 'bridge'"
    )
    assert await refused(world, "POST", "zones", zone="zb", type="vlan") == "missing value for required option 'bridge'"
    assert await refused(world, "PUT", "zones/za", tag=5) == "update sdn zone object failed: unexpected property 'tag'"
    assert "no such option 'nothing'" in await refused(world, "PUT", "zones/za", delete="nothing")
    assert "ipam: x not existing" in await refused(world, "PUT", "zones/za", ipam="x")
    assert "dns: x don't exist" in await refused(world, "PUT", "zones/za", dns="x")


async def test_controllers_are_one_and_held_by_their_zones() -> None:
    world = await world_with()
    assert "controller ev don't exist" in await refused(world, "POST", "zones", zone="ze", **EVPN)
    evpn = {"type": "evpn", "asn": 1, "peers": "10.0.0.1"}
    await world.call("POST", f"{SDN}/controllers", controller="ev", **evpn)
    assert "only 1 global evpn" in await refused(world, "POST", "controllers", controller="ev2", **evpn)
    await world.call("POST", f"{SDN}/zones", zone="ze", **EVPN)
    assert "already declared in ze" in await refused(world, "POST", "zones", zone="zf", **EVPN)
    assert "controller ev is used by ze" in await refused(world, "DELETE", "controllers/ev")


@pytest.mark.parametrize(
    ("vnet", "words"),
    [
        ({"zone": "none"}, "cannot lookup undefined type!"),
        ({"zone": "za", "tag": 5}, "vlan tag is not allowed on simple zone"),
        ({"zone": "zv"}, "missing vlan tag"),
        ({"zone": "zv", "tag": 5000}, "vlan tag max value is 4096"),
        ({"zone": "zv", "tag": 7}, "tag 7 already exist in vnet v7"),
        ({"zone": "zq"}, "tag-less vnet already exists in zone zq vnet q0"),
        ({"zone": "za", "alias": "a\nb"}, "property contains a line feed"),
    ],
)
async def test_a_virtual_network_fits_its_zone(vnet: dict[str, Any], words: str) -> None:
    world = await world_with(
        {"zone": "za", "type": "simple"},
        {"zone": "zv", "type": "vlan", "bridge": "vmbr0"},
        {"zone": "zq", "type": "qinq", "bridge": "vmbr0", "tag": 9},
    )
    await world.call("POST", f"{SDN}/vnets", vnet="v7", zone="zv", tag=7)
    await world.call("POST", f"{SDN}/vnets", vnet="q0", zone="zq")
    assert words in await refused(world, "POST", "vnets", vnet="new", **vnet)


async def test_what_has_subnets_keeps_its_place() -> None:
    world = await world_with({"zone": "za", "type": "simple", "ipam": "pve"}, {"zone": "zb", "type": "simple"})
    await world.call("POST", f"{SDN}/vnets", vnet="va", zone="za")
    await world.call("POST", f"{SDN}/vnets/va/subnets", subnet="10.9.0.0/24", type="subnet")
    assert "can't change zone if subnets exist" in await refused(world, "PUT", "vnets/va", zone="zb")
    assert "can't change ipam" in await refused(world, "PUT", "zones/za", delete="ipam")
    assert "not compatible with subnets" in await refused(world, "PUT", "vnets/va", vlanaware=1)
    assert "zone za is used by vnet va" in await refused(world, "DELETE", "zones/za")
