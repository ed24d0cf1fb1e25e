"""The list of a cluster's resources."""

from __future__ import annotations

from fakes.labapi import Api


async def test_zones_are_networks_and_those_of_some_nodes_are_on_these() -> None:
    api = await Api.fresh()
    await api.call("POST", "/cluster/sdn/zones", zone="z1", type="simple", nodes="pve2")
    assert await api.run("PUT", "/cluster/sdn") == "OK"
    rows = {row["id"]: row for row in await api.call("GET", "/cluster/resources") if row["type"] == "network"}
    assert set(rows) == {*(f"network/{node}/zone/localnetwork" for node in api.lab.nodes), "network/pve2/zone/z1"}
    assert (rows["network/pve2/zone/z1"]["zone-type"], rows["network/pve2/zone/z1"]["status"]) == (
        "simple",
        "available",
    )
    assert await api.call("GET", "/cluster/resources", type="sdn") == []
