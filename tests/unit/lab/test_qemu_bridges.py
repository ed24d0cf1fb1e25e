"""A VM's bridges are looked for when it starts. Source: seen on a genuine Proxmox VE 9.2 server."""

from __future__ import annotations

from fakes.labapi import Api

VM = "/nodes/pve1/qemu/101"


async def test_a_bridge_that_is_not_there_is_told_at_the_start() -> None:
    api = await Api.fresh()
    assert await api.run("POST", "/nodes/pve1/qemu", vmid=101, net0="virtio,bridge=vmbr9") == "OK"
    assert await api.run("POST", f"{VM}/status/start") == "bridge 'vmbr9' does not exist"


async def test_a_tag_needs_a_way_out_or_a_bridge_that_knows_vlans() -> None:
    api = await Api.fresh()
    bridge = api.lab.nodes["pve1"].network["vmbr0"]
    await api.run("POST", "/nodes/pve1/qemu", vmid=101, net0="virtio,bridge=vmbr0,tag=7")
    api.lab.nodes["pve1"].network["vmbr0"] = {**bridge, "bridge_ports": ""}
    upid = await api.call("POST", f"{VM}/status/start")
    assert (await api.lab.tasks.wait(upid)).exitstatus == "start failed: QEMU exited with code 1"
    log = await api.call("GET", f"/nodes/pve1/tasks/{upid}/log")
    assert "no physical interface on bridge 'vmbr0'" in [line["t"] for line in log]
    for fit in ({**bridge, "bridge_ports": "", "bridge_vlan_aware": 1}, bridge):
        api.lab.nodes["pve1"].network["vmbr0"] = fit
        assert await api.run("POST", f"{VM}/status/start") == "OK"
        assert await api.run("POST", f"{VM}/status/stop") == "OK"
