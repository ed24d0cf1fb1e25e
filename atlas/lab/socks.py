"""The words of SOCKS5 (RFC 1928), as far as a jump needs them: no login, CONNECT to an address. Pure."""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the ssh helper shares this module and starts faster without
    import asyncio

GRANTED, FAILED, NOT_ALLOWED, UNREACHABLE, REFUSED, BAD_COMMAND, BAD_ADDRESS = 0, 1, 2, 4, 5, 7, 8


class SocksError(Exception):
    """The request cannot be granted; `code` is the reply's."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    """Take a client's greeting and request.

    Returns:
        The IPv4 address and the port that the client wants.

    Raises:
        SocksError: another version, command or kind of address, or a name where an address is needed.
    """
    version, count = await reader.readexactly(2)
    if version != 5:
        raise SocksError(FAILED, f"SOCKS version {version} is not spoken here")
    methods = await reader.readexactly(count)
    if 0 not in methods:
        writer.write(b"\x05\xff")
        raise SocksError(FAILED, "the client insists on a login")
    writer.write(b"\x05\x00")
    _, command, _, kind = await reader.readexactly(4)
    if kind == 1:
        host = str(ipaddress.IPv4Address(await reader.readexactly(4)))
    elif kind == 3:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode("ascii", errors="replace")
    else:
        raise SocksError(BAD_ADDRESS, "only IPv4 addresses are known here")
    (port,) = struct.unpack("!H", await reader.readexactly(2))
    if command != 1:
        raise SocksError(BAD_COMMAND, "only CONNECT is known here")
    try:
        return str(ipaddress.IPv4Address(host)), port
    except ValueError as error:
        raise SocksError(UNREACHABLE, f"'{host}' is no address; guests are reached by address") from error


def request(host: str, port: int) -> bytes:
    """Word a client's request."""
    try:
        return b"\x05\x01\x00\x01" + ipaddress.IPv4Address(host).packed + struct.pack("!H", port)
    except ValueError:
        name = host.encode("idna")
        return b"\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack("!H", port)


def reply(code: int) -> bytes:
    """Word the answer to a request."""
    return bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0])
