"""Members of pools: a change is made whole or not at all."""

from __future__ import annotations

import pytest
from fakes.labapi import Api

from atlas.lab.call import PVEError


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
