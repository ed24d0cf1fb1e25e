"""What a failed step becomes: its words, and where the session goes from there."""

from __future__ import annotations

import pytest

from atlas.errors import ApprovalRefused, AtlasError, Held, SpecError, StalePlan, Unreachable
from atlas.phases import Phase
from atlas.steps.contract import failed


@pytest.mark.parametrize(
    ("failure", "phase", "after"),
    [
        (ApprovalRefused("no"), Phase.APPLYING, Phase.AWAITING_APPROVAL),
        (StalePlan("changed"), Phase.APPLYING, Phase.PLANNING),
        (SpecError([]), Phase.PLANNING, Phase.COLLECTING),
        (SpecError([]), Phase.VERIFYING, Phase.VERIFYING),
        (Unreachable("no answer"), Phase.APPLYING, Phase.APPLYING),
        (Held("someone"), Phase.PLANNING, Phase.PLANNING),
    ],
)
def test_where_a_failure_leads(failure: AtlasError, phase: Phase, after: Phase) -> None:
    assert failed(failure, phase).phase is after
