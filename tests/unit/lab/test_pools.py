"""Members of pools: a change is made whole or not at all."""

from __future__ import annotations

import pytest
from fakes.labapi import Api

from atlas.lab.call import PVEError
from atlas.lab.entities import Acl, Role, User


async def test_a_refused_member_leaves_the_pool_as_it_was() -> None:
    api = await Api.fresh()
    await api.call("POST", "/pools", poolid="one", comment="first")
    await api.call("PUT", "/pools", poolid="one", vms="9000")
    with pytest.raises(PVEError, match="VM 9000 is already a pool member"):
        await api.call("PUT", "/pools", poolid="one", comment="second", vms="9001,9000")
    assert (api.lab.pools["one"].comment, list(api.lab.pools["one"].vms)) == ("first", ["9000"])


async def test_a_member_moves_only_when_it_may() -> None:
    api = await Api.fresh()
    for name in ("one", "two"):
        await api.call("POST", "/pools", poolid=name)
    await api.call("PUT", "/pools", poolid="one", vms="9000")
    with pytest.raises(PVEError, match="belongs already to pool 'one' and 'allow-move' is not set"):
        await api.call("PUT", "/pools", poolid="two", vms="9000")
    await api.call("PUT", "/pools", **{"poolid": "two", "vms": "9000", "allow-move": 1})
    assert (list(api.lab.pools["one"].vms), list(api.lab.pools["two"].vms)) == ([], ["9000"])


async def test_a_pool_shows_its_members_to_who_may_see_it_and_each_storage_once() -> None:
    api = await Api.fresh()
    await api.call("POST", "/pools", poolid="one")
    await api.call("PUT", "/pools", poolid="one", vms="9000", storage="local,shared-nfs")
    api.lab.users["u@pve"] = User("u@pve")
    api.lab.acl["/pool/one"] = Acl("/pool/one", users={"u@pve": {"Sees": 1}})
    api.lab.roles["Sees"] = Role("Sees", {"Pool.Audit": 1})
    found = (await Api(api.lab, "u@pve").call("GET", "/pools/one"))["members"]
    assert [row["id"] for row in found] == ["qemu/9000", "storage/pve1/local", "storage/pve1/shared-nfs"]
    assert "lock" not in found[0]
    assert [row["id"] for row in (await api.call("GET", "/pools/one", type="qemu"))["members"]] == ["qemu/9000"]


async def test_a_pool_in_the_list_of_resources_sums_what_its_guests_use() -> None:
    api = await Api.fresh()
    await api.call("POST", "/pools", poolid="one")
    for vmid, cores in ((101, 1), (102, 3)):
        made = {"vmid": vmid, "memory": 512, "cores": cores, "scsi0": "local-lvm:1", "pool": "one"}
        assert await api.run("POST", "/nodes/pve1/qemu", **made) == "OK"
    row = {"id": "/pool/one", "pool": "one", "type": "pool"}
    assert row in await api.call("GET", "/cluster/resources")
    api.lab.clock.advance(60)
    for vmid in (101, 102):
        assert await api.run("POST", f"/nodes/pve1/qemu/{vmid}/status/start") == "OK"
    api.lab.clock.advance(60)
    found = next(r for r in await api.call("GET", "/cluster/resources") if r["type"] == "pool")
    assert (found["maxcpu"], found["maxmem"], found["uptime"]) == (4, 1024 * 1024**2, pytest.approx(60, abs=5))
