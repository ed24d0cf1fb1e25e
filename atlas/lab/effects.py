"""What faults do: the registry of effects, and those that change a call, its answer or the task that it starts."""

from __future__ import annotations

import importlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field

from atlas.lab.call import Call, NotAuthenticated, PVEError, Severed
from atlas.lab.fault import Match, Strict

if TYPE_CHECKING:
    from atlas.lab.faults import Active
    from atlas.lab.http import Next
    from atlas.lab.tasks import Task

O = TypeVar("O", bound=Strict)  # noqa: E741  the options of one effect
Run = Callable[["Active", O, Call, "Next"], Awaitable[object]]


@dataclass(frozen=True)
class Effect:
    """An effect.

    Args:
        options: What it takes.
        run: What it does around a call.
        once: Whether it strikes but once where nothing chooses the calls.
    """

    options: type[Strict]
    run: Callable[..., Awaitable[object]]
    once: bool = False

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return (self.run.__doc__ or "").split("\n")[0]

    def times(self, match: Match) -> int | None:
        """Return how many times it strikes at most where the match does not say."""
        chosen = match.nth or match.every or match.probability
        return 1 if self.once and chosen is None else None


EFFECTS: dict[str, Effect] = {}


def effect(name: str, options: type[O], *, once: bool = False) -> Callable[[Run[O]], Run[O]]:
    """Register an effect."""

    def register(run: Run[O]) -> Run[O]:
        EFFECTS[name] = Effect(options, run, once)
        return run

    return register


class Error(Strict):
    """Options of `error`."""

    status: int = Field(500, ge=400, le=599)
    text: str = Field("internal error", min_length=1, max_length=500)
    errors: dict[str, str] | None = None


@effect("error", Error)
async def error(active: Active, options: Error, call: Call, following: Next) -> object:
    """Refuse the call with a status and a text; 400 may name parameters in `errors`."""
    del active, call, following
    if options.status == 401:
        raise NotAuthenticated(options.text)
    raise PVEError(options.status, "" if options.errors else options.text, options.errors)


class Latency(Strict):
    """Options of `latency`."""

    seconds: float = Field(1.0, ge=0, le=3600, strict=False)
    jitter: float = Field(0.0, ge=0, le=3600, strict=False)


@effect("latency", Latency)
async def latency(active: Active, options: Latency, call: Call, following: Next) -> object:
    """Let the call wait so many seconds before it is carried out, and up to `jitter` more."""
    chance = random.Random(f"{active.fault.match.seed} {active.fault.name} jitter {active.calls}")  # noqa: S311  no secret
    await active.wait(options.seconds + options.jitter * chance.random())
    return await following(call)


class Drop(Strict):
    """Options of `drop`."""

    after: bool = True


@effect("drop", Drop)
async def drop(active: Active, options: Drop, call: Call, following: Next) -> object:
    """Break the connection without an answer: after the work is done, or with `after: false` before it."""
    del active
    if options.after:
        await _done(call, following)
    raise Severed


@effect("half-answer", Strict)
async def half_answer(active: Active, options: Strict, call: Call, following: Next) -> object:
    """Do the work, send half of the answer, and break the connection."""
    del active, options
    raise Severed(await _done(call, following))


async def _done(call: Call, following: Next) -> dict[str, Any]:
    try:
        return {"data": await following(call), **call.extra}
    except PVEError as problem:
        return {"data": None, "message": f"{problem.message}\n"}


class Stall(Strict):
    """Options of `task-stall`."""

    step: int = Field(1, ge=1)
    seconds: float | None = Field(None, gt=0, strict=False)


@effect("task-stall", Stall)
async def task_stall(active: Active, options: Stall, call: Call, following: Next) -> object:
    """Let the task that the call starts stand still at a step, for so many seconds or until the fault is cleared."""
    stalled = False

    async def stand(task: Task, step: int, last: bool) -> None:
        nonlocal stalled
        del task
        if not stalled and (step == options.step or last):
            stalled = True
            await active.wait(options.seconds)

    call.at_step = _both(call, stand)
    return await following(call)


class Fail(Strict):
    """Options of `task-fail`."""

    step: int = Field(1, ge=1)
    text: str = Field("got lock timeout - aborting command", min_length=1, max_length=500)
    kill: bool = False


@effect("task-fail", Fail)
async def task_fail(active: Active, options: Fail, call: Call, following: Next) -> object:
    """Let the task that the call starts fail at a step and clean up; with `kill` it just ends, as by SIGKILL."""
    del active
    lab = call.lab

    async def fail(task: Task, step: int, last: bool) -> None:
        if step < options.step and not last:
            return
        if not options.kill:
            raise PVEError(500, options.text)
        lab.tasks.kill(task.upid)
        await lab.clock.wait(0)  # the end comes here

    call.at_step = _both(call, fail)
    return await following(call)


def _both(
    call: Call, then: Callable[[Task, int, bool], Awaitable[None]]
) -> Callable[[Task, int, bool], Awaitable[None]]:
    """Return what several faults do to one task: what is there already comes second."""
    first = call.at_step

    async def step(task: Task, number: int, last: bool) -> None:
        await then(task, number, last)
        if first is not None:
            await first(task, number, last)

    return step


@effect("no-address", Strict)
async def no_address(active: Active, options: Strict, call: Call, following: Next) -> object:
    """Show a guest's network interfaces without any address but those of `lo`."""
    del active, options
    data = await following(call)
    rows = data.get("result") if isinstance(data, dict) else data
    asked = call.path.endswith(("/network-get-interfaces", "/lxc/{vmid}/interfaces")) or (
        call.params.get("command") == "network-get-interfaces"
    )
    if not asked or not isinstance(rows, list):
        return data
    kept = [row if row.get("name") == "lo" else _without(row) for row in rows]
    return {**data, "result": kept} if isinstance(data, dict) else kept


def _without(row: dict[str, Any]) -> dict[str, Any]:
    gone = {"inet", "inet6"}
    return {k: [] if k == "ip-addresses" else v for k, v in row.items() if k not in gone}


importlib.import_module("atlas.lab.effects_world")
