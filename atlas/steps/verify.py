"""The verifier's work: the running values, and every check of every guest."""

from __future__ import annotations

from atlas.errors import SessionCorrupt
from atlas.events import Emitter
from atlas.phases import Phase
from atlas.runs.site import Site
from atlas.runs.verifying import finish
from atlas.steps.contract import StepResult


def verify(site: Site, session: str, emit: Emitter) -> StepResult:
    """Verify what the session's run has applied."""
    run_id = site.store.session(session).run
    if run_id is None:
        raise SessionCorrupt(f"the session {session} is verifying and has no run", "plan again")
    run = finish(site, run_id, emit)
    text = {"verified": f"Verified: {run.reason}.", "applied": f"Applied, {run.reason}."}.get(str(run.result))
    if text is None:
        return StepResult(f"Not verified: {run.reason}.", Phase.REPAIRING, {"run": run.id, "result": "failed"})
    return StepResult(text, Phase.DONE, {"run": run.id, "result": run.result})
