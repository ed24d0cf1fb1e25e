"""A guest is being made anew when Terraform is killed: its delete goes on, or it is gone and not made yet."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import killed
from fakes.polling import until
from fakes.site import Site
from fakes.survived import THEIRS, changed, survived, three

from atlas.lab import control
from atlas.lab.admin_client import ask

DELETE = {"method": "DELETE", "path": "/nodes/*/qemu/*", "guest": "b", "times": 1}
CLONE = {"method": "POST", "path": "/nodes/*/qemu/*/clone", "guest": "b", "times": 1}
MOMENTS: dict[str, dict[str, Any]] = {
    "its delete goes on": {"effect": "task-stall", "match": DELETE, "options": {"seconds": 12}},
    "it is gone": {"effect": "latency", "match": CLONE, "options": {"seconds": 600}},
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "lab"
    made = Site(tmp_path / "home", control.start(folder, latency="fast"), "api")
    yield made
    made.store.close()
    control.stop(folder)


@pytest.mark.slow
@pytest.mark.provider
@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("victims", [("terraform",), ("atlas", "terraform")])
def test_a_guest_is_made_anew_once(site: Site, tmp_path: Path, moment: str, victims: tuple[str, ...]) -> None:
    site.clone(site.vmids[0] + THEIRS, "theirs")
    theirs = site.config(site.vmids[0] + THEIRS)
    site.apply(three(site))  # by the other engine, so that Terraform has no state of the guests
    site.use("terraform")
    site.all_booted()
    lab = tmp_path / "lab"
    ask(lab, "POST", "faults", data={"name": "late", **MOMENTS[moment]})
    spec = changed(site)
    _, plan = site.plan(spec)
    run = site.store.new_run(plan, None)
    process = killed.start(site, run)
    until(lambda: json.loads(ask(lab, "GET", "faults"))["faults"][0]["struck"], moment)
    if "atlas" in victims:
        process.kill()
        process.communicate()
    leader = site.home / "farm" / "runs" / run.id / "terraform" / "apply-1" / "stat"
    os.killpg(int(leader.read_text().split(" ", 1)[0]), signal.SIGKILL)
    if "atlas" in victims:
        site.carry_out(*site.resumed(run.id))
    else:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
    survived(site, spec, theirs)
