"""One suite for both engines: each scenario runs by the one and by the other, a lab for each module and engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.site import Site
from fakes.where import cluster

LATENCY = {"api": "fast", "terraform": "instant"}  # Terraform takes its time by itself


@pytest.fixture(scope="module")
def lab(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with cluster(tmp_path_factory.mktemp("lab"), latency=LATENCY[engine]) as status:
        yield status


@pytest.fixture
def site(engine: str, lab: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "home", lab, engine)
    yield made
    made.store.close()
    made.sweep()
