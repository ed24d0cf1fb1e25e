"""The generator's work: the bundle on disk and the plan, shown so that a person can decide."""

from __future__ import annotations

from atlas.events import Emitter
from atlas.phases import Phase
from atlas.plan import Plan
from atlas.plantext import describe
from atlas.runs.planning import plan, plan_destroy
from atlas.runs.site import Site
from atlas.settings import EngineChoice
from atlas.steps.contract import StepResult
from atlas.steps.stack import stack_of


def generate(site: Site, session: str, emit: Emitter, engine: EngineChoice = "auto") -> StepResult:
    """Generate the session's bundle and plan it.

    Raises:
        SpecError: The spec does not fit the cluster.
        AtlasError: The cluster or the engine failed.
    """
    before = site.store.session(session)
    if "destroy" in before.draft:
        made = plan_destroy(site, str(before.draft["destroy"]), emit, engine)
    else:
        made = plan(site, stack_of(before), emit, engine)
    data = {"stack": made.stack, "cluster": made.cluster, "plan": made.hash}
    repairing = before.phase is Phase.REPAIRING
    if not made.changes:
        if repairing:
            text = "There is nothing that a new plan would change, so the failed checks need a person."
            return StepResult(text, Phase.FAILED, data)
        now = "has no guest; what was reserved for it is free again" if made.destroy else "is as the spec wants it"
        return StepResult(f"{made.stack} {now}: nothing to do.", Phase.DONE, data)
    text = f"{'To repair it, this is' if repairing else 'This is'} the plan:\n\n{describe(made)}\n\n{question(made)}"
    return StepResult(text, Phase.AWAITING_APPROVAL, data)


def question(made: Plan) -> str:
    """Return what the person is asked."""
    return f"Approve this plan ({made.hash[:12]}) for cluster {made.cluster}? (yes/no)"
