"""The admin API: faults and history, over plain http on a loopback port of its own, with a token of its own."""

from __future__ import annotations

import hmac
import json
import logging
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from atlas.lab.faults import Faults
    from atlas.lab.history import History

_MOST_BYTES = 1024**2
_log = logging.getLogger(__name__)
# What is no HTTP is its sender's fault, and answered with 400.
_log.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))


class Admin:
    """The admin API's server.

    Args:
        faults: The active faults.
        history: What happened.
        token_file: Where its token is, made (0600) where it is missing.
    """

    def __init__(self, faults: Faults, history: History, token_file: Path) -> None:
        self._faults, self._history = faults, history
        self._token = _token(token_file)
        application = web.Application(middlewares=[self._guarded], client_max_size=_MOST_BYTES)
        application.add_routes(
            [
                web.get("/faults", self._list),
                web.post("/faults", self._add),
                web.delete("/faults", self._clear),
                web.delete("/faults/{name}", self._clear),
                web.get("/effects", self._effects),
                web.get("/history", self._export),
                web.delete("/history", self._forget),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, logger=_log, shutdown_timeout=1)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def open(self) -> None:
        """Take connections on a free port of 127.0.0.1."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()

    async def close(self) -> None:
        """End it."""
        await self._runner.cleanup()

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {self._token}".encode()):
            return _problems(401, ["the admin API wants the token of the lab's folder: Authorization: Bearer TOKEN"])
        return await handler(request)

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"faults": [active.shown() for active in self._faults.active.values()]})

    async def _add(self, request: web.Request) -> web.Response:
        from atlas.lab.fault import read
        from atlas.lab.faults import BadFaults

        try:
            data = json.loads(await request.text())
        except (ValueError, RecursionError) as error:
            return _problems(400, [f"the body is no JSON: {error}"])
        try:
            found = read(data, frozenset(self._faults.active))
        except BadFaults as bad:
            return _problems(400, bad.problems)
        return web.json_response({"names": self._faults.add(found)})

    async def _clear(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name")
        cleared = await self._faults.clear(name)
        if name is not None and not cleared:
            return _problems(404, [f"there is no fault {name!r}"])
        return web.json_response({"names": cleared})

    async def _effects(self, _: web.Request) -> web.Response:
        from atlas.lab.effects import EFFECTS

        shown: dict[str, Any] = {
            name: {"summary": effect.summary, "options": effect.options.model_json_schema()["properties"]}
            if effect.options.model_fields
            else {"summary": effect.summary, "options": {}}
            for name, effect in sorted(EFFECTS.items())
        }
        return web.json_response({"effects": shown})

    async def _export(self, _: web.Request) -> web.Response:
        return web.Response(text=self._history.lines(), content_type="application/jsonl")

    async def _forget(self, _: web.Request) -> web.Response:
        self._history.clear()
        return web.json_response({})


def _problems(status: int, problems: list[str]) -> web.Response:
    return web.json_response({"problems": problems}, status=status)


def _token(file: Path) -> str:
    """Return the token in a file; make one that its owner alone can read where there is none."""
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_urlsafe(32))
    return file.read_text(encoding="utf-8").strip()
