"""A reboot that was due when Terraform was killed is made up for: nothing on the cluster tells of it any more."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from fakes import killed
from fakes.polling import until
from fakes.site import Site, farm
from fakes.survived import ADDRESS, booted_with

from atlas.lab import control
from atlas.lab.admin_client import ask

LATE = {"method": "POST", "path": "/nodes/*/qemu/*/status/shutdown", "times": 1}


@pytest.mark.slow
@pytest.mark.provider
@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("victims", [("terraform",), ("terraform", "atlas")])
def test_the_reboot_that_a_killed_terraform_did_not_come_to(victims: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    site = Site(tmp_path / "home", control.start(folder, latency="fast"), "terraform")
    try:
        site.apply(farm({"name": "a"}))
        site.all_booted()
        (vmid,) = site.vmids_there()
        ask(
            folder,
            "POST",
            "faults",
            data={"name": "late", "effect": "latency", "match": LATE, "options": {"seconds": 600}},
        )
        wanted = farm({"name": "a", "networks": [{"address": ADDRESS}]})
        _, plan = site.plan(wanted)
        run = site.store.new_run(plan, None)
        process = killed.start(site, run)
        until(lambda: ADDRESS in site.client.get(*site.at(vmid), "config").get("ipconfig0", ""), "the address is set")
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
        booted_with(site, vmid, ADDRESS.partition("/")[0])
        assert site.plan(wanted)[1].changes == ()
    finally:
        site.store.close()
        control.stop(folder)
