"""The spec of a session, as the collector or a file has put it there."""

from __future__ import annotations

from atlas.errors import SessionCorrupt
from atlas.ports import Session
from atlas.spec import Stack


def stack_of(session: Session) -> Stack:
    """Return the session's spec.

    Raises:
        SessionCorrupt: There is none, or this version cannot read it.
    """
    from pydantic import ValidationError

    try:
        return Stack.model_validate(session.draft["spec"])
    except (KeyError, ValidationError) as problem:
        text = f"the session {session.id} holds no spec that can be read"
        raise SessionCorrupt(text, "say again what you want, or begin a new session") from problem
