"""Suites that kill: a cluster slow enough to be killed while its tasks run, with a guest on it that is not ours."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.site import Site
from fakes.survived import THEIRS
from fakes.where import cluster

from atlas.terraform import detached

LATENCY = {"api": "brisk", "terraform": "fast"}


@pytest.fixture(scope="module")
def lab(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with cluster(tmp_path_factory.mktemp("lab"), latency=LATENCY[engine]) as status:
        yield status


@pytest.fixture
def site(engine: str, lab: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "home", lab, engine)
    made.clone(made.vmids[0] + THEIRS, "theirs")
    yield made
    for stat in made.home.rglob("stat"):  # a Terraform outlives the test that failed
        if detached.Detached(stat.parent).fate() == "running":
            os.killpg(int(stat.read_text().split(" ", 1)[0]), signal.SIGKILL)
    made.store.close()
    made.sweep()
