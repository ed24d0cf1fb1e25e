"""A learning Ethernet switch over stream sockets: a 4-byte big-endian length, then the frame."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from typing import Protocol, cast

_LONGEST = 65536 + 14  # bytes: QEMU may hand over frames grown by segmentation offload
_BACKLOG = 4 * 1024 * 1024  # bytes that a slow port may owe before its frames are dropped, as a real switch does


class Sink(Protocol):
    """What takes frames at a port."""

    def send(self, frame: bytes) -> None:
        """Take one frame."""


class Switch:
    """Carry frames between ports; `watch` sees each frame once, when it comes in, and may keep it by saying True."""

    def __init__(self, watch: Callable[[bytes], bool] | None = None) -> None:
        self._ports: set[Sink] = set()
        self._known: dict[bytes, Sink] = {}
        self.watch = watch

    def join(self, port: Sink) -> None:
        """Add a port."""
        self._ports.add(port)

    def leave(self, port: Sink) -> None:
        """Drop a port and what was learnt about it."""
        self._ports.discard(port)
        self._known = {mac: known for mac, known in self._known.items() if known is not port}

    def carry(self, frame: bytes, source: Sink) -> None:
        """Learn the frame's sender and pass it to the one port that knows its receiver, else to all others."""
        if len(frame) < 14:
            return
        receiver, sender = frame[:6], frame[6:12]
        if not sender[0] & 1:
            self._known[sender] = source
        if self.watch is not None and self.watch(frame):
            return
        target = None if receiver[0] & 1 else self._known.get(receiver)
        for port in [target] if target is not None else list(self._ports):
            if port is not source:
                port.send(frame)


class Port(asyncio.Protocol):
    """One cable: cut the byte stream into frames for the switch, and write frames to it."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the switch."""
        self._transport = cast("asyncio.Transport", transport)
        self._switch.join(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Leave the switch."""
        self._switch.leave(self)

    def data_received(self, data: bytes) -> None:
        """Hand each whole frame to the switch; hang up on what cannot be a frame."""
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= 4:
            (length,) = struct.unpack_from("!I", self._buffer, at)
            if length > _LONGEST:
                if self._transport is not None:
                    self._transport.abort()
                return
            if len(self._buffer) - at - 4 < length:
                break
            self._switch.carry(bytes(self._buffer[at + 4 : at + 4 + length]), self)
            at += 4 + length
        del self._buffer[:at]

    def send(self, frame: bytes) -> None:
        """Write one frame, or drop it where too many wait."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size() > _BACKLOG:
            return
        with contextlib.suppress(OSError):
            transport.write(struct.pack("!I", len(frame)) + frame)


def handshake(frame: bytes) -> tuple[str, int, int, bool] | None:
    """Read the answer to a TCP connection attempt out of a frame.

    Returns:
        (address that answers, its port, port of the one who asked, whether it accepted), or None for any other
        frame.
    """
    if len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return None
    start = 14 + (frame[14] & 15) * 4
    if len(frame) < start + 14:
        return None
    flags = frame[start + 13]
    accepted, refused = flags & 0x12 == 0x12, bool(flags & 0x04)
    if not (accepted or refused):
        return None
    own, asked = struct.unpack_from("!HH", frame, start)
    return ".".join(str(byte) for byte in frame[26:30]), own, asked, accepted and not refused
