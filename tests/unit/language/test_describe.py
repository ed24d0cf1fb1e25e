"""The draft in words: one core is one, and what was assumed of an address is said."""

from __future__ import annotations

import pytest

from atlas.language.describe import describe
from atlas.language.draft import Draft
from atlas.language.known import Known
from atlas.language.understand import understand


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a debian vm with 1 core", "1 core"),
        ("a debian vm with 2 cores", "2 cores"),
        ("a debian vm on 192.168.7.7", "192.168.7.7, taken as /24"),
        ("a debian vm on 10.20.1.7", "10.20.1.7/22"),
    ],
)
def test_a_guest_is_described(said: str, shown: str) -> None:
    known = Known(networks=("10.20.0.0/22",))
    assert describe(understand(said, Draft(), known)).removesuffix(")").split(", ", 2)[2] == shown
