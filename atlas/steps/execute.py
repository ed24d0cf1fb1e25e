"""The executor's work: an approved plan, and nothing else, is carried out."""

from __future__ import annotations

from atlas.errors import ApprovalRefused
from atlas.events import Emitter
from atlas.phases import Phase
from atlas.runs.applying import apply
from atlas.runs.site import Site
from atlas.steps.contract import StepResult


def execute(site: Site, session: str, emit: Emitter) -> StepResult:
    """Carry out the session's plan, or go on with its run.

    Raises:
        ApprovalRefused: There is no approval of exactly this plan.
        AtlasError: It failed; what is done is in the journal, and calling this again goes on.
    """
    plan = site.store.session(session).plan
    if plan is None:
        raise ApprovalRefused("there is no plan that could be carried out", "say what you want first")
    run = apply(site, plan, emit, session)
    if run.result is not None:
        return StepResult(f"Done: {run.reason}.", Phase.DONE, {"run": run.id})
    return StepResult("The plan is carried out; the checks come next.", Phase.VERIFYING, {"run": run.id})
