"""Every effect of a fault, seen by a client of a lab that serves over https."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.faulty import Site, site, until

from atlas.lab.effects import EFFECTS

CLONE = {"method": "POST", "path": "/nodes/*/qemu/*/clone"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        yield made


def images(api: Site, vmid: int) -> list[str]:
    return [volume.volid for volume in api.lab.volumes.values() if volume.vmid == vmid]


async def test_error_has_the_shape_of_pve(api: Site) -> None:
    api.add("error", {"path": "/version", "nth": 2}, status=596, text="Connection timed out")
    assert (await api.call("GET", "/version")).status == 200
    refused = await api.call("GET", "/version")
    assert (refused.status, refused.reason) == (596, "Connection timed out")
    assert refused.content == {"data": None, "message": "Connection timed out\n"}
    assert (await api.call("GET", "/version")).status == 200
    api.add("error", {"path": "/cluster/nextid"}, status=400, errors={"vmid": "VM 100 already exists"})
    refused = await api.call("GET", "/cluster/nextid")
    assert refused.content["errors"] == {"vmid": "VM 100 already exists"}
    assert refused.reason == "Parameter verification failed."
    api.add("error", {"path": "/pools"}, status=401, text="No ticket")
    assert (await api.call("GET", "/pools")).status == 401


async def test_latency_delays_the_call_by_the_labs_clock(api: Site) -> None:
    name = api.add("latency", {"path": "/version"}, seconds=600)
    call = asyncio.create_task(api.call("GET", "/version"))
    await until(lambda: api.server.faults.active[name].struck)
    assert not call.done()
    api.lab.clock.advance(601)
    assert (await call).status == 200


async def test_latency_of_real_seconds(api: Site) -> None:
    api.add("latency", {"path": "/version"}, seconds=0.2)
    begun = time.monotonic()
    assert (await api.call("GET", "/version")).status == 200
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize("after", [True, False])
async def test_dropped_connection_before_or_after_the_work(api: Site, after: bool) -> None:
    api.add("drop", {"method": "POST", "path": "/pools", "nth": 1}, after=after)
    assert (await api.call("POST", "/pools", poolid="p1")).status == 0
    assert ("p1" in api.lab.pools) is after
    assert (await api.call("POST", "/pools", poolid="p2")).status == 200


async def test_half_of_an_answer(api: Site) -> None:
    api.add("half-answer", {"path": "/nodes/pve1/status", "nth": 1})
    broken = await api.call("GET", "/nodes/pve1/status")
    assert (broken.status, broken.reason) == (0, "ChunkedEncodingError")  # headers and a part came
    assert (await api.call("GET", "/nodes/pve1/status")).status == 200


async def test_stalled_task_goes_on_once_the_fault_is_cleared(api: Site) -> None:
    name = api.add("task-stall", CLONE, step=2)
    upid = (await api.call("POST", "/nodes/pve1/qemu/9000/clone", newid="300")).data
    await until(lambda: images(api, 300))
    for _ in range(20):
        status = (await api.call("GET", f"/nodes/pve1/tasks/{upid}/status")).data
        assert status["status"] == "running"
    config = (await api.call("GET", "/nodes/pve1/qemu/300/config")).data
    assert config["lock"] == "clone"
    await api.server.faults.clear(name)
    assert await api.ended(upid) == "OK"


async def test_stalled_task_can_be_stopped_and_ends_by_itself_in_time(api: Site) -> None:
    api.add("task-stall", {**CLONE, "nth": 1})
    upid = (await api.call("POST", "/nodes/pve1/qemu/9000/clone", newid="300")).data
    assert (await api.call("DELETE", f"/nodes/pve1/tasks/{upid}")).status == 200
    assert "interrupted by signal" in await api.ended(upid)
    assert "300" not in api.lab.guests
    api.add("task-stall", {**CLONE, "nth": 1}, seconds=500)
    upid = (await api.call("POST", "/nodes/pve1/qemu/9000/clone", newid="301")).data
    await until(lambda: "301" in api.lab.guests)
    api.lab.clock.advance(501)
    assert await api.ended(upid) == "OK"


async def test_task_that_fails_half_way_cleans_up_in_pves_words(api: Site) -> None:
    api.add("task-fail", {**CLONE, "nth": 1}, step=2, text="no space left")
    upid = (await api.call("POST", "/nodes/pve1/qemu/9000/clone", newid="300")).data
    assert await api.ended(upid) == "clone failed: no space left"
    log = [row["t"] for row in (await api.call("GET", f"/nodes/pve1/tasks/{upid}/log")).data]
    assert any("drive scsi0" in line for line in log)  # it had begun
    assert log[-1] == "TASK ERROR: clone failed: no space left"
    assert "300" not in api.lab.guests
    assert images(api, 300) == []
    assert await api.clone(300) == "OK"


async def test_killed_task_leaves_what_a_killed_worker_leaves(api: Site) -> None:
    api.add("task-fail", {**CLONE, "nth": 1}, step=2, kill=True)
    upid = (await api.call("POST", "/nodes/pve1/qemu/9000/clone", newid="300")).data
    assert await api.ended(upid) == "unexpected status"
    assert api.lab.guest(300).config["lock"] == "clone"
    assert any(volid.endswith("vm-300-disk-0.qcow2") for volid in images(api, 300))
    assert not any(line.startswith("TASK") for line in api.lab.tasks.get(upid).log)


async def test_task_with_fewer_steps_fails_at_its_end(api: Site) -> None:
    assert await api.clone(300) == "OK"
    api.add("task-fail", {"path": "/nodes/*/qemu/300/status/start"}, step=99, text="start failed: no")
    assert await api.run("POST", "/nodes/pve1/qemu/300/status/start") == "start failed: no"


async def test_lock_is_held_until_it_is_cleared_or_its_time_is_over(api: Site) -> None:
    assert await api.clone(300) == "OK"
    name = api.add("lock", {"method": "PUT", "guest": 300, "nth": 1}, lock="snapshot")
    refused = await api.call("PUT", "/nodes/pve1/qemu/300/config", cores="2")
    assert (refused.status, "is locked (snapshot)" in refused.reason) == (500, True)
    await api.server.faults.clear(name)
    assert (await api.call("PUT", "/nodes/pve1/qemu/300/config", cores="2")).status == 200
    api.add("lock", {"method": "PUT", "guest": 300, "nth": 1}, guest=300, seconds=100)
    assert (await api.call("PUT", "/nodes/pve1/qemu/300/config", cores="3")).status == 500
    api.lab.clock.advance(101)
    await until(lambda: not api.lab.guest(300).config.get("lock"))


async def test_node_that_is_down(api: Site) -> None:
    assert await api.clone(300) == "OK"
    api.lab.guest(300).node = "pve2"
    api.lab.guest(300).config["agent"] = "1"
    assert await api.run("POST", "/nodes/pve2/qemu/300/status/start") == "OK"
    name = api.add("node-down", {"path": "/cluster/status"}, node="pve2")
    members = {row["name"]: row for row in (await api.call("GET", "/cluster/status")).data}
    assert (members["pve1"]["online"], members["pve2"]["online"]) == (1, 0)
    refused = await api.call("GET", "/nodes/pve2/qemu/300/status/current")
    assert (refused.status, refused.reason) == (595, "No route to host")
    rows = {row["id"]: row for row in (await api.call("GET", "/cluster/resources")).data}
    assert rows["node/pve2"]["status"] == "offline"
    assert rows["qemu/300"]["status"] == "unknown"
    assert "name" not in rows["qemu/300"]
    assert rows["storage/pve2/local"]["status"] == "unknown"
    with pytest.raises(Exception, match="no agent answers"):
        await api.lab.backend.agent(300, "guest-ping")
    assert await api.clone(301) == "OK"
    assert await api.run("POST", "/nodes/pve1/qemu/301/migrate", target="pve2") == "migration aborted"
    assert "lock" not in api.lab.guest(301, "pve1").config
    await api.server.faults.clear(name)
    assert (await api.call("GET", "/nodes/pve2/qemu/300/agent/info")).status == 200
    assert (await api.call("GET", "/nodes/pve2/status")).status == 200


async def test_without_a_majority_nothing_is_started_or_written_down(api: Site) -> None:
    assert await api.clone(300) == "OK"
    away = api.add("node-down", {"path": "/version"}, node="pve2")
    api.lab.nodes["pve3"].online = False
    assert (await api.call("GET", "/version")).status == 200
    assert (await api.call("GET", "/cluster/status")).data[0]["quorate"] == 0
    for refused in (
        await api.call("POST", "/nodes/pve1/qemu/300/status/start"),
        await api.call("POST", "/nodes/pve1/qemu/9000/clone", newid="301"),
        await api.call("GET", "/nodes/pve1/qemu/300/migrate"),
    ):
        assert (refused.status, refused.reason) == (500, "cluster not ready - no quorum?")
    assert "no quorum!" in (await api.call("POST", "/pools", poolid="p")).reason
    assert "Permission denied" in (await api.call("PUT", "/nodes/pve1/qemu/300/config", cores="3")).reason
    assert (await api.call("GET", "/nodes/pve1/qemu/300/config")).data["cores"] != 3
    await api.server.faults.clear(away)
    assert await api.run("POST", "/nodes/pve1/qemu/300/status/start") == "OK"


async def test_tasks_of_a_node_that_goes_down_die(api: Site) -> None:
    api.add("task-stall", CLONE, step=2)
    upid = (await api.call("POST", "/nodes/pve1/qemu/9000/clone", newid="300")).data
    await until(lambda: images(api, 300))
    api.add("node-down", {"path": "/version"}, node="pve1", seconds=100)
    assert (await api.call("GET", "/version")).status == 0  # the node that answers is the one that is down
    assert (await api.call("GET", "/cluster/status")).status == 0
    assert await api.ended(upid) == "unexpected status"
    api.lab.clock.advance(101)
    await until(lambda: api.lab.online("pve1"))
    assert (await api.call("GET", "/nodes/pve1/qemu/300/config")).data["lock"] == "clone"


async def test_outage_ends_with_the_lab_and_one_of_the_world_stays(tmp_path: Path) -> None:
    async with site(tmp_path, nodes=2) as api:
        api.lab.nodes["pve1"].online = False  # as a twin has it
        api.add("node-down", {"path": "/version"}, node="pve2")
        assert (await api.call("GET", "/version")).status == 200
        assert [row["status"] for row in (await api.call("GET", "/nodes")).data] == ["offline", "offline"]
    async with site(tmp_path, nodes=2) as api:
        assert [row["status"] for row in (await api.call("GET", "/nodes")).data] == ["offline", "online"]


@pytest.mark.parametrize(
    ("storage", "words"),
    [("local-lvm", "Cannot create new thin volume"), ("shared-nfs", "No space left on device")],
)
async def test_full_storage(api: Site, storage: str, words: str) -> None:
    name = api.add("storage-full", storage=storage)
    status = (await api.call("GET", f"/nodes/pve1/storage/{storage}/status")).data
    assert (status["avail"], status["used"]) == (0, status["total"])
    refused = await api.clone(300, full="1", storage=storage)
    assert refused.startswith("clone failed: ")
    assert words in refused
    assert "300" not in api.lab.guests
    await api.server.faults.clear(name)
    assert await api.clone(300, full="1", storage=storage) == "OK"


async def test_full_storage_takes_no_upload(api: Site) -> None:
    api.add("storage-full", storage="local")
    image = {"filename": ("x.iso", b"x" * 4096)}
    upid = (await api.call("POST", "/nodes/pve1/storage/local/upload", files=image, content="iso")).data
    assert "No space left on device" in await api.ended(upid)
    assert api.lab.volume("local:iso/x.iso", "pve1") is None


async def test_silent_agent_and_what_pve_says_before_it_asks_it(api: Site) -> None:
    await api.running(300)
    name = api.add("agent-silent", {"guest": 300})
    for verb, path in (("POST", "ping"), ("GET", "network-get-interfaces"), ("GET", "get-osinfo")):
        refused = await api.call(verb, f"/nodes/pve1/qemu/300/agent/{path}")
        assert (refused.status, refused.reason) == (500, "QEMU guest agent is not running")
    assert (await api.call("GET", "/nodes/pve1/qemu/300/status/current")).data["status"] == "running"
    asked = await api.run("POST", "/nodes/pve1/qemu/300/status/shutdown", timeout="1")
    assert asked == "VM quit/powerdown failed - got timeout"
    assert await api.run("POST", "/nodes/pve1/qemu/300/status/stop") == "OK"
    assert (await api.call("POST", "/nodes/pve1/qemu/300/agent/ping")).reason == "VM 300 is not running"
    await api.server.faults.clear(name)
    assert await api.run("POST", "/nodes/pve1/qemu/300/status/start") == "OK"
    assert (await api.call("POST", "/nodes/pve1/qemu/300/agent/ping")).status == 200


async def test_address_that_never_comes(api: Site) -> None:
    await api.running(300)

    async def addresses() -> list[str]:
        data = (await api.call("GET", "/nodes/pve1/qemu/300/agent/network-get-interfaces")).data
        return [a["ip-address"] for nic in data["result"] for a in nic["ip-addresses"]]

    assert await addresses() == ["127.0.0.1", "10.42.0.50"]
    name = api.add("no-address", {"guest": "web-*"})
    assert await addresses() == ["127.0.0.1"]
    old = await api.call("POST", "/nodes/pve1/qemu/300/agent", command="network-get-interfaces")
    assert "10.42.0.50" not in str(old.data)
    await api.server.faults.clear(name)
    assert await addresses() == ["127.0.0.1", "10.42.0.50"]


async def test_clock_that_jumps_back_and_forth_once(api: Site) -> None:
    async def now() -> float:
        return float((await api.call("GET", "/nodes/pve1/time")).data["time"])

    first = await now()
    api.add("clock-jump", seconds=7200)
    second = await now()
    api.add("clock-jump", seconds=-3600)
    assert 7200 <= second - first < 7260
    assert 3600 <= await now() - first < 3660


@pytest.mark.parametrize(
    ("node", "words"), [("pve1", "unable to create VM 300: config file already exists"), ("pve2", "File exists")]
)
async def test_stolen_vmid(api: Site, node: str, words: str) -> None:
    api.add("steal-vmid", CLONE, node=node)
    answer = await api.call("POST", "/nodes/pve1/qemu/9000/clone", newid="300")
    assert words in (answer.reason if answer.status == 500 else await api.ended(answer.data))
    assert api.lab.guest(300, node).config["name"] == "other-300"
    assert await api.clone(301) == "OK"  # it strikes but once


async def test_restart_of_the_daemon_breaks_connections_and_keeps_workers(api: Site) -> None:
    stall = api.add("task-stall", CLONE)
    upid = (await api.call("POST", "/nodes/pve1/qemu/9000/clone", newid="300")).data
    api.add("restart", {"path": "/version"}, seconds=900)
    assert (await api.call("GET", "/version")).status == 0
    assert (await api.call("GET", "/cluster/status")).status == 0  # nobody listens
    async with asyncio.timeout(20):
        while (await api.call("GET", "/cluster/status")).status == 0:
            api.lab.clock.advance(901)
    assert (await api.call("GET", f"/nodes/pve1/tasks/{upid}/status")).data["status"] == "running"
    await api.server.faults.clear(stall)
    assert await api.ended(upid) == "OK"


async def test_restart_that_kills(api: Site) -> None:
    api.add("task-stall", CLONE, step=2)
    upid = (await api.call("POST", "/nodes/pve1/qemu/9000/clone", newid="300")).data
    await until(lambda: images(api, 300))
    api.add("restart", {"path": "/version"}, seconds=0, kill=True)
    assert (await api.call("GET", "/version")).status == 0
    async with asyncio.timeout(20):
        while (await api.call("GET", "/cluster/status")).status == 0:
            pass
    assert (await api.call("GET", f"/nodes/pve1/tasks/{upid}/status")).data["exitstatus"] == "unexpected status"
    assert api.lab.guest(300).config["lock"] == "clone"


async def test_two_faults_strike_one_call(api: Site) -> None:
    api.add("lock", {**CLONE}, lock="backup")
    api.add("drop", {**CLONE})
    assert (await api.call("POST", "/nodes/pve1/qemu/9000/clone", newid="300")).status == 0
    assert api.lab.guest(9000).config["lock"] == "backup"
    struck = [entry["effect"] for entry in api.server.history.entries if entry["kind"] == "fault"]
    assert struck == ["lock", "drop"]


def test_every_effect_is_proven_here() -> None:
    text = Path(__file__).read_text()
    assert [name for name in EFFECTS if f'"{name}"' not in text] == []
    assert [name for name, effect in EFFECTS.items() if not effect.summary] == []
