"""kill -9 at every write of a conversation: a new process goes on, and never carries out what nobody approved."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atlas.conversations.session import Conversation, start
from atlas.events import Emitter
from atlas.language.known import Known
from atlas.phases import Phase
from atlas.ports.store import Store
from atlas.steps.contract import Steps
from atlas.store import SqliteStore

LINES = ("two debian web servers with nginx, 2 cores", "make it 8 GB", "yes")
_WRITES = frozenset({"say", "update_session", "approve", "save_plan", "new_session"})


class DyingStore:
    """A store whose process is killed right before its n-th write; what came after the write before is done by then."""

    def __init__(self, store: SqliteStore, at: int) -> None:
        self._store, self._left = store, at

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if name not in _WRITES:
            return real

        def write(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return write


def _hold(store: Store, record: Path, steps_of: Callable[[Store, Path], Steps], known: Known) -> None:
    """Hold the conversation as a person would: what the log has is not said again."""
    sessions = store.sessions()
    steps = steps_of(store, record)
    if sessions:
        conversation = Conversation(store, steps, Emitter(), sessions[0].id, by="ada", known=known)
        conversation.resume()
    else:
        conversation = start(store, steps, Emitter(), by="ada", known=known)
    said = [m for m in store.messages(conversation.id) if m.source == "user"]
    for line in LINES[len(said) :]:
        conversation.say(line)


def _in_child(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001  the child must end here, whatever happened
            import traceback

            traceback.print_exc()
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.slow
def test_killed_at_any_write_it_goes_on(tmp_path: Path, steps_of: Callable[[Store, Path], Steps], known: Known) -> None:
    import autogen_agentchat.teams  # noqa: F401  imported once here, so that no child has to

    at = -1
    ends = set()
    while True:
        at += 2
        home, record = tmp_path / f"{at}", tmp_path / f"{at}.executed"

        def dying(home: Path = home, record: Path = record, at: int = at) -> None:
            _hold(DyingStore(SqliteStore(home), at), record, steps_of, known)

        def living(home: Path = home, record: Path = record) -> None:
            _hold(SqliteStore(home), record, steps_of, known)

        code = _in_child(dying)
        if code == -signal.SIGKILL:
            assert _in_child(living) == 0
        store = SqliteStore(home)
        (session,) = store.sessions()[:1]
        assert session.phase is Phase.DONE
        assert [m.text for m in store.messages(session.id) if m.source == "user"] == list(LINES)
        executed = {json.loads(line) for line in record.read_text().splitlines()}
        assert executed == {session.plan}
        decision = store.approval(session.plan or "")
        assert decision is not None
        assert decision.granted
        (guest,) = store.plan(session.plan or "").spec["guests"]
        assert (guest["count"], guest["memory"], guest["cpu"]) == (2, "8GiB", {"cores": 2})
        ends.add(session.plan)
        store.close()
        if code == 0:
            break
    assert at > 30  # every second write
    assert len(ends) == 1
