"""What is waited for before a killed run is gone on with, and what is told of what does not end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from atlas.errors import PartlyDone
from atlas.events import Emitter, Event
from atlas.ports.cluster import Cluster, Work
from atlas.state import Lease, Observed, State
from atlas.terraform import settling
from atlas.terraform.settling import settled

VMIDS = {"a": 101, "b": 102}


class Moments:
    """A cluster that has gone on between two questions: at each moment what is busy, and which locks there are."""

    def __init__(self, *moments: tuple[Mapping[int, str], Mapping[int, str | None]]) -> None:
        self._moments, self._now = list(moments), moments[0]

    def busy(self, vmids: Iterable[int]) -> Mapping[int, str]:
        self._now = self._moments.pop(0) if len(self._moments) > 1 else self._moments[0]
        return {v: kind for v, kind in self._now[0].items() if v in set(vmids)}

    def look(self, vmids: Iterable[int] = (), *, neighbours: bool = False, offers: bool = True) -> State:
        del vmids, neighbours, offers
        guests = {v: Observed(v, "vm", f"guest-{v}", "pve1", lock=lock) for v, lock in self._now[1].items()}
        return State("cluster:test", "9.2", {}, (), guests, ())


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PAUSE", 0.0)


def work() -> Work:
    leases = {key: Lease("farm", key, 0, "vm", vmid, "pve1", "9000", "pve1") for key, vmid in VMIDS.items()}
    return Work("farm", "own", "", (), leases, {}, State("cluster:test", "9.2", {}, (), {}, ()), Path("farm"))


def wait(cluster: Moments, patience: float = 30) -> tuple[Work, list[tuple[str | None, Any]]]:
    seen: list[Event] = []
    found = settled(work(), cast("Cluster", cluster), patience, Emitter((seen.append,)))
    return found, [(e.guest, e.data["waits_for"]) for e in seen]


def test_tasks_and_locks_are_waited_for_and_the_work_is_looked_at_after_them() -> None:
    there: dict[int, str | None] = {101: None, 102: None}
    found, told = wait(Moments(({102: "qmdestroy"}, there), ({}, {101: "clone", 102: None}), ({}, {101: None})))
    assert set(found.state.guests) == {101}
    assert told == [("b", "task qmdestroy"), ("a", "lock clone")]


def test_what_others_hold_is_not_waited_for() -> None:
    found, told = wait(Moments(({900: "qmdestroy"}, {101: "backup", 900: "clone"})))
    assert (set(found.state.guests), told) == ({101, 900}, [])


def test_a_lock_that_stays_ends_with_the_administrators_command() -> None:
    with pytest.raises(PartlyDone, match=r"guest 101 \(lock clone\), guest 102 \(task qmstart\)") as caught:
        wait(Moments(({102: "qmstart"}, {101: "clone", 102: None})), patience=0)
    assert "qm unlock 101" in caught.value.hint
    assert "qm unlock 102" not in caught.value.hint
    assert caught.value.hint.endswith("then `atlas resume`")


def test_a_task_that_does_not_end_is_only_named() -> None:
    with pytest.raises(PartlyDone, match=r"guest 102 \(task qmshutdown\)") as caught:
        wait(Moments(({102: "qmshutdown"}, {102: None})), patience=0)
    assert caught.value.hint == "once that has ended: `atlas resume`"
