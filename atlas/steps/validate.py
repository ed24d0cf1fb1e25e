"""The validator's work: the spec by itself, before anything is asked of the cluster."""

from __future__ import annotations

from atlas.diagnostics import has_errors
from atlas.errors import SpecError
from atlas.instances import instances
from atlas.phases import Phase
from atlas.runs.prepare import check, layered
from atlas.runs.site import Site
from atlas.steps.contract import StepResult
from atlas.steps.stack import stack_of


def validate(site: Site, session: str) -> StepResult:
    """Check the session's spec.

    Raises:
        SpecError: It has faults; all of them are in it.
    """
    before = site.store.session(session)
    if "destroy" in before.draft:
        return StepResult(f"{before.draft['destroy']} is to be removed as a whole.", Phase.PLANNING)
    stack = stack_of(before)
    base = layered(site.profile)
    found = check(stack, base)
    if has_errors(found):
        raise SpecError(found)
    count = len(instances(stack, base))
    text = f"The spec of {stack.metadata.name} is valid: {count} guest{'s' if count != 1 else ''}."
    return StepResult(text, Phase.PLANNING)
