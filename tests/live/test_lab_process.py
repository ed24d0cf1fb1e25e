"""A lab in its own process: started, killed in the middle of tasks, started again; served to unmodified proxmoxer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from proxmoxer import ProxmoxAPI, ResourceException

from atlas.lab import control

DEADLINE = 15.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "lab"
    control.stop(tmp_path / "lab")


def api(status: dict[str, Any], name: str = "atlas@pve!atlas") -> Any:
    user, _, rest = status["tokens"][name].partition("!")
    token, _, value = rest.partition("=")
    host = status["url"].removeprefix("https://")
    return ProxmoxAPI(host, user=user, token_name=token, token_value=value, verify_ssl=status["ca_file"])


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)  # polls until the deadline


def done(node: Any, upid: str) -> str:
    until(lambda: node.tasks(upid).status.get()["status"] == "stopped")
    return str(node.tasks(upid).status.get()["exitstatus"])


def test_proxmoxer_clones_configures_starts_and_destroys_with_the_least_privileged_token(folder: Path) -> None:
    pve = api(control.start(folder, latency="instant"))
    node = pve.nodes("pve2")
    upid = pve.nodes("pve1").qemu(9000).clone.post(newid=500, name="web", full=1, target="pve2", storage="shared-nfs")
    assert done(pve.nodes("pve1"), upid) == "OK"
    node.qemu(500).config.put(cores=3, memory=1024, ipconfig0="ip=10.42.0.50/24,gw=10.42.0.1", ciuser="ops")
    assert done(node, node.qemu(500).resize.put(disk="scsi0", size="10G")) == "OK"
    assert done(node, node.qemu(500).status.start.post()) == "OK"
    row = next(row for row in pve.cluster.resources.get(type="vm") if row["vmid"] == 500)
    assert (row["name"], row["node"], row["status"], row["maxcpu"]) == ("web", "pve2", "running", 3)
    assert row["maxdisk"] == 10 * 1024**3
    until(lambda: _answers(node.qemu(500).agent("network-get-interfaces")))
    found = node.qemu(500).agent("network-get-interfaces").get()["result"]
    assert "10.42.0.50" in [a["ip-address"] for nic in found for a in nic.get("ip-addresses", [])]
    assert done(node, node.qemu(500).status.stop.post()) == "OK"
    assert done(node, node.qemu(500).delete(purge=1)) == "OK"
    with pytest.raises(ResourceException, match=r"Configuration file 'nodes/pve2/qemu-server/500.conf' does not exist"):
        node.qemu(500).config.get()
    with pytest.raises(ResourceException, match="Permission check failed"):
        pve.access.users.post(userid="x@pve")


def _answers(call: Any) -> bool:
    try:
        call.get()
    except ResourceException:
        return False
    return True


def test_a_killed_lab_leaves_what_a_node_would(folder: Path) -> None:
    status = control.start(folder, latency="realistic")
    pve = api(status)
    node = pve.nodes("pve1")
    pve.pools.post(poolid="kept")
    upid = node.qemu(9000).clone.post(newid=501, name="half", full=1)
    until(lambda: "501" in {str(row["vmid"]) for row in pve.cluster.resources.get(type="vm")})
    os.kill(status["pid"], signal.SIGKILL)
    until(lambda: control.running(folder) is None)
    pve = api(control.start(folder, latency="instant"))
    assert [pool["poolid"] for pool in pve.pools.get()] == ["kept"]
    task = pve.nodes("pve1").tasks(upid).status.get()
    assert (task["status"], task["exitstatus"]) == ("stopped", "unexpected status")
    assert pve.nodes("pve1").qemu(501).config.get()["lock"] == "clone"
    with pytest.raises(ResourceException, match=r"VM is locked \(clone\)"):
        pve.nodes("pve1").qemu(501).config.put(cores=2)


def test_guests_run_on_through_a_kill_and_stand_still_after_a_stop(folder: Path) -> None:
    status = control.start(folder, latency="instant")
    node = api(status).nodes("pve1")
    assert done(node, node.qemu(9000).clone.post(newid=502, name="runner")) == "OK"
    assert done(node, node.qemu(502).status.start.post()) == "OK"
    os.kill(status["pid"], signal.SIGKILL)
    until(lambda: control.running(folder) is None)
    again = control.start(folder, latency="instant")
    assert api(again).nodes("pve1").qemu(502).status.current.get()["status"] == "running"
    assert control.stop(folder)
    third = control.start(folder, latency="instant")
    assert api(third).nodes("pve1").qemu(502).status.current.get()["status"] == "stopped"


def test_labs_run_side_by_side_and_reset_makes_a_new_world(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    one, two = control.start(folder, latency="instant"), control.start(other, nodes=1, latency="instant")
    try:
        assert one["url"] != two["url"]
        assert (one["nodes"], two["nodes"]) == (["pve1", "pve2", "pve3"], ["pve1"])
        assert control.start(folder)["pid"] == one["pid"]  # it runs already
        api(one).pools.post(poolid="gone-after-reset")
    finally:
        control.stop(other)
    control.reset(folder)
    assert control.running(folder) is None
    assert api(control.start(folder, latency="instant")).pools.get() == []


def test_a_lab_is_known_whose_folder_comes_from_the_environment(folder: Path) -> None:
    command = [sys.executable, "-m", "atlas.lab", "serve", "--nodes", "1", "--latency", "instant"]
    with subprocess.Popen(command, env={**os.environ, "ATLAS_LAB_DIR": str(folder)}) as lab:
        try:
            until(lambda: control.running(folder) is not None)
            assert control.start(folder)["pid"] == lab.pid  # and does not start another
            assert control.stop(folder)
        finally:
            lab.kill()


def test_reset_touches_no_folder_that_holds_no_lab(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(control.LabError, match="holds no lab"):
        control.reset(tmp_path)
    assert (tmp_path / "precious").exists()


def test_a_lab_that_is_too_slow_does_not_come_up_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "START_SECONDS", 0.0)
    with pytest.raises(control.LabError, match="did not answer"):
        control.start(folder)
    assert not any(
        control.is_ours(int(entry.name), folder) for entry in Path("/proc").iterdir() if entry.name.isdigit()
    )
