"""A conversation: what the person says is stored, then the team runs until a person is needed or nothing is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atlas.conversations.decide import decide, wants
from atlas.conversations.team import LAST, Take, turn
from atlas.errors import ApprovalRefused, ConversationError, LimitReached, PartlyDone, StateError, UsageError
from atlas.events import Emitter, EventType
from atlas.language.known import Known
from atlas.phases import TABLE, WAITING, Phase
from atlas.ports.store import Message, Session, Store
from atlas.steps.contract import Steps, failed

LONGEST = 20_000
"""Characters of one message; more is a file, not something said."""

MOST_TURNS = 200
"""Turns of agents after one message of the person; a team that takes more runs in a circle."""

_FOLDED = ("plan", "run", "stack", "cluster")


class Conversation:
    """One session, live: every message is in the store before anything acts on it.

    The log is the truth. Each message of an agent carries the phase and the draft that it leads to; both are folded
    into the session after the message is stored, and folded again by the next process where this one was killed.

    Args:
        store: Where everything is kept.
        steps: The work of each agent.
        emit: Where messages and phases are reported.
        session: The session's id.
        by: Who is speaking; stands in the record of an approval.
        known: Names that the person may use, such as software.
        take: Takes a turn: the team's, or `alone` for a session without a person's words, which needs no AutoGen.
    """

    def __init__(
        self, store: Store, steps: Steps, emit: Emitter, session: str, *, by: str, known: Known, take: Take = turn
    ) -> None:
        self._store, self._steps, self._by, self._known, self._take = store, steps, by, known, take
        self.id = store.session(session).id
        self._emit = emit.within(session=self.id)

    @property
    def session(self) -> Session:
        """The session as it is stored."""
        return self._store.session(self.id)

    @property
    def last(self) -> str:
        """What was said last, such as the plan with the question about it."""
        return "".join(message.text for message in self._store.messages(self.id, 1))

    @property
    def speaker(self) -> str | None:
        """Who spoke last; None where nothing was said yet."""
        return next((message.source for message in self._store.messages(self.id, 1)), None)

    def say(self, text: str) -> Session:
        """Store what the person says, and run the team until it waits or is done.

        Raises:
            Held: Another process works on this session.
            UsageError: The message is empty or too long; nothing was stored.
            AtlasError: A step failed; what it said is in the log, and `resume` goes on.
        """
        if not text.strip():
            raise UsageError("nothing was said", "say what you want, or `help`")
        if len(text) > LONGEST:
            raise UsageError(
                f"that is {len(text)} characters long, and a message may have {LONGEST}",
                "write a spec file and use `atlas apply FILE`",
            )
        with self._store.hold("session", self.id):
            session = self._catch_up()
            # An approval is for the plan that was shown when the words were said, so it is kept with them.
            shown = session.plan if session.phase is Phase.AWAITING_APPROVAL else None
            self._report(self._store.say(self.id, "user", text, {"shown": shown, "by": self._by}))
            return self._go()

    def resume(self) -> Session:
        """Go on where the session stands, in a new process too.

        Raises:
            Held: Another process works on this session.
            AtlasError: A step failed.
        """
        with self._store.hold("session", self.id):
            return self._go()

    def unapproved(self) -> Session:
        """Let the executor answer although nobody could be asked: without a record it refuses, and that is kept.

        Raises:
            ApprovalRefused: As it should.
        """
        with self._store.hold("session", self.id):
            session = self._catch_up()
            try:
                self._steps.execute(self.id)
            except ApprovalRefused as refusal:
                said = failed(refusal, session.phase)
                self._log("executor", said.text, {**said.data, "phase": session.phase.value})
                self._catch_up()
                raise
            return self.session

    def _go(self) -> Session:
        for _ in range(MOST_TURNS):
            session = self._catch_up()
            said = self._unheard(session)
            if said is not None and wants(session, said):
                reply = decide(session, said, self._known)
                if reply.granted is not None and session.plan is not None:
                    self._store.approve(session.plan, str(said.data.get("by", self._by)), granted=reply.granted)
                    self._emit(EventType.APPROVAL, hash=session.plan, by=self._by, granted=reply.granted)
                self._log(
                    "atlas", reply.text, {"phase": reply.phase.value, **({"heard": said.id} if reply.heard else {})}
                )
            elif session.phase in WAITING or (session.phase is Phase.COLLECTING and said is None):
                return session
            else:
                self._turn(session)
        raise LimitReached(f"{MOST_TURNS} turns led to no end", "`atlas resume` goes on; say `cancel` to stop it")

    def _turn(self, session: Session) -> None:
        log = self._store.messages(self.id, LAST)
        source, text, data, failure = self._take(self._steps, self.id, session.phase, log)
        if data.get("next") and data["next"] != TABLE[session.phase].agent:
            raise ConversationError("the orchestrator named an agent that the phase does not have")
        try:
            self._log(source, text, data)
            if failure is not None:
                self._catch_up()
        except StateError as problem:  # it could not be written down; what the turn itself came to says more
            if failure is None and session.phase in (Phase.APPLYING, Phase.VERIFYING):
                raise PartlyDone(problem.message, problem.hint) from problem
            raise (failure or problem) from problem
        if failure is not None:
            raise failure

    def _log(self, source: str, text: str, data: Mapping[str, Any]) -> None:
        self._report(self._store.say(self.id, source, text, data))

    def _report(self, message: Message) -> None:
        failure = {"error": message.data["error"]} if "error" in message.data else {}
        self._emit(EventType.MESSAGE, source=message.source, text=message.text, **failure)

    def _catch_up(self) -> Session:
        """Fold into the session what is in the log and not yet in it."""
        session = self._store.session(self.id)
        at = int(session.draft.get("at", 0))
        newer = [m for m in self._store.messages(self.id, LAST) if m.id > at and m.source != "user"]
        for message in newer:
            session = self._fold(session, message)
        return session

    def _fold(self, session: Session, message: Message) -> Session:
        data = message.data
        phase = Phase(data.get("phase", session.phase))
        draft = {**session.draft, **data.get("draft", {}), "at": message.id}
        if "heard" in data:
            draft["heard"] = data["heard"]
        fields = {name: data[name] for name in _FOLDED if name in data}
        after = self._store.update_session(self.id, phase=phase, draft=draft, **fields)
        if after.phase is not session.phase:
            self._emit(EventType.PHASE, phase=after.phase.value, reason=TABLE[after.phase].reason)
        return after

    def _unheard(self, session: Session) -> Message | None:
        heard = int(session.draft.get("heard", 0))
        return next((m for m in self._store.messages(self.id) if m.source == "user" and m.id > heard), None)


def start(
    store: Store, steps: Steps, emit: Emitter, *, by: str, known: Known, cluster: str | None = None
) -> Conversation:
    """Start a new session and return its conversation."""
    session = store.new_session("chat", cluster)
    conversation = Conversation(store, steps, emit, session.id, by=by, known=known)
    emit.within(session=session.id)(EventType.SESSION_STARTED, origin="chat", resumed=False)
    return conversation
