"""The lab's port: TLS or plain text by the first byte, requests by wire.Reader, and an end to who keeps it waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from atlas.lab.wire import Head, Reader, Refusal

WAIT_SECONDS = 5.0  # for a hello, for what is missing of a request, and for the next one
READ_ON_SECONDS = 1.0  # past an answer, lest what is not read break it off
MOST_CONNECTIONS = 500
_HANDSHAKE = 0x16
_OLD_HELLO = 0x80  # of SSL 2, and more

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(web.RequestHandler):
    """One connection."""

    def __init__(self, server: web.Server, *, secure: bool) -> None:
        # The watch here is closer than aiohttp's.
        super().__init__(
            server, loop=asyncio.get_running_loop(), auto_decompress=False,
            lingering_time=READ_ON_SECONDS, max_line_size=1 << 20, max_field_size=1 << 20,
        )  # fmt: skip
        self.refusals: deque[Refusal | None] = deque()  # one for each request that was not handled yet
        self._reader = Reader(secure=secure)
        self._open = 0  # requests that were not answered yet
        self._heard = 0.0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the watch."""
        super().connection_made(transport)
        self._stir()
        self._watch_from(self._heard)

    def data_received(self, data: bytes) -> None:
        """Pass on what is a request."""
        self._stir()
        if not data:  # a sign that there is room again
            super().data_received(data)
        for piece in self._reader.feed(data):
            if isinstance(piece, Head):
                self.refusals.append(piece.refusal)
                self._open += 1
            super().data_received(piece.data if isinstance(piece, Head) else piece)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the watch."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def answered(self) -> None:
        """Note that a request has its answer."""
        self._open -= 1
        self._stir()

    def _stir(self) -> None:
        self._heard = asyncio.get_running_loop().time()

    def _watch_from(self, since: float) -> None:
        self._watch = asyncio.get_running_loop().call_at(since + WAIT_SECONDS, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        if self.transport is None:
            return
        if (self._open and not self._reader.missing) or not self.transport.is_reading():
            self._watch_from(now)  # it is our turn
        elif now < self._heard + WAIT_SECONDS:
            self._watch_from(self._heard)
        else:
            self.transport.close()


def guarded(handler: Handler) -> Handler:
    """Let a handler see only what was not refused before."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, Connection):
            return await handler(request)
        refusal = connection.refusals.popleft()
        try:
            return await handler(request) if refusal is None else _answer(request, refusal)
        finally:
            connection.answered()

    return handle


def _answer(request: web.BaseRequest, refusal: Refusal) -> web.Response:
    answer = plain(refusal.status or 400, refusal.reason, refusal.text)
    answer.headers.update(refusal.headers)
    if not refusal.status and request.transport is not None:
        request.transport.close()
    return answer


def plain(status: int, reason: str, text: str) -> web.Response:
    """Return an answer without a type, after which the connection ends."""
    headers = {"Cache-Control": "max-age=0", "Pragma": "no-cache", "Server": "pve-api-daemon/3.0"}
    answer = web.Response(status=status, reason=reason, body=text.encode(), headers=headers)
    answer.headers.popall("Content-Type", None)
    answer.force_close()
    return answer


class Gate:
    """Takes the connections to a port of 127.0.0.1.

    Args:
        handler: Answers the requests.
    """

    def __init__(self, handler: Handler) -> None:
        self.port = 0
        self._server = web.Server(guarded(handler))
        self._taking: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None

    def open(self, context: ssl.SSLContext, port: int) -> None:
        """Take connections from now on; port 0 takes a free one."""
        self._socket = socket.create_server(("127.0.0.1", port), backlog=512)
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self._begin(self._take_all(self._socket, context))

    def shut(self) -> None:
        """Take no more connections."""
        for task in self._taking:
            task.cancel()
        if self._socket is not None:
            # Before its number is used again: the loop would take the next socket of that number for watched.
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def drop(self) -> None:
        """Break every connection."""
        for connection in list(self._server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def close(self) -> None:
        """End them all, those that are being answered a second later."""
        self.shut()
        self._server.pre_shutdown()
        await self._server.shutdown(1)

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _take_all(self, listening: socket.socket, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if len(self._server.connections) + len(self._taking) > MOST_CONNECTIONS:
                await asyncio.sleep(0.1)  # the others wait, as before PVE
                continue
            try:
                taken, _ = await loop.sock_accept(listening)
            except OSError:  # it went away again, or there is no room for its descriptor
                await asyncio.sleep(0.1)
                continue
            self._begin(self._take(taken, context))

    async def _take(self, taken: socket.socket, context: ssl.SSLContext) -> None:
        loop, limit = asyncio.get_running_loop(), None
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                first = await _peek(taken)
            secure = first[:1] >= bytes([_OLD_HELLO]) or first[0] == _HANDSHAKE
            limit = WAIT_SECONDS if secure else None
            await loop.connect_accepted_socket(
                lambda: Connection(self._server, secure=secure),
                taken,
                ssl=context if secure else None,
                ssl_handshake_timeout=limit,
                ssl_shutdown_timeout=limit,
            )
        except (OSError, IndexError, TimeoutError):
            taken.close()
        except asyncio.CancelledError:
            taken.close()
            raise


async def _peek(taken: socket.socket) -> bytes:
    """Return the first byte that comes, and leave it there; none where the other side hung up."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(taken, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(taken)
    with contextlib.suppress(BlockingIOError):
        return taken.recv(1, socket.MSG_PEEK)
    return b""
