"""One lab of real guests for all suites here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live import machines
from live.guests.made import Real


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """A lab of real guests, empty at first."""
    if (problem := machines.why_not()) is not None:
        pytest.skip(f"no real guest can be had here: {problem}")
    made = Real(tmp_path_factory.mktemp("real"))
    with machines.alone():
        made.start_lab()
        yield made
        made("lab", "stop").ended(0)
