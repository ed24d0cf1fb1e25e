"""Stacks of real guests are destroyed, also by a lab that was killed meanwhile and took the guests up again."""

import pytest
from live.guests.made import Real, stack

pytestmark = [pytest.mark.guest, pytest.mark.slow]


def test_the_stacks_go_and_leave_nothing(real: Real) -> None:
    for engine in ("api", "terraform"):
        real.made(engine)
        real("destroy", stack(engine), "--yes", "--json", seconds=120).ended(0)
    assert real("stacks", "list", "--json").ended(0).one("result")["stacks"] == []
