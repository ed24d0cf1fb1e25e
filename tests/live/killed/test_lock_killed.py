"""What a dead node leaves that no token can clear ends with the command that an administrator needs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from fakes import killed
from fakes.site import Site
from fakes.survived import three

from atlas.errors import PartlyDone
from atlas.lab import control


@pytest.mark.slow
def test_a_lock_that_nobody_holds_any_more_ends_with_the_administrators_command(tmp_path: Path) -> None:
    """The node dies in the middle of a clone: no token can clear the lock that it leaves."""
    folder = tmp_path / "lab"
    status = control.start(folder, latency="realistic")
    try:
        site = Site(tmp_path / "home", status)
        spec = three(site)
        spec["guests"] = [{"name": "a"}]
        _, plan = site.plan(spec)
        run = site.store.new_run(plan, None)
        process = killed.start(site, run, "after-upid:create:1")
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
                site.carry_out(*site.resumed(run.id))
            assert caught.value.exit_code == 4
            assert "qm unlock 10000 && qm destroy 10000 --destroy-unreferenced-disks 1" in caught.value.hint
        assert site.config(10_000)["lock"] == "clone"
        site.store.close()
    finally:
        control.stop(folder)
