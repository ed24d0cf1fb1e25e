"""The api engine, killed at fixed points and random moments, then called again; the oracle reads the cluster's API."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import killed
from fakes.site import BOOT_SECONDS, Site
from fakes.where import CLUSTER, cluster

from atlas.errors import PartlyDone
from atlas.lab import control
from atlas.plan import Plan
from atlas.ports import Run

SEEDS = range(int(os.environ.get("ATLAS_KILL_SEEDS", "3")))
THEIRS = 900  # the place in our range of a guest that is not ours
ADDRESS = "10.42.0.200/24"
CHILD = str(Path(killed.__file__).resolve())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("lab")
    with cluster(folder, latency="brisk") as status:  # slow enough to be killed while tasks run
        yield status


@pytest.fixture
def site(lab: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "home", lab)
    (made.home / "status.json").write_text(json.dumps(lab))
    made.clone(made.vmids[0] + THEIRS, "theirs")
    yield made
    made.store.close()
    made.sweep()


def three(site: Site, **more: Any) -> dict[str, Any]:
    """Return a stack of three guests."""
    base = {"image": "debian-12", "memory": "1GiB", "disks": [{"size": "4GiB"}, {"size": "1GiB"}]}
    guests = [{"name": "a"}, {"name": "b", "node": site.nodes[-1]}, {"name": "c", "start": {"order": 2}}]
    return {"metadata": {"name": "farm"}, "defaults": {**base, **more}, "guests": guests}


def changed(site: Site) -> dict[str, Any]:
    """Return the stack with one guest changed, one replaced, one renamed away (deleted and created)."""
    spec = three(site)
    spec["guests"] = [
        {
            "name": "a",
            "disks": [{"size": "5GiB"}, {"size": "1GiB"}, {"size": "2GiB"}],
            "networks": [{"address": ADDRESS}],  # cloud-init data: nothing on the cluster tells that a reboot is due
        },
        {"name": "b", "node": site.nodes[-1], "image": "ubuntu-24.04"},
        {"name": "d"},
    ]
    return spec


def child(site: Site, run: Run, point: str) -> subprocess.Popen[bytes]:
    """Start a process that goes on with the run and kills itself at the point."""
    return subprocess.Popen([sys.executable, CHILD, str(site.home), run.id, point], stderr=subprocess.PIPE)


def go_on(site: Site, run: Run) -> Plan:
    """Go on with the run as `atlas resume` does."""
    work, plan, again = killed.resumed_work(site, run.id)
    site.carry_out(work, plan, again)
    return plan  # type: ignore[no-any-return]  # the helper returns several things


def check(site: Site, spec: dict[str, Any], before: dict[str, Any]) -> None:
    """Every guest there once, none half made, none that is not ours touched."""
    leases = {x.key: x for x in site.store.leases(CLUSTER, "farm")}
    assert set(leases) == {g["name"] for g in spec["guests"]}
    assert site.vmids_there() == {x.vmid for x in leases.values()} | {site.vmids[0] + THEIRS}
    assert site.config(site.vmids[0] + THEIRS) == before
    for key, lease in leases.items():
        config = site.config(lease.vmid)
        disks = [k for k in config if k.startswith("scsi") and k != "scsihw"]
        wanted = next(g for g in spec["guests"] if g["name"] == key)
        assert len(disks) == len(wanted.get("disks", spec["defaults"]["disks"]))
        assert not [k for k in config if k.startswith("unused")]
        assert (config["name"], config.get("lock")) == (key, None)
        assert "atlas-run" not in config["description"]
        assert str(lease.uuid) in config["smbios1"]
        assert site.running(lease.vmid)
        assert not site.pending(lease.vmid)
        if wanted.get("networks"):
            booted_with(site, lease.vmid, ADDRESS.partition("/")[0])
    assert site.plan(spec)[1].changes == ()


def booted_with(site: Site, vmid: int, address: str) -> None:
    """Wait until the guest, which may boot just now, says that it has this address."""
    deadline = time.monotonic() + BOOT_SECONDS
    while (found := site.cluster.addresses("vm", vmid)) != (address,):
        assert not found, f"it was not rebooted: it still has {found}"
        assert time.monotonic() < deadline, "it does not say"
        time.sleep(0.1)


POINTS = [
    "after-intent:create:1",
    "before-upid:create:1",
    "before-upid:create:3",
    "after-upid:create:2",
    "before-exit:create:1",
    "after-exit:create:1",
    "before-made:a",
    "after-made:b",
    "after-intent:made:2",
    "after-intent:configure:1",
    "before-upid:configure:2",
    "before-exit:configure:1",
    "before-applied:*:1",
    "before-upid:resize:1",
    "after-upid:resize:2",
    "before-upid:start:1",
    "after-upid:start:3",
    "after-intent:finished:1",
]


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_creation_killed_at_a_point(site: Site, point: str) -> None:
    theirs = site.config(site.vmids[0] + THEIRS)
    _, plan = site.plan(three(site))
    run = site.store.new_run(plan, None)
    process = child(site, run, point)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said.decode()
    go_on(site, run)
    check(site, three(site), theirs)


CHANGES = [
    "after-intent:stop:1",
    "before-upid:stop:1",
    "before-upid:delete:1",
    "before-upid:delete:2",
    "after-upid:delete:1",
    "before-exit:delete:2",
    "before-gone:c",
    "after-gone:c",
    "after-intent:cleared:1",
    "before-upid:create:1",
    "before-upid:create:2",
    "before-made:b",
    "after-intent:reboot-due:1",
    "after-intent:configure:1",
    "before-upid:configure:1",
    "before-exit:configure:1",
    "before-upid:resize:1",
    "after-intent:reboot:1",
    "before-upid:reboot:1",
    "after-upid:reboot:1",
    "before-exit:reboot:1",
    "before-exit:reboot-due:1",
    "before-applied:a",
]


@pytest.mark.slow
@pytest.mark.parametrize("point", CHANGES)
def test_changes_killed_at_a_point(site: Site, point: str) -> None:
    site.apply(three(site))
    site.all_booted()
    theirs = site.config(site.vmids[0] + THEIRS)
    _, plan = site.plan(changed(site))
    run = site.store.new_run(plan, None)
    process = child(site, run, point)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said.decode()
    go_on(site, run)
    check(site, changed(site), theirs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("first", [True, False], ids=["creation", "changes"])
def test_killed_at_random_moments(site: Site, seed: int, *, first: bool) -> None:
    chance = random.Random(seed)
    if not first:
        site.apply(three(site))
        site.all_booted()
    spec = three(site) if first else changed(site)
    theirs = site.config(site.vmids[0] + THEIRS)
    _, plan = site.plan(spec)
    run = site.store.new_run(plan, None)
    for _ in range(3):  # the resumed run is killed, too
        process = child(site, run, "none")
        known = len(site.store.journal(run).entries())
        deadline = time.monotonic() + 30
        while process.poll() is None and len(site.store.journal(run).entries()) == known:
            assert time.monotonic() < deadline, "nothing was begun"
            time.sleep(0.01)
        try:
            process.wait(chance.uniform(0, 1.2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        if process.returncode == 0:
            break
    if site.store.run(run.id).result is None:
        go_on(site, run)
    check(site, spec, theirs)


@pytest.mark.slow
def test_a_lock_that_nobody_holds_any_more_ends_with_the_administrators_command(tmp_path: Path) -> None:
    """The node dies in the middle of a clone: no token can clear the lock that it leaves."""
    folder = tmp_path / "lab"
    status = control.start(folder, latency="realistic")
    try:
        site = Site(tmp_path / "home", status)
        (site.home / "status.json").write_text(json.dumps(status))
        spec = three(site)
        spec["guests"] = [{"name": "a"}]
        _, plan = site.plan(spec)
        run = site.store.new_run(plan, None)
        process = child(site, run, "after-upid:create:1")
        process.communicate(timeout=60)
        deadline = time.monotonic() + 20
        while site.config(10_000).get("lock") != "clone":
            assert time.monotonic() < deadline, "the clone has not begun"
            time.sleep(0.05)
        os.kill(int(status["pid"]), signal.SIGKILL)
        while control.running(folder) is not None:
            assert time.monotonic() < deadline, "the lab lives"
            os.waitpid(int(status["pid"]), os.WNOHANG)
            time.sleep(0.02)
        control.start(folder, latency="realistic", port=int(status["url"].rpartition(":")[2]))
        for _ in range(2):
            with pytest.raises(PartlyDone, match=r"is locked \(clone\)") as caught:
                go_on(site, run)
            assert caught.value.exit_code == 4
            assert "qm unlock 10000 && qm destroy 10000" in caught.value.hint
        assert site.config(10_000)["lock"] == "clone"
        site.store.close()
    finally:
        control.stop(folder)


def containers() -> dict[str, Any]:
    """Return a stack of two containers."""
    base = {"kind": "container", "image": "debian-12", "memory": "512MiB", "disks": [{"size": "2GiB"}]}
    guests = [{"name": "a"}, {"name": "b", "mounts": [{"path": "/srv", "size": "1GiB"}]}]
    return {"metadata": {"name": "farm"}, "defaults": base, "guests": guests}


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    ["before-upid:create:1", "after-upid:create:2", "before-made:b", "before-upid:start:1", "before-exit:start:2"],
)
def test_containers_killed_at_a_point(site: Site, point: str) -> None:
    _, plan = site.plan(containers())
    run = site.store.new_run(plan, None)
    process = child(site, run, point)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said.decode()
    go_on(site, run)
    leases = site.store.leases(CLUSTER, "farm")
    assert site.vmids_there() == {x.vmid for x in leases} | {10_900}
    for lease in leases:
        config = site.config(lease.vmid)
        assert (config["hostname"], config.get("lock"), "atlas-run" in config["description"]) == (
            lease.key,
            None,
            False,
        )
        assert config["rootfs"].startswith(str(lease.uuid))
        assert site.running(lease.vmid)
    assert site.plan(containers())[1].changes == ()
