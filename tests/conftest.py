"""What holds for all tests; and for those that drive the program: one lab for the session, a home for each test."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from fakes.program import Api, Program
    from xdist.scheduler import Scheduling  # type: ignore[import-untyped]  # it has no types

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


AUTOGROUP = Path("/proc/self/autogroup")
"""Where Linux shares the processor out by sessions of processes first: this one's niceness; see sched(7)."""

BACK = 5
"""How nice the rest is to the real guests: what is emulated needs a core for itself, all else can wait."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Step back as a whole: the labs of real guests are sessions of their own."""
    if not hasattr(session.config, "workerinput"):
        _share(BACK)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take the usual share again: the terminal belongs to the same session."""
    if not hasattr(session.config, "workerinput"):
        _share(0)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Step back in a process of xdist's as soon as it has something else to do than real guests."""
    if hasattr(item.config, "workerinput") and not item.get_closest_marker("guest"):
        os.setpriority(os.PRIO_PROCESS, 0, max(BACK, os.getpriority(os.PRIO_PROCESS, 0)))


def _share(nice: int) -> None:
    with suppress(OSError):
        AUTOGROUP.write_text(str(nice), encoding="ascii")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: the real guests, then what is live."""
    items.sort(key=lambda i: (not i.get_closest_marker("guest"), "live" not in i.path.parts))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Hand out groups of tests; xdist's own groups by mark are lost with pytest 9.2 (its `_nodeid` is gone)."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]  # its base has no types
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return Groups(config, log)


def group(nodeid: str) -> str:
    """Keep a live suite, by one engine, with the lab that it shares in one process; real guests one after the other.

    Only the suites that kill are spread out: each of their tests has ATLAS processes of its own and mostly waits.
    """
    path = nodeid.partition("::")[0]
    if "/live/" not in path or path.endswith("_killed.py"):
        return nodeid
    if "/live/guests/" in path:
        return "guests"
    engine = next((name for name in ("api", "terraform") if re.search(rf"[\[-]{name}[\]-]", nodeid)), "")
    return f"{path} {engine}"
