"""The api engine, killed at fixed points of its journal, then called again."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from fakes import killed
from fakes.site import Site
from fakes.survived import THEIRS, changed, survived, three

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("engine", ["api"], indirect=True)]

POINTS = [
    "after-intent:create:1",
    "before-upid:create:1",
    "before-upid:create:3",
    "after-upid:create:2",
    "before-exit:create:1",
    "after-exit:create:1",
    "before-made:a",
    "after-made:b",
    "after-intent:configure:1",
    "before-upid:configure:2",
    "before-exit:configure:1",
    "before-applied:*:1",
    "before-upid:resize:1",
    "after-upid:resize:2",
    "before-upid:start:1",
    "after-upid:start:3",
    "before-note:finished:1",
]

CHANGES = [
    "after-intent:stop:1",
    "before-upid:stop:1",
    "before-upid:delete:1",
    "before-upid:delete:2",
    "after-upid:delete:1",
    "before-exit:delete:2",
    "before-gone:c",
    "after-gone:c",
    "before-note:cleared:1",
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

CONTAINERS = [
    "before-upid:create:1",
    "after-upid:create:2",
    "before-made:b",
    "before-upid:start:1",
    "before-exit:start:2",
]


def kill_and_go_on(site: Site, spec: dict[str, Any], point: str) -> None:
    """Carry a spec out in a process that is killed at the point, and here from there on."""
    theirs = site.config(site.vmids[0] + THEIRS)
    _, plan = site.plan(spec)
    run = site.store.new_run(plan, None)
    process = killed.start(site, run, point)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said.decode()
    site.carry_out(*site.resumed(run.id))
    survived(site, spec, theirs)


@pytest.mark.parametrize("point", POINTS)
def test_creation_killed_at_a_point(site: Site, point: str) -> None:
    kill_and_go_on(site, three(site), point)


@pytest.mark.parametrize("point", CHANGES)
def test_changes_killed_at_a_point(site: Site, point: str) -> None:
    site.apply(three(site))
    site.all_booted()
    kill_and_go_on(site, changed(site), point)


@pytest.mark.parametrize("point", CONTAINERS)
def test_containers_killed_at_a_point(site: Site, point: str) -> None:
    base = {"kind": "container", "image": "debian-12", "memory": "512MiB", "disks": [{"size": "2GiB"}]}
    guests = [{"name": "a"}, {"name": "b", "mounts": [{"path": "/srv", "size": "1GiB"}]}]
    kill_and_go_on(site, {"metadata": {"name": "farm"}, "defaults": base, "guests": guests}, point)
