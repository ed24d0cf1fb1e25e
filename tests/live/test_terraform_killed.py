"""kill -9 in the middle of a Terraform apply, of ATLAS, of Terraform, of both: then the same run is called again."""

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
from fakes.tfsite import TerraformSite
from fakes.where import cluster

from atlas.plan import Plan
from atlas.ports import Run, Work

pytestmark = [pytest.mark.provider, pytest.mark.slow, pytest.mark.usefixtures("provider")]

SEEDS = int(os.environ.get("ATLAS_KILL_SEEDS", "20"))
TESTS = Path(__file__).parents[1]
FIRST = {
    "metadata": {"name": "farm"},
    "defaults": {"image": "debian-12", "memory": "1GiB", "disks": [{"size": "4GiB"}]},
    "guests": [{"name": "web", "count": 2}, {"name": "ct", "kind": "container"}],
}
SECOND: dict[str, Any] = {
    **FIRST,
    "defaults": {"image": "debian-12", "memory": "2GiB", "disks": [{"size": "5GiB"}]},
    "guests": [{"name": "web", "count": 1}, {"name": "ct", "kind": "container"}, {"name": "new"}],
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("lab")
    with cluster(folder, latency="fast") as status:
        yield status


@pytest.fixture
def site(lab: dict[str, Any], tmp_path: Path) -> Iterator[TerraformSite]:
    made = TerraformSite(tmp_path / "home", lab)
    yield made
    for stat in (tmp_path / "home").rglob("stat"):
        kill_group(int(stat.read_text().split(" ", 1)[0]))
    made.store.close()
    made.sweep()


def kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


class Shot:
    """An apply in a process of its own, that ends when and how a test wants it."""

    def __init__(self, site: TerraformSite, work: Work, plan: Plan, spec: Any) -> None:
        self.site, self.work, self.plan = site, work, plan
        self.run: Run = site.store.new_run(plan, None)
        self.folder = work.folder / "runs" / self.run.id / "terraform" / "apply-1"
        status, wanted = json.dumps(site.status), json.dumps(spec)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fakes.tfchild", str(site.home), status, wanted, plan.hash, self.run.id],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])},
            stderr=subprocess.PIPE,
        )

    def begun(self) -> None:
        """Wait until the first change has begun."""
        deadline = time.monotonic() + 60
        out = self.folder / "stdout"
        while not (out.exists() and "apply_start" in out.read_text()):
            assert time.monotonic() < deadline, "it never began"
            assert self.process.poll() is None, self.process.communicate()[1].decode()
            time.sleep(0.01)

    def kill_atlas(self) -> None:
        self.process.kill()
        self.process.communicate()

    def kill_terraform(self) -> None:
        kill_group(int((self.folder / "stat").read_text().split(" ", 1)[0]))

    def again(self) -> None:
        """Call the same run again, as `atlas resume` does."""
        self.site.carry_out(self.work, self.plan, self.site.store.run(self.run.id))


def check(site: TerraformSite, spec: Any, foreign: set[int]) -> None:
    """Ask the lab, not ATLAS: every guest there once, none half made, none that is not wanted, none of others gone."""
    leases = {x.key: x for x in site.store.leases("test", "farm")}
    assert site.vmids_there() == foreign | {x.vmid for x in leases.values()}
    memory = 1024 if spec is FIRST else 2048
    size = 4096 if spec is FIRST else 5120
    names = {"web-1", "web-2", "ct"} if spec is FIRST else {"web-1", "ct", "new"}
    assert set(leases) == (names if spec else set())
    for key, lease in leases.items():
        guest = site.cluster.guest(lease.vmid)
        assert guest is not None
        assert guest.name == key
        assert guest.lock is None
        assert guest.running
        assert (guest.attributes["memory"], guest.attributes["disks[0].size"]) == (memory, size)
        assert not guest.pending
        assert lease.made
        assert lease.uuid == guest.uuid
    if spec:
        assert site.plan(spec)[1].changes == ()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_run_survives_kill_9(site: TerraformSite, seed: int) -> None:
    what = ("atlas", "terraform", "both")[seed % 3]
    foreign = site.vmids_there()
    spec: Any = FIRST
    if seed % 2:
        site.apply(FIRST)
        spec = SECOND
    work, plan = site.plan(spec)
    shoot(Shot(site, work, plan, spec), what, seed)
    check(site, spec, foreign)
    if seed % 4 == 3:
        work, plan = site.plan(None, "farm")
        shoot(Shot(site, work, plan, None), what, seed)
        check(site, None, foreign)


def shoot(shot: Shot, what: str, seed: int) -> None:
    """Kill at a moment that the seed decides, then call the run again."""
    shot.begun()
    time.sleep(random.Random(f"{what} {seed}").uniform(0, 2.5))
    if what in ("atlas", "both"):
        shot.kill_atlas()
    if what in ("terraform", "both"):
        shot.kill_terraform()
    if what == "terraform":
        assert shot.process.wait(120) == 0, "it goes on by itself"
        return
    shot.again()
