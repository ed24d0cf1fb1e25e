"""Every type of event, versioned: views, the log and programs all read this one stream."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from atlas import redact

VERSION = 1


class EventType(StrEnum):
    """The closed list of event types; the value is what programs see."""

    SESSION_STARTED = "session.started"  # {origin, resumed}
    MESSAGE = "message"  # {source, text}
    PHASE = "phase"  # {phase, reason}
    DIAGNOSTIC = "diagnostic"  # {severity, summary, detail, where, hint}
    NOTE = "note"  # {text}: a plain sentence that a person should see
    LEASE_TAKEN = "lease.taken"  # {vmid, node, addresses}
    BUNDLE_WRITTEN = "bundle.written"  # {folder, files}
    ENGINE_CHOSEN = "engine.chosen"  # {engine, reason}
    PLAN_READY = "plan.ready"  # {stack, engine, hash, create, update, replace, delete, changes}
    APPROVAL = "approval"  # {hash, by, granted}
    APPROVAL_REFUSED = "approval.refused"  # {reason, hash}
    RUN_STARTED = "run.started"  # {stack, engine, hash, resumed}
    GUEST_STAGE = "guest.stage"  # {stage, waits_for, percent}
    TASK = "task"  # {upid, kind, status, percent}
    CONFIGURE_TASK = "configure.task"  # {play, task, status}
    CHECK_DONE = "check.done"  # {check, ok, evidence}
    DRIFT = "drift"  # {path, expected, observed}
    RUN_DONE = "run.done"  # {result, reason, seconds}
    DOCTOR = "doctor"  # {subject, ok, detail, hint}
    RESULT = "result"  # {…}: the answer of a command that only shows something


class Stage(StrEnum):
    """The stages of a guest in a run, in their order."""

    WAITING = "waiting"
    CREATING = "creating"
    UPDATING = "updating"
    REPLACING = "replacing"
    DELETING = "deleting"
    STARTING = "starting"
    REBOOTING = "rebooting"
    BOOTING = "booting"  # until it can be reached
    READY = "ready"  # waits for a place among the configured
    CONFIGURING = "configuring"
    CHECKING = "checking"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `ts` is Unix time in seconds, `seq` counts within the process."""

    type: EventType
    data: dict[str, Any]
    seq: int
    ts: float
    session: str | None = None
    run: str | None = None
    guest: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the event as programs see it."""
        return {
            "v": VERSION,
            "ts": round(self.ts, 3),
            "seq": self.seq,
            "session": self.session,
            "run": self.run,
            "type": self.type.value,
            "guest": self.guest,
            "data": self.data,
        }


Sink = Callable[[Event], None]


@dataclass(slots=True)
class Emitter:
    """Makes events and hands each to every sink; secrets are removed on the way in.

    Calling it is how everything else reports: `emit(EventType.NOTE, text="…")`. Calls come from several threads;
    sinks get one event at a time, in the order of their numbers.
    """

    sinks: tuple[Sink, ...] = ()
    session: str | None = None
    run: str | None = None
    clock: Callable[[], float] = time.time
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _turn: threading.RLock = field(default_factory=threading.RLock)

    def __call__(self, type_: EventType, guest: str | None = None, /, **data: Any) -> Event:
        """Make an event and hand it to the sinks."""
        clean = redact.data(data)
        with self._turn:
            event = Event(type_, clean, next(self._count), self.clock(), self.session, self.run, guest)
            for sink in self.sinks:
                sink(event)
        return event

    def within(self, *, session: str | None = None, run: str | None = None) -> Emitter:
        """Return an emitter for a session or a run that shares sinks and numbering."""
        return Emitter(self.sinks, session or self.session, run or self.run, self.clock, self._count, self._turn)
