"""The gate: once shut, its descriptor is free for others."""

from __future__ import annotations

import asyncio
import socket
import ssl

from aiohttp import web

from atlas.lab.gate import Gate


async def nobody(_: web.BaseRequest) -> web.StreamResponse:
    raise AssertionError("nobody calls")


async def test_the_next_socket_of_a_shut_gates_number_is_heard() -> None:
    gate = Gate(nobody)
    gate.open(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), 0)
    await asyncio.sleep(0)  # let it begin to wait for connections
    assert gate._socket is not None
    number = gate._socket.fileno()
    gate.shut()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert number in (ours.fileno(), theirs.fileno())
        mine, other = (ours, theirs) if ours.fileno() == number else (theirs, ours)
        ready = asyncio.Event()
        asyncio.get_running_loop().add_reader(mine, ready.set)
        other.send(b"x")
        async with asyncio.timeout(5):
            await ready.wait()
        asyncio.get_running_loop().remove_reader(mine)
    await gate.close()
