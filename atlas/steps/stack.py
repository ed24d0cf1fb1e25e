"""The spec of a session: from its file, or from what was said."""

from __future__ import annotations

from atlas.errors import SessionCorrupt
from atlas.language.known import catalogue
from atlas.ports.store import Session
from atlas.spec import Stack
from atlas.steps import collect


def stack_of(session: Session) -> Stack:
    """Return the session's spec.

    Raises:
        SpecError: What was said is not complete, or faulty.
        SessionCorrupt: It came from a file, and this version cannot read what was stored of it.
    """
    from pydantic import ValidationError

    if "spec" not in session.draft:
        return collect.stack_of(session, catalogue())
    try:
        return Stack.model_validate(session.draft["spec"])
    except ValidationError as problem:
        text = f"the session {session.id} holds no spec that can be read"
        raise SessionCorrupt(text, "apply the spec file again") from problem
