"""Planning: what Ansible will do, and what it leaves, is in the plan beside the engine's changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import stacks

from atlas.plan import Action, Value
from atlas.runs.planning import CONFIGURED, _with_configuring


@pytest.mark.parametrize(
    ("was", "notes"),
    [
        (("nginx", "redis@7", "chrony@4.3"), ("stays installed, to be removed by hand: nginx, redis",)),
        (("chrony@4.2",), ()),
        ((), ()),
    ],
)
def test_software_that_is_named_no_more_is_told_to_stay(was: tuple[str, ...], notes: tuple[str, ...]) -> None:
    made = stacks.made(stacks.work({"software": ["chrony"]}))
    before: dict[str, Value] = {**made.applied["web"], CONFIGURED: "old", "software": was}
    (change,) = _with_configuring((), replace(made, applied={"web": before}), reached=True)
    assert (change.action, change.notes) == (Action.UPDATE, notes)
    assert [(a.path, a.before, a.after) for a in change.attributes] == [("software", was, ("chrony",))]
