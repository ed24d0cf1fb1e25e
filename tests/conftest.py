"""What holds for all tests; and for those that drive the program: one lab for the session, a home for each test."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from fakes.program import Api, Program

# How quick a machine is must not decide about a law.
settings.register_profile("atlas", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("atlas")

BARE = {"agents", "conversations", "configs", "generators"}


@pytest.fixture(scope="session", autouse=True)
def _one_name_for_each_module() -> Iterator[None]:
    """Fail the session if a module was loaded a second time, as `agents` beside `atlas.agents`."""
    yield
    assert not BARE & set(sys.modules)


@pytest.fixture(scope="session")
def lab_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Start a lab by the program itself; it wrote the profile `lab` and is stopped at the end."""
    from fakes.program import Program

    made = Program(tmp_path_factory.mktemp("program"))
    made("lab", "start", "--latency", "fast").ended(0)
    yield made
    made("lab", "stop").ended(0)


@pytest.fixture(scope="session")
def lab_api(lab_program: Program) -> Api:
    """Return the lab's own API."""
    from fakes.program import Api

    return Api(json.loads(lab_program("lab", "status", "--json").ended(0).out))


@pytest.fixture
def atlas(lab_program: Program, tmp_path: Path) -> Program:
    """Return the program with a new home and the profile `lab`."""
    from fakes.program import Program

    return Program(tmp_path, lab_program.config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a live suite, by one engine, with the lab that it shares in one process; real guests one after the other.

    Only the suites that kill are spread out: each of their tests has ATLAS processes of its own and mostly waits.
    What takes longest begins first: the real guests, then what is live.
    """
    for item in items:
        if "live" in item.path.parts and not item.path.stem.endswith("_killed"):
            engine = (
                item.callspec.params.get("engine")
                if isinstance(item, pytest.Function) and hasattr(item, "callspec")
                else None
            )
            name = "guest" if item.get_closest_marker("guest") else f"{item.path.stem} {engine}"
            item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=lambda i: (not i.get_closest_marker("guest"), "live" not in i.path.parts))
