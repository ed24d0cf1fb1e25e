"""kill -9 at random moments, of ATLAS, of Terraform, of both: then the same run is called again, by either engine."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import killed
from fakes.site import Site
from fakes.survived import THEIRS, changed, survived, three

from atlas.ports.store import Run

pytestmark = pytest.mark.slow

VICTIMS = {"api": ("atlas",), "terraform": ("atlas", "terraform", "both")}
KILLS = {"api": (3, 1.2), "terraform": (1, 2.5)}  # how often in a run, and how many seconds after it began at most
SEEDS = 20  # each victim at creations, at changes and at destroys


def seeds() -> list[Any]:
    """Return engines and seeds; `ATLAS_KILL_SEEDS` says how many of each."""
    marks = {"api": [], "terraform": [pytest.mark.provider]}
    count = range(int(os.environ.get("ATLAS_KILL_SEEDS", SEEDS)))
    return [pytest.param(name, seed, marks=marks[name]) for name in VICTIMS for seed in count]


@pytest.mark.parametrize(("engine", "seed"), seeds(), indirect=["engine"])
def test_a_run_survives_kill_9(site: Site, engine: str, seed: int) -> None:
    theirs = site.config(site.vmids[0] + THEIRS)
    before = three(site, *site.containers({"name": "ct", "disks": [{"size": "4GiB"}]}))
    after = changed(site, *site.containers({"name": "ct", "disks": [{"size": "5GiB"}], "memory": "2GiB"}))
    spec: dict[str, Any] | None = before
    if seed % 2:
        site.use("api")  # the quicker one: what comes before the kill may be either's
        site.apply(before)
        site.use(engine)
        site.all_booted()
        spec = after
    kill_and_go_on(site, spec, seed)
    survived(site, spec, theirs)
    if seed % 4 == 3:
        site.all_booted()
        kill_and_go_on(site, None, seed)
        survived(site, None, theirs)


def kill_and_go_on(site: Site, spec: dict[str, Any] | None, seed: int) -> None:
    """Carry a spec out, or the end of the stack, in processes that are killed, and here in the end."""
    _, plan = site.plan(spec, "farm")
    run = site.store.new_run(plan, None)
    victims, (times, longest) = VICTIMS[plan.engine], KILLS[plan.engine]
    victim, chance = victims[seed % len(victims)], random.Random(seed)
    for _ in range(times):  # the resumed run is killed, too
        known = steps(site, run)
        process = killed.start(site, run)
        begun(site, run, process, known)
        try:
            process.wait(chance.uniform(0, longest))
        except subprocess.TimeoutExpired:
            shoot(site, run, process, victim)
        if process.returncode == 0:
            break
    if site.store.run(run.id).result is None:
        site.carry_out(*site.resumed(run.id))


def begun(site: Site, run: Run, process: killed.Child, known: int) -> None:
    """Wait until a step has begun beyond the known ones, or the process has ended."""
    deadline = time.monotonic() + 60
    while process.poll() is None and steps(site, run) == known:
        assert time.monotonic() < deadline, "nothing was begun"
        time.sleep(0.01)


def steps(site: Site, run: Run) -> int:
    """Return how many steps have begun, as the engine writes them down."""
    told = terraform(site, run).glob("apply-*/stdout")
    return len(site.store.journal(run).entries()) + sum(out.read_text().count("apply_start") for out in told)


def terraform(site: Site, run: Run) -> Path:
    """Return the folder of a run in which Terraform's processes have theirs."""
    return site.home / "farm" / "runs" / run.id / "terraform"


def shoot(site: Site, run: Run, process: killed.Child, victim: str) -> None:
    """Kill the victim; where that is Terraform alone, ATLAS goes on by itself."""
    if victim in ("atlas", "both"):
        process.kill()
        process.communicate()
    if victim in ("terraform", "both"):
        leader = int((terraform(site, run) / "apply-1" / "stat").read_text().split(" ", 1)[0])
        with contextlib.suppress(ProcessLookupError):  # it has ended just now
            os.killpg(leader, signal.SIGKILL)
    if victim == "terraform":
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
