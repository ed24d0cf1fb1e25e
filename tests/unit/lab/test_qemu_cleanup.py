"""What a VM meets that is started right after it was stopped. Source: seen on a genuine Proxmox VE 9.2 server."""

from __future__ import annotations

import asyncio

import pytest
from fakes.labapi import Api

from atlas.lab.call import PVEError

VM = "/nodes/pve1/qemu/101"


async def test_a_vm_that_is_started_again_at_once_is_locked_for_a_while() -> None:
    api = await Api.fresh("brisk")
    await api.run("POST", "/nodes/pve1/qemu/9000/clone", newid=101, name="web")
    await api.run("POST", f"{VM}/status/start")
    await api.run("POST", f"{VM}/status/stop")
    await api.run("POST", f"{VM}/status/start")
    await asyncio.sleep(0.2)
    with pytest.raises(PVEError, match=r"can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout"):
        await api.call("PUT", f"{VM}/config", onboot=0)
    api.lab.clock.advance(30)
    await api.call("PUT", f"{VM}/config", onboot=0)
    assert api.config(101)["onboot"] == 0


async def test_a_vm_that_stays_down_or_is_gone_is_not() -> None:
    api = await Api.fresh("fast")
    await api.run("POST", "/nodes/pve1/qemu/9000/clone", newid=101, name="web")
    await api.run("POST", f"{VM}/status/start")
    await api.run("POST", f"{VM}/status/stop")
    await asyncio.sleep(0.05)
    await api.call("PUT", f"{VM}/config", onboot=0)
    assert await api.run("DELETE", VM) == "OK"
    assert "101" not in api.lab.guests
