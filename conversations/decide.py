"""What a person's words do where no agent acts: approve, refuse, cancel, ask; or change the spec."""

from __future__ import annotations

from dataclasses import dataclass

from atlas.language.draft import Draft
from atlas.language.intents import Intent, read
from atlas.language.known import Known
from atlas.language.understand import understand
from atlas.phases import TABLE, WAITING, Phase
from atlas.ports.store import Message, Session


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered, and what follows.

    Args:
        text: What is said.
        phase: Where the session goes.
        heard: Whether the words are dealt with; otherwise the collector gets them.
        granted: The decision on the shown plan, if the words were one.
    """

    text: str
    phase: Phase
    heard: bool = True
    granted: bool | None = None


_BACK = frozenset({Phase.VALIDATING, Phase.PLANNING})
_ANYWHERE = frozenset({Intent.CANCEL, Intent.HELP, Intent.STATUS})


def wants(session: Session, said: Message) -> bool:
    """Tell whether words are decided on here, and not by the agent of the phase."""
    if session.phase in WAITING or session.phase in _BACK:
        return True
    return session.phase is Phase.COLLECTING and read(said.text) in _ANYWHERE


def decide(session: Session, said: Message, known: Known) -> Reply:
    """Return what the words do in this phase; an approval is only ever a clear yes to the plan that was shown."""
    phase, intent = session.phase, read(said.text)
    if intent is Intent.HELP:
        return Reply(_HELP, phase)
    if intent is Intent.STATUS:
        return Reply(_status(session), phase)
    if phase in _BACK:
        return Reply("There are new words, so the plan waits for them.", Phase.COLLECTING, heard=False)
    if phase is Phase.COLLECTING:
        return Reply("Cancelled; nothing was changed.", Phase.CANCELLED)
    if phase is Phase.AWAITING_APPROVAL:
        return _on_plan(session, said, intent, known)
    if intent in {Intent.CANCEL, Intent.YES, Intent.NO}:
        return Reply(f"Nothing waits for a decision: the session is {phase}.", phase)
    if intent is Intent.AGAIN and Phase.PLANNING in TABLE[phase].to and session.draft.get("draft"):
        return Reply("It is planned again.", Phase.PLANNING)
    if not _changes(session, said, known):
        return Reply("I could not make anything of that. Say what should be different, or `help`.", phase)
    return Reply("The spec is taken up again.", Phase.COLLECTING, heard=False)


def _on_plan(session: Session, said: Message, intent: Intent | None, known: Known) -> Reply:
    short = (session.plan or "")[:12]
    if intent is Intent.YES:
        if session.plan is None or said.data.get("shown") != session.plan:
            return Reply("That was said before this plan was shown. Approve this plan? (yes/no)", session.phase)
        return Reply(f"Plan {short} is approved.", Phase.APPLYING, granted=True)
    if intent is Intent.NO:
        text = f"Plan {short} is not approved, and nothing was changed. What should be different?"
        return Reply(text, Phase.COLLECTING, granted=False)
    if intent is Intent.CANCEL:
        return Reply(
            f"Cancelled: plan {short} is not approved, and nothing was changed.", Phase.CANCELLED, granted=False
        )
    if not _changes(session, said, known):
        text = "I could not make anything of that. Approve the plan (yes/no), or say what should be different."
        return Reply(text, session.phase)
    return Reply(f"Plan {short} is set aside, since the spec changes.", Phase.COLLECTING, heard=False)


def _changes(session: Session, said: Message, known: Known) -> bool:
    """Tell whether words say anything of the spec."""
    before = Draft.model_validate(session.draft.get("draft") or {})
    after = understand(said.text, before, known)
    return bool(after.notes or after.findings or after.questions != before.questions)


def _status(session: Session) -> str:
    plan = f", plan {session.plan[:12]}" if session.plan else ""
    run = f", {session.run}" if session.run else ""
    return f"Session {session.id} is {session.phase}{plan}{run}: {TABLE[session.phase].reason}."


_HELP = (
    "Say what you want, such as: two debian web servers with nginx, 2 cores, 4 GB. Change it in the same way: make it "
    "8 GB; add one more; remove the db; rename app to api. Before anything is changed on the cluster you see the plan "
    "and say yes or no. `status` says where we are, `cancel` stops."
)
