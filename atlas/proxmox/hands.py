"""Calls that change something: written down before, watched to their end, found again after kill -9."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from atlas.errors import ApiRefused, EngineError, TaskFailed, Unreachable
from atlas.events import Emitter, EventType, Stage
from atlas.ports.cluster import Entry, Journal
from atlas.proxmox import tasks
from atlas.proxmox.client import Client
from atlas.proxmox.guests import At
from atlas.proxmox.refusals import lock_timeout

LOCK_TRIES = 8


class Stuck(EngineError):
    """Something holds a guest that no token can clear; the hint is the administrator's command."""


@dataclass(frozen=True, slots=True)
class Watch:
    """By what the task of a call is found again when its UPID was lost.

    Args:
        node: Where the task runs.
        type: PVE's type, such as `qmclone`.
        vmid: The VMID in the UPID.
        names: A VMID that only the log names, such as a clone's new one.
    """

    node: str
    type: str
    vmid: int
    names: int | None = None

    @classmethod
    def of(cls, at: At, action: str) -> Watch:
        """Return the watch for an action on a guest where it is."""
        return cls(at.node, at.type(action), at.vmid)


@dataclass(slots=True)
class Hands:
    """What carries out calls for one guest of a run.

    Args:
        client: The API.
        journal: The run's journal.
        emit: Where events go.
        key: The guest.
    """

    client: Client
    journal: Journal
    emit: Emitter
    key: str

    def stage(self, stage: Stage, **data: Any) -> None:
        """Report the stage that the guest is in."""
        self.emit(EventType.GUEST_STAGE, self.key, stage=stage.value, **data)

    def task(self, step: str, watch: Watch, call: Callable[[], str | None], **intent: Any) -> None:
        """Make a call that starts a task, and wait for its end. A lock's time-out is tried again, with jitter.

        Raises:
            ApiRefused: PVE refused the call.
            TaskFailed: The task failed.
            Unreachable: There was no answer, and no task is to be found; whether anything was done is unknown.
        """
        for attempt in range(1, LOCK_TRIES + 1):
            entry = self.journal.intend(self.key, step, at=time.time(), watch=asdict(watch), **intent)
            try:
                upid = call()
            except ApiRefused as refused:
                self.journal.settle(entry, refused=refused.reason)
                if lock_timeout(refused.reason) and attempt < LOCK_TRIES:
                    self._back_off(attempt, refused.reason)
                    continue
                raise
            except Unreachable:
                upid = next(iter(self._unnamed(watch, time.time(), self._known())), None)
                if upid is None:
                    raise
            if upid is None:  # done within the call
                self.journal.settle(entry, done=True)
                return
            self.journal.settle(entry, upid=upid)
            try:
                self._wait(entry, upid)
            except TaskFailed as failed:
                if lock_timeout(failed.exitstatus) and attempt < LOCK_TRIES:
                    self._back_off(attempt, failed.exitstatus)
                    continue
                raise
            return

    def write(self, step: str, call: Callable[[], None], **intent: Any) -> None:
        """Make a call that is done when it returns; a lock's time-out is tried again, with jitter."""
        for attempt in range(1, LOCK_TRIES + 1):
            entry = self.journal.intend(self.key, step, at=time.time(), **intent)
            try:
                call()
            except ApiRefused as refused:
                self.journal.settle(entry, refused=refused.reason)
                if lock_timeout(refused.reason) and attempt < LOCK_TRIES:
                    self._back_off(attempt, refused.reason)
                    continue
                raise
            self.journal.settle(entry, done=True)
            return

    def entries(self, *steps: str) -> list[Entry]:
        """Return this guest's entries of these steps, or all."""
        return [e for e in self.journal.entries(self.key) if not steps or e.step in steps]

    def recover(self) -> None:
        """Wait for every task of ours that may still run, those whose UPID was lost included.

        What they left is judged by the cluster afterwards, so that a failure is not raised here.
        """
        known = self._known()
        for entry in self.entries():
            outcome = entry.outcome or {}
            if "watch" not in entry.intent or outcome.keys() & {"exit", "refused", "done", "lost"}:
                continue
            watch, at = Watch(**entry.intent["watch"]), float(entry.intent["at"])
            upids = [str(outcome["upid"])] if "upid" in outcome else self._unnamed(watch, at, known)
            if not upids:
                self.journal.settle(entry.id, lost=True)
            for upid in upids:
                try:
                    self._wait(entry.id, upid)
                except TaskFailed:
                    continue

    def _known(self) -> set[str]:
        """Return the UPIDs that this run's journal names."""
        return {str((e.outcome or {}).get("upid")) for e in self.journal.entries()}

    def _unnamed(self, watch: Watch, since: float, known: set[str]) -> list[str]:
        """Return the tasks that a lost call may have started, the latest first."""
        found = tasks.find(self.client, watch.node, watch.type, watch.vmid, since, names=watch.names)
        return [u for u in found if u not in known]

    def _wait(self, entry: int, upid: str) -> None:
        try:
            tasks.wait(self.client, upid, self.emit, self.key)
        except TaskFailed as failed:
            self.journal.settle(entry, upid=upid, exit=failed.exitstatus)
            raise
        self.journal.settle(entry, upid=upid, exit="OK")

    def _back_off(self, attempt: int, reason: str) -> None:
        self.stage(Stage.WAITING, waits_for=reason)
        time.sleep(random.uniform(0.3, 1.0) * min(2**attempt, 20))  # noqa: S311  jitter is no secret
