"""Proofs that methods are modelled: what one call writes, another reads."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fakes.labapi import Api

from atlas.lab.call import PVEError
from atlas.lab.table import load

Method = tuple[str, str]


class Proof:
    """Calls on a fresh lab, and the methods that they have proved."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.proved: set[Method] = set()

    async def do(self, call: str, **params: Any) -> Any:
        """Make a call and wait for what it started; a task that it names must end well."""
        verb, path = call.split(" ", 1)
        try:
            answer = await self.api.call(verb, path, **params)
        except PVEError as error:
            error.add_note(f"{call} {params}: {error.errors}")
            raise
        tasks = self.api.lab.tasks
        if isinstance(answer, str) and answer.startswith("UPID:"):
            ended = await tasks.wait(answer)
            status = ended.exitstatus or ""
            assert status == "OK" or status.startswith("WARNINGS"), (call, status, ended.log)
        elif verb != "GET":
            for upid in list(tasks.records):  # also a task that a call starts and does not name
                await tasks.wait(upid)
        return answer

    async def do_badly(self, call: str, **params: Any) -> str:
        """Make a call whose task must fail; return its exit status."""
        ended = await self.api.run(*call.split(" ", 1), **params)
        assert ended != "OK", call
        return ended

    async def read(self, call: str, **params: Any) -> Any:
        """Make a reading call; its error is an answer too."""
        try:
            return await self.do(call, **params)
        except PVEError as error:
            return f"error: {error.message} {error.errors}"

    async def sets(
        self, write: str, params: dict[str, Any], read: str, has: Any, wanting: dict[str, Any] | None = None
    ) -> Any:
        """Prove a write and a read: after the write the answer holds `has`, before it does not."""
        return await self._changes(write, params, read, has, wanting or {}, after=True)

    async def unsets(
        self, write: str, params: dict[str, Any], read: str, has: Any, wanting: dict[str, Any] | None = None
    ) -> Any:
        """Prove a write and a read: before the write the answer holds `has`, after it does not."""
        return await self._changes(write, params, read, has, wanting or {}, after=False)

    async def _changes(
        self, write: str, params: dict[str, Any], read: str, has: Any, wanting: dict[str, Any], *, after: bool
    ) -> Any:
        before = await self.read(read, **wanting)
        assert holds(before, has) is not after, (f"{read} before {write}", before)
        answer = await self.do(write, **params)
        now = await self.read(read, **wanting)
        assert holds(now, has) is after, (f"{read} after {write}", now)
        self.proved |= {template(write), template(read)}
        return answer

    async def crud(
        self,
        base: str,
        key: str,
        name: str,
        made: dict[str, Any],
        changed: dict[str, Any],
        *,
        at_item: bool = False,
        shown: Any = None,
        listed: str | None = None,
    ) -> None:
        """Prove the five calls on a section: it is made, listed, read, changed and removed.

        Args:
            base: Where the objects are listed.
            key: What names one in lists and where it is made.
            name: The name of the one that is made here.
            made: Its other parameters.
            changed: What is changed then.
            at_item: Whether it is made at its own path.
            shown: What a read shows after the change; by default what was changed.
            listed: Its name in lists, where that is another.
        """
        item, row = f"{base}/{name}", {key: listed or name}
        create = f"POST {item if at_item else base}"
        await self.sets(create, made if at_item else {key: name, **made}, f"GET {base}", row)
        assert not str(await self.read(f"GET {item}")).startswith("error"), item
        await self.sets(f"PUT {item}", changed, f"GET {item}", changed if shown is None else shown)
        await self.unsets(f"DELETE {item}", {}, f"GET {base}", row)


def template(call: str) -> Method:
    """Return the method of the table that a call is of."""
    verb, path = call.split(" ", 1)
    route = load().route(path)
    assert route is not None, call
    return verb, route[0]


def holds(answer: Any, has: Any) -> bool:
    """Say whether an answer holds a part: fields of an object, a row of a list, a piece of a text; or a test fits."""
    if callable(has):
        return not (isinstance(answer, str) and answer.startswith("error")) and bool(has(answer))
    if isinstance(answer, list | tuple) and not isinstance(has, list | tuple):
        return any(holds(row, has) for row in answer)
    if isinstance(has, dict):
        return isinstance(answer, dict) and all(k in answer and holds(answer[k], v) for k, v in has.items())
    if isinstance(has, str) and isinstance(answer, str):
        return has in answer if answer.startswith("error") or len(has) > 2 else has == answer
    if isinstance(answer, list | tuple) and isinstance(has, list | tuple):
        return list(answer) == list(has)
    return bool(answer == has)


PROOFS: dict[str, Callable[[Proof], Awaitable[None]]] = {}


def proof(function: Callable[[Proof], Awaitable[None]]) -> Callable[[Proof], Awaitable[None]]:
    """Register a proof."""
    PROOFS[f"{function.__module__.rpartition('.')[2]}: {function.__name__}"] = function
    return function


def load_proofs() -> dict[str, Callable[[Proof], Awaitable[None]]]:
    """Import every module of proofs and return these by name."""
    folder = Path(__file__).parents[1] / "proofs"
    for module in pkgutil.iter_modules([str(folder)]):
        importlib.import_module(f"proofs.{module.name}")
    return PROOFS


async def run(name: str) -> set[Method]:
    """Run one proof on a lab of its own and return what it proved."""
    made = Proof(await Api.fresh(user="root@pam"))
    await load_proofs()[name](made)
    await made.api.lab.tasks.close()
    return made.proved


async def run_all() -> set[Method]:
    """Run every proof and return what all of them proved."""
    return set().union(*[await run(name) for name in sorted(load_proofs())])
