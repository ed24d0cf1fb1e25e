"""What holds for all tests: nobody imports the top-level folders under their bare names."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

BARE = {"agents", "conversations", "configs", "generators"}


@pytest.fixture(scope="session", autouse=True)
def _one_name_for_each_module() -> Iterator[None]:
    """Fail the session if a module was loaded a second time, as `agents` beside `atlas.agents`."""
    yield
    assert not BARE & set(sys.modules)
