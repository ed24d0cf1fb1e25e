"""A nameserver for a lab network: it answers at every address that guests were told to ask, inside or outside.

The gateway answers name queries at its own address only, and what lies outside may be out of this computer's reach;
its own resolver knows the names either way.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

from atlas.lab.switch import Switch

_ANSWER_LIMIT = 5.0  # seconds
_ARP, _IPV4 = b"\x08\x06", b"\x08\x00"


class Resolver:
    """Take the ARP and DNS queries for its addresses off a switch, and answer them there."""

    def __init__(self, switch: Switch) -> None:
        self.addresses: set[bytes] = set()
        self._switch = switch
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, frame: bytes) -> None:
        """Drop what the switch sends here: all that matters was taken before."""

    def take(self, frame: bytes) -> bool:
        """Answer a frame if it is a query for one of the addresses; tell whether it was."""
        answer = arp_answer(frame, self.addresses)
        if answer is not None:
            self._switch.carry(answer, self)
            return True
        if query_of(frame, self.addresses) is None:
            return False
        task = asyncio.ensure_future(self._resolve(frame))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _resolve(self, frame: bytes) -> None:
        query = query_of(frame, self.addresses) or b""
        try:
            answer = await asyncio.to_thread(_ask, query, upstream(Path("/etc/resolv.conf")))
        except OSError:
            return  # no answer is what a nameserver without a way out gives as well
        self._switch.carry(dns_answer(frame, answer), self)


def mac_of(address: bytes) -> bytes:
    """Return the made-up MAC of one of the resolver's addresses."""
    return b"\x52\x56" + address


def arp_answer(frame: bytes, addresses: set[bytes]) -> bytes | None:
    """Return the answer to a frame that asks who has one of these addresses."""
    if frame[12:14] != _ARP or frame[20:22] != b"\x00\x01" or frame[38:42] not in addresses:
        return None
    wanted, asker = frame[38:42], frame[22:32]
    own = mac_of(wanted)
    return frame[6:12] + own + _ARP + frame[14:20] + b"\x00\x02" + own + wanted + asker


def query_of(frame: bytes, addresses: set[bytes]) -> bytes | None:
    """Return the DNS query in a frame for one of these addresses."""
    start = 14 + (frame[14] & 15) * 4 if len(frame) > 42 else 0
    if not start or frame[12:14] != _IPV4 or frame[23] != 17 or frame[30:34] not in addresses:
        return None
    _, port, length = struct.unpack_from("!HHH", frame, start)
    return frame[start + 8 : start + length] if port == 53 and length > 8 else None


def dns_answer(asked: bytes, answer: bytes) -> bytes:
    """Wrap a DNS answer into the frame that returns to the asker."""
    start = 14 + (asked[14] & 15) * 4
    (port,) = struct.unpack_from("!H", asked, start)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(answer), 0, 0x4000, 64, 17, 0) + asked[30:34] + asked[26:30]
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    # A UDP checksum of zero means that there is none.
    return asked[6:12] + asked[:6] + _IPV4 + header + struct.pack("!HHHH", 53, port, 8 + len(answer), 0) + answer


def checksum(header: bytes) -> int:
    """Return the Internet checksum of an even number of bytes (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def upstream(resolv_conf: Path) -> str:
    """Return this computer's first IPv4 nameserver."""
    for line in resolv_conf.read_text().splitlines() if resolv_conf.exists() else []:
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1 and ":" not in words[1]:
            return words[1]
    return "127.0.0.1"


def _ask(query: bytes, server: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(_ANSWER_LIMIT)
        link.connect((server, 53))
        link.send(query)
        return link.recv(4096)
