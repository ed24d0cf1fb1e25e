"""The front door: a request becomes a call, its answer takes PVE's shape, reason phrase included."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import web

from atlas.lab import body, permissions, quorum
from atlas.lab.auth import Tickets
from atlas.lab.backend import BackendError
from atlas.lab.call import HANDLERS, Call, Forbidden, NoSuchMethod, NotAuthenticated, PVEError, Severed, Unreadable
from atlas.lab.check import check_call
from atlas.lab.gate import plain
from atlas.lab.history import History
from atlas.lab.table import Method, Table, load

if TYPE_CHECKING:
    from atlas.lab.world import Lab

_log = logging.getLogger(__name__)
FAILED_LOGIN_SECONDS = 3  # PVE lets a failed login wait that long
_CONFLICT = "duplicate parameter (already defined in URI) with conflicting values!"
_ROOT = "/api2"
_URI = re.compile(r"/api2/+([a-z][a-z0-9]+)(/(?:(?!%0A.).)*)?")  # no line ends but at the end
_FORMATS = ("json", "extjs")
_UPLOAD = ("POST", "/nodes/{node}/storage/{storage}/upload")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADERS = {"Cache-Control": "max-age=0", "Pragma": "no-cache", "Server": "pve-api-daemon/3.0"}

Next = Callable[[Call], Awaitable[object]]
Middleware = Callable[[Call, Next], Awaitable[object]]


class Door:
    """The API server's request handler.

    Args:
        lab: The world.
        middlewares: Functions around every checked call, the first one outermost.
        history: Where every call is noted.
    """

    def __init__(self, lab: Lab, middlewares: list[Middleware] | None = None, history: History | None = None) -> None:
        self.lab = lab
        self.history = history or History(lab.clock.now)
        self.table: Table = load()
        self.tickets = Tickets(lab)
        self.middlewares = middlewares if middlewares is not None else []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        whole = request.rel_url.raw_path
        if not whole.startswith(_ROOT):
            return _text(500, f"no such file '{unquote(whole, errors='replace')}'\n")
        match = _URI.fullmatch(whole)
        if match is None:
            return _text(501, "no such uri")
        form, path = match[1], match[2] or "/"
        noted = self.history.call(request.method, path)
        answer: web.StreamResponse | None = None
        try:
            if self.lab.local_node in self.lab.down:
                raise Severed
            answer = await self._answer(request, form, path, noted)
        except Severed as cut:
            return await _sever(request, cut)
        except ConnectionError:  # it broke before the request was whole
            return await _sever(request, Severed())
        except Unreadable as error:
            answer = _text(error.status, error.message)
        except PVEError as error:
            if error.status == 401:
                await self.lab.clock.sleep(FAILED_LOGIN_SECONDS)
            answer = _failure(error, form)
        except BackendError as error:
            answer = _failure(PVEError(500, str(error)), form)
        except Exception:  # noqa: BLE001  a handler's bug must not take the server along; the log has the traceback
            _log.exception("%s %s", request.method, path)
            answer = _failure(PVEError(500, "internal error of the lab; its log has the details"), form)
        finally:
            if answer is not None:
                noted |= {"status": answer.status, "reason": answer.reason}
            self.lab.store.flush()
        return answer

    async def _answer(
        self, request: web.BaseRequest, form: str, path: str, noted: dict[str, Any]
    ) -> web.StreamResponse:
        route = self.table.route(path)
        if request.method not in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            raise Unreadable(501, f"method '{request.method}' not available")
        method = self.table.method(request.method, route[0]) if route else None
        open_to_all = method is not None and (method.permissions or {}).get("user") == "world"
        user = noted["user"] = "" if open_to_all else self._user(request)
        is_upload = route is not None and (request.method, route[0]) == _UPLOAD
        params, upload = await body.read(request, is_upload)
        plain_path = unquote(path, errors="replace")
        try:
            if form not in _FORMATS:
                raise Unreadable(501, f"no formatter for uri {plain_path}, {form}")
            if route is None or method is None:
                raise NoSuchMethod(request.method, plain_path)
            token = "!" in user or request.headers.get("Authorization", "").startswith("PVEAPIToken")
            if not method.allow_token and token:
                # PVE's own text, its missing bracket included
                raise PVEError(
                    403,
                    f"Permission check failed (URI '{plain_path}' not available with API token, need proper ticket.\n)",
                )
            try:
                call = self._call(request, method, route[1], params, user)
            except Forbidden as error:
                if upload is None:
                    raise
                return _bare(error)  # uploads are refused before the part of the server that explains
            call.upload, call.number = upload, noted["n"]
            data = await self._run(call)
        finally:
            if upload is not None:
                Path(upload.path).unlink(missing_ok=True)
        content: dict[str, Any] = {"data": data, **call.extra}
        if form == "extjs":
            content["success"] = 1
        return web.json_response(content, headers=_HEADERS, dumps=_dumps)

    def _user(self, request: web.BaseRequest) -> str:
        caller = self.tickets.caller(request.headers.get("Authorization"), request.cookies.get("PVEAuthCookie"))
        if caller.by_ticket and request.method != "GET":
            token = request.headers.get("CSRFPreventionToken", "")
            if not self.tickets.csrf_fits(caller.user, token):
                raise NotAuthenticated("Permission denied - invalid csrf token")
        return caller.user

    def _call(
        self, request: web.BaseRequest, method: Method, places: dict[str, str], params: dict[str, Any], user: str
    ) -> Call:
        for name in sorted(places.keys() & params.keys()):
            if params[name] != places[name]:
                raise PVEError(400, errors={name: _CONFLICT})
        given = {**params, **places}
        # PVE's own node is known by a second name.
        if given.get("node") == "localhost" and method.proxied:
            given["node"] = self.lab.local_node
        permissions.check(method.permissions, self.lab, user, given)
        carrier = given.get("node" if method.proxied else "check-node")
        if method.proxied and carrier is None:
            raise PVEError(400, errors={"node": "proxyto parameter does not exist"})
        if carrier is not None and not self.lab.online(self.lab.node(str(carrier)).name):
            raise PVEError(595, "No route to host")
        typed = check_call(method, given, places)
        peer = request.remote or "127.0.0.1"
        return Call(self.lab, method.verb, method.template, typed, user, raw=given, peer=peer)

    async def _run(self, call: Call) -> object:
        async def end(inner: Call) -> object:
            quorum.check(inner)
            result = HANDLERS[inner.method, inner.path](inner)
            return await result if isinstance(result, Awaitable) else result

        following: Next = end
        for middleware in reversed(self.middlewares):
            following = _around(middleware, following)
        return await following(call)


def _around(middleware: Middleware, following: Next) -> Next:
    async def step(call: Call) -> object:
        return await middleware(call, following)

    return step


async def _sever(request: web.BaseRequest, cut: Severed) -> web.StreamResponse:
    """Break the connection, perhaps in the middle of an answer."""
    answer = web.StreamResponse(headers=_HEADERS)
    if cut.answer is not None:
        content = _dumps(cut.answer).encode()
        answer.content_type, answer.content_length = "application/json", len(content)
        await answer.prepare(request)
        await answer.write(content[: len(content) // 2])
        if request.transport is not None:
            request.transport.close()  # which still sends what was written
    elif request.transport is not None:
        request.transport.abort()
    return answer


def _dumps(content: object) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _line(status: int, message: str) -> tuple[int, str]:
    """Return status and reason phrase for a message: its first line, unless that would break the answer's own."""
    reason = message.strip("\n").split("\n")[0]
    return (400, "") if "\r" in reason else (status, _CONTROL.sub(" ", reason))


def _text(status: int, text: str) -> web.Response:
    status, reason = _line(status, text)
    return plain(status, reason or "Bad Request", text if reason else "")


def _bare(error: PVEError) -> web.Response:
    return _closing(error, {"data": None})


def _closing(error: PVEError, content: dict[str, Any]) -> web.Response:
    status, reason = _line(error.status, error.message)
    if not reason:
        return plain(400, "Bad Request", "")
    answer = web.json_response(content, status=status, reason=reason, headers=_HEADERS, dumps=_dumps)
    answer.force_close()
    return answer


def _failure(error: PVEError, form: str) -> web.Response:
    if isinstance(error, NotAuthenticated):
        return plain(401, error.message, "")
    ended = error.message.endswith("\n") or isinstance(error, NoSuchMethod)
    message = error.message if ended else error.message + "\n"
    content: dict[str, Any] = {"data": None, "message": message}
    if error.errors is not None:
        content["errors"] = error.errors
    if form == "extjs":
        content["message"] = error.message
        content |= {"success": 0, "status": str(error.status) if error.typed else error.status}
        return web.json_response(content, headers=_HEADERS, dumps=_dumps)
    return _closing(error, content)
