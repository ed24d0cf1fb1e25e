"""A web server on loopback that offers files, as an image's vendor does; and images small enough for tests."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def origin(files: Mapping[str, bytes], headers: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Serve files by name and yield the address, which ends with a slash."""

    async def answer(request: web.BaseRequest) -> web.Response:
        body = files.get(request.path.lstrip("/"))
        if body is None:
            return web.Response(status=404)
        return web.Response(body=body, headers={"Content-Type": "application/x-qemu-disk; v=1", **(headers or {})})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def qcow2(size: int, *, backing: int = 0, features: int = 0) -> bytes:
    """Return an image's first bytes: what tells its size, and whether it wants other files."""
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 3, backing, 0, 16, size, 0, 0, 0, 0, 0, 0, 0)
    return (head + struct.pack(">Q", features)).ljust(512, b"\0")


def vmdk(sectors: int) -> bytes:
    """Return the first bytes of a sparse vmdk."""
    return struct.pack("<4sIIQ", b"KDMV", 1, 3, sectors).ljust(512, b"\0")
