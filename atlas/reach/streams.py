"""A byte stream to a guest's port: straight, by a jump host, or by the profile's proxy command."""

from __future__ import annotations

import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from atlas.settings import Ssh


@contextmanager
def stream(how: Ssh, direct: bool, address: str, port: int, seconds: float) -> Iterator[socket.socket]:
    """Open a connection to `address:port`.

    Args:
        how: The profile's jump or proxy command.
        direct: Whether guests are reached without either.
        address: An IP address.
        port: A TCP port.
        seconds: The patience for connecting and for each read.

    Raises:
        OSError: It cannot be opened. A proxy that gives up shows as an empty read.
    """
    if direct:
        with socket.create_connection((address, port), seconds) as plain:
            yield plain
        return
    ours, theirs = socket.socketpair()
    ours.settimeout(seconds)
    try:
        process = subprocess.Popen(
            command(how, address, port), stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL
        )
    finally:
        theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.terminate()
        process.wait(10)


def command(how: Ssh, address: str, port: int) -> list[str]:
    """Return the program that carries a stream on its standard input and output."""
    host = str(ip_address(address))
    if how.proxy_command:
        # ssh's own tokens, after splitting: nothing that is filled in can become a word of its own.
        fill = {"%h": host, "%p": str(port), "%%": "%"}
        return [_filled(word, fill) for word in shlex.split(how.proxy_command)]
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ["ssh", "-o", "BatchMode=yes", "-W", target, str(how.jump)]


def _filled(word: str, fill: dict[str, str]) -> str:
    out, i = "", 0
    while i < len(word):
        pair = word[i : i + 2]
        out += fill.get(pair, word[i])
        i += 2 if pair in fill else 1
    return out
