"""The faults that are active in a lab: around every call, which of them strike, and what ends with them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atlas.lab.call import Call
    from atlas.lab.fault import Fault
    from atlas.lab.history import History
    from atlas.lab.http import Next
    from atlas.lab.world import Lab

Undo = Callable[[], Awaitable[None] | None]


class BadFaults(Exception):
    """Faults that cannot be read.

    Args:
        problems: Every one of them, with its place.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Active:
    """A fault at work.

    Args:
        fault: What it is.
        faults: All of them.
        limit: How many times it strikes at most.
    """

    def __init__(self, fault: Fault, faults: Faults, limit: int | None) -> None:
        self.fault, self.faults, self.lab = fault, faults, faults.lab
        self.limit = limit
        self.calls = 0  # that it is about
        self.struck = 0
        self.over = asyncio.Event()
        self._undo: list[Undo] = []

    def strikes(self, call: Call) -> bool:
        """Count a call, and tell whether the fault strikes it."""
        if not self.fault.match.about(call):
            return False
        self.calls += 1
        if self.limit is not None and self.struck >= self.limit:
            return False
        if not self.fault.match.strikes(self.calls, self.fault.name):
            return False
        self.struck += 1
        self.faults.history.fault(call.number, self.fault.name, self.fault.effect)
        return True

    def hold(self, undo: Undo, seconds: float | None) -> None:
        """Undo a condition once so many seconds of the lab's time are over, or when the fault is cleared."""
        self._undo.append(undo)
        if seconds is not None:
            self.faults.spawn(self._later(undo, self.lab.clock.steady() + seconds))

    async def wait(self, seconds: float | None) -> None:
        """Wait so many seconds of the lab's time, or for the fault's clearing; None: for that alone."""
        await self._until(None if seconds is None else self.lab.clock.steady() + seconds)

    async def _until(self, end: float | None) -> None:
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self.over.wait())]
        if end is not None:
            waits.append(asyncio.ensure_future(self.lab.clock.until(end)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    async def _later(self, undo: Undo, end: float) -> None:
        await self._until(end)
        await self._run(undo)

    async def _run(self, undo: Undo) -> None:
        if undo in self._undo:
            self._undo.remove(undo)
            result = undo()
            if result is not None:
                await result
            self.lab.store.flush()

    async def end(self) -> None:
        """Undo what it did and let go what it holds."""
        self.over.set()
        for undo in list(self._undo):
            await self._run(undo)

    def shown(self) -> dict[str, Any]:
        """Return the fault and how often it struck."""
        return {**self.fault.shown(), "calls": self.calls, "struck": self.struck}


class Faults:
    """All active faults; a middleware of the door.

    Args:
        lab: The world.
        history: Where each strike is noted.
        restart: Restarts the API daemon: how many seconds it is away, and whether its workers die with it.
    """

    def __init__(self, lab: Lab, history: History, restart: Callable[[float, bool], Coroutine[Any, Any, None]]) -> None:
        self.lab, self.history, self.restart = lab, history, restart
        self.active: dict[str, Active] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, call: Call, following: Next) -> object:
        """Let a call through the faults that strike it; each counts it, whatever the others do."""
        struck = [active for active in self.active.values() if active.strikes(call)]
        for active in reversed(struck):
            following = _through(active, following)
        return await following(call)

    def add(self, faults: list[Fault]) -> list[str]:
        """Make faults active; return their names."""
        from atlas.lab.effects import EFFECTS

        for fault in faults:
            limit = fault.match.times or EFFECTS[fault.effect].times(fault.match)
            self.active[fault.name] = Active(fault, self, limit)
        return [fault.name for fault in faults]

    async def clear(self, name: str | None = None) -> list[str]:
        """End a fault, or all; return the names of those that were there."""
        names = list(self.active) if name is None else [name] if name in self.active else []
        for one in names:
            await self.active.pop(one).end()
        return names

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the calls, until close()."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all faults and what runs for them."""
        await self.clear()
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _through(active: Active, following: Next) -> Next:
    from atlas.lab.effects import EFFECTS

    async def step(call: Call) -> object:
        return await EFFECTS[active.fault.effect].run(active, active.fault.options, call, following)

    return step
