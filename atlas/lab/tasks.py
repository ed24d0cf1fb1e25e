"""Workers: UPIDs, logs, exit statuses, stopping, and what a killed process leaves of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atlas.lab.backend import BackendError
from atlas.lab.call import PVEError
from atlas.lab.records import Record, Store

if TYPE_CHECKING:
    from atlas.lab.clock import Clock

# What a fault does to a worker at its n-th step; `last` is true once its work is done.
AtStep = Callable[["Task", int, bool], Awaitable[None]]
UPID = re.compile(
    r"UPID:(?P<node>[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?):(?P<pid>[0-9A-Fa-f]{8}):(?P<pstart>[0-9A-Fa-f]{8,9}):"
    r"(?P<starttime>[0-9A-Fa-f]{8}):(?P<type>[^:\s]+):(?P<id>[^:\s]*):(?P<user>[^:\s]+):"
)
KEPT = 2000  # finished tasks that a cluster remembers
KILLED = "unexpected status"
STOPPED = "received interrupt"


@dataclass
class TaskRecord(Record):
    """What is kept of a worker."""

    upid: str
    node: str
    kind: str
    id: str
    user: str
    pid: int
    pstart: int
    starttime: int
    endtime: int | None = None
    exitstatus: str | None = None
    log: tuple[str, ...] = ()
    warnings: int = 0
    seconds: float = 0.0  # how long it took, for measurements: the API knows whole seconds only


class Task:
    """A worker as its own code sees it."""

    def __init__(self, tasks: Tasks, record: TaskRecord, at_step: AtStep | None = None) -> None:
        self._tasks, self.record = tasks, record
        self._at_step, self._steps = at_step, 0
        self.upid, self.node, self.kind = record.upid, record.node, record.kind
        self.id, self.user = record.id, record.user

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self.record.log = (*self.record.log, *line.split("\n"))

    def warn(self, text: str) -> None:
        """Add a warning to the log; the task then ends with `WARNINGS: n`."""
        self.log(f"WARN: {text}")
        self.record.warnings += 1

    async def spend(self, seconds: float, progress: str | None = None) -> None:
        """Let time pass by the latency profile; a task that is stopped ends here.

        Args:
            seconds: What the work takes on a real node.
            progress: A line for the log.
        """
        if progress is not None:
            self.log(progress)
        self._tasks.store.flush()
        await self.step()
        await self._tasks.clock.sleep(seconds)

    async def step(self, *, last: bool = False) -> None:
        """Let a fault come in between two steps of the work."""
        self._steps += 1
        if self._at_step is not None:
            await self._at_step(self, self._steps, last)


class Tasks:
    """All workers of the cluster."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.records = store.table("tasks", TaskRecord)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._pid = max((record.pid for record in self.records.values()), default=1200)
        for record in self.records.values():
            if record.endtime is None:  # its process died with the last one
                record.endtime, record.exitstatus = int(clock.now()), KILLED

    def new_pid(self) -> int:
        """Return the number of a new process, of a worker or a guest."""
        self._pid += 1
        return self._pid

    def start(
        self,
        node: str,
        kind: str,
        id: str,  # noqa: A002  PVE's own word for it
        user: str,
        work: Callable[[Task], Awaitable[None]],
        at_step: AtStep | None = None,
    ) -> str:
        """Start a worker and return its UPID."""
        pid, start = self.new_pid(), int(self.clock.now())
        pstart = (start * 100 + pid) & 0xFFFFFFFF
        upid = f"UPID:{node}:{pid:08X}:{pstart:08X}:{start:08X}:{kind}:{id}:{user}:"
        record = TaskRecord(upid, node, kind, id, user, pid, pstart, start)
        self.records[upid] = record
        worker = asyncio.get_running_loop().create_task(self._run(Task(self, record, at_step), work))
        worker.add_done_callback(lambda _: self._settle(record))
        self._running[upid] = worker
        self._forget()
        return upid

    async def _run(self, task: Task, work: Callable[[Task], Awaitable[None]]) -> None:
        record, begun = task.record, self.clock.now()
        try:
            await work(task)
            await task.step(last=True)
            status = f"WARNINGS: {record.warnings}" if record.warnings else "OK"
            task.log(f"TASK {status}")
        except asyncio.CancelledError:
            if record.endtime is not None:  # it was killed, and says nothing more
                return
            status = STOPPED
            task.log(f"TASK ERROR: {status}")
        except (PVEError, BackendError) as error:
            text = str(error).rstrip("\n")
            task.log(f"TASK ERROR: {text}")
            status = text.split("\n")[-1]
        except Exception as error:  # noqa: BLE001  a worker's bug ends that worker, not the server
            status = f"internal error: {error!r}"
            task.log(f"TASK ERROR: {status}")
        ended = self.clock.now()
        record.exitstatus, record.endtime, record.seconds = status, int(ended), ended - begun
        self._running.pop(record.upid, None)
        self.store.flush()

    def _settle(self, record: TaskRecord) -> None:
        """End a worker that was stopped before its first step."""
        if record.endtime is None:
            record.exitstatus, record.endtime = STOPPED, int(self.clock.now())
            record.log = (*record.log, f"TASK ERROR: {STOPPED}")
            self._running.pop(record.upid, None)

    def _forget(self) -> None:
        surplus = len(self.records) - KEPT - len(self._running)
        if surplus > 100:
            for upid in [u for u, record in self.records.items() if record.endtime is not None][:surplus]:
                del self.records[upid]

    def get(self, upid: str, node: str | None = None) -> TaskRecord:
        """Return a task.

        Raises:
            PVEError: 400 for a text that is no UPID, and for a task that is not known (any more).
        """
        if not UPID.fullmatch(upid):
            raise PVEError(400, errors={"upid": "unable to parse worker upid"})
        record = self.records.get(upid)
        if record is None or (node is not None and record.node != node):
            raise PVEError(400, errors={"upid": "no such task"})
        return record

    def running(self, upid: str) -> bool:
        """Say whether a task still runs."""
        return upid in self._running

    def stop(self, upid: str) -> None:
        """Interrupt a worker; one that has ended stays as it is."""
        if upid in self._running:
            self._running[upid].cancel()

    def kill(self, upid: str) -> None:
        """End a worker as SIGKILL does: it cleans nothing up, and its log just stops."""
        worker, record = self._running.pop(upid, None), self.records[upid]
        if worker is not None:
            record.exitstatus, record.endtime = KILLED, int(self.clock.now())
            worker.cancel()

    def kill_all(self, node: str | None = None) -> None:
        """Kill every worker, or those of one node."""
        for upid in list(self._running):
            if node in (None, self.records[upid].node):
                self.kill(upid)

    async def wait(self, upid: str) -> TaskRecord:
        """Wait until a task has ended, and return what is known of it."""
        running = self._running.get(upid)
        if running is not None:
            await asyncio.wait([running])
        return self.records[upid]

    async def close(self) -> None:
        """Interrupt what still runs."""
        running = list(self._running.values())
        self._running.clear()
        for worker in running:
            worker.cancel()
        if running:
            await asyncio.wait(running)


def entry(record: TaskRecord) -> dict[str, Any]:
    """Return a task as task lists show it."""
    user, _, token = record.user.partition("!")
    shown: dict[str, Any] = {
        "upid": record.upid,
        "node": record.node,
        "pid": record.pid,
        "pstart": record.pstart,
        "starttime": record.starttime,
        "type": record.kind,
        "id": record.id,
        "user": user,
    }
    if token:
        shown["tokenid"] = token
    return shown
