"""Calls that change something: intent before, outcome after, lost tasks found, lock time-outs tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.journal import MemoryJournal

from atlas.errors import ApiRefused, TaskFailed, Unreachable
from atlas.events import Emitter
from atlas.proxmox.guests import At
from atlas.proxmox.hands import Hands, Watch

CLONE = Watch("n1", "qmclone", 9000, 101)
LOCK = "can't lock file '/var/lock/qemu-server/lock-1.conf' - got timeout"


class Api:
    """The few reads that waiting for tasks makes."""

    def __init__(self, tasks_: dict[str, tuple[str, list[str]]]) -> None:
        self.tasks = tasks_
        self.polled: list[str] = []

    def get(self, *path: Any, **params: Any) -> Any:
        if path[-1] == "status":
            self.polled.append(path[3])
            return {"status": "stopped", "exitstatus": self.tasks[path[3]][0]}
        if path[-1] == "log":
            return [{"n": n, "t": t} for n, t in enumerate(self.tasks[path[3]][1])]
        assert path[-1] == "tasks"
        found = [u for u in self.tasks if u.split(":")[5:7] == [params["typefilter"], str(params["vmid"])]]
        return [{"upid": u, "type": params["typefilter"], "starttime": int(u.split(":")[4], 16)} for u in found]


def upid(number: int, kind: str = "qmclone", vmid: int = 9000) -> str:
    return f"UPID:n1:0000{number:04X}:0000{number:04X}:0000{number:04X}:{kind}:{vmid}:a@b!c:"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def hands(api: Api, journal: MemoryJournal) -> Hands:
    return Hands(api, journal, Emitter(), "a")  # type: ignore[arg-type]  # only `get` is used


def in_turn(*answers: Any) -> Callable[[], str | None]:
    left = iter(answers)

    def call() -> str | None:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return None if answer is None else str(answer)

    return call


def test_intent_is_on_disk_before_the_call_and_the_outcome_after_it() -> None:
    journal = MemoryJournal()

    def call() -> str:
        assert [e.step for e in journal.entries("a")] == ["create"]
        return upid(1)

    hands(Api({upid(1): ("OK", [])}), journal).task("create", CLONE, call, marker="m")
    (entry,) = journal.entries("a")
    assert entry.outcome == {"upid": upid(1), "exit": "OK"}
    assert (entry.intent["marker"], entry.intent["watch"]["names"]) == ("m", 101)


def test_a_failed_task_says_its_own_words() -> None:
    api = Api({upid(1): ("clone failed: no space left", ["one", "two"])})
    with pytest.raises(TaskFailed, match="no space left") as caught:
        hands(api, MemoryJournal()).task("create", CLONE, in_turn(upid(1)))
    assert caught.value.log == ("one", "two")


def test_warnings_are_no_failure() -> None:
    hands(Api({upid(1): ("WARNINGS: 2", [])}), MemoryJournal()).task("create", CLONE, in_turn(upid(1)))


@pytest.mark.parametrize("first", [ApiRefused(LOCK, status=500, reason=LOCK), upid(2)])
def test_a_locks_time_out_is_tried_again(first: Any) -> None:
    api = Api({upid(1): ("OK", []), upid(2): (LOCK, [])})
    journal = MemoryJournal()
    hands(api, journal).task("create", CLONE, in_turn(first, upid(1)))
    assert [bool(e.outcome and "OK" in e.outcome.values()) for e in journal.entries("a")] == [False, True]


def test_other_refusals_are_not_tried_again() -> None:
    with pytest.raises(ApiRefused):
        hands(Api({}), MemoryJournal()).task("x", CLONE, in_turn(ApiRefused("no", status=500, reason="no"), upid(1)))


def test_a_call_without_an_answer_is_looked_for_and_never_repeated() -> None:
    api = Api({upid(3): ("OK", ["creating a clone of VM 9000 with ID 101"])})
    hands(api, MemoryJournal()).task("create", CLONE, in_turn(Unreachable("lost")))
    assert api.polled == [upid(3)]
    with pytest.raises(Unreachable):
        hands(Api({}), MemoryJournal()).task("create", CLONE, in_turn(Unreachable("lost")))


def test_recovery_finds_the_task_by_what_its_log_names() -> None:
    journal = MemoryJournal()
    journal.intend("a", "create", at=100.0, watch={"node": "n1", "type": "qmclone", "vmid": 9000, "names": 101})
    other, ours = upid(1), upid(2)
    api = Api({other: ("OK", ["with ID 1010"]), ours: ("OK", ["with ID 101"])})
    hands(api, journal).recover()
    assert api.polled == [ours]
    assert journal.entries("a")[0].outcome == {"upid": ours, "exit": "OK"}


def test_recovery_waits_for_what_is_known_and_leaves_what_has_ended() -> None:
    journal = MemoryJournal()
    watch = {"node": "n1", "type": "qmstart", "vmid": 101, "names": None}
    journal.settle(journal.intend("a", "start", at=1.0, watch=watch), upid=upid(1, "qmstart", 101), exit="OK")
    journal.settle(journal.intend("a", "start", at=1.0, watch=watch), upid=upid(2, "qmstart", 101))
    journal.intend("a", "reboot-due")
    api = Api({upid(n, "qmstart", 101): ("failed", []) for n in (1, 2)})
    hands(api, journal).recover()
    assert api.polled == [upid(2, "qmstart", 101)]


def test_types_of_tasks_are_pves() -> None:
    vm, ct = At("n", "vm", 1), At("n", "container", 1)
    assert [Watch.of(vm, a).type for a in ("start", "resize", "move", "migrate")] == [
        "qmstart",
        "resize",
        "qmmove",
        "qmigrate",
    ]
    assert [Watch.of(ct, a).type for a in ("start", "resize", "move", "migrate")] == [
        "vzstart",
        "resize",
        "move_volume",
        "vzmigrate",
    ]
