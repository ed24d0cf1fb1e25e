"""`python -m atlas.lab.connect PROXY:PORT HOST PORT`: join stdin and stdout to HOST:PORT through a SOCKS5 proxy.

Made for ssh: `ProxyCommand python -m atlas.lab.connect 127.0.0.1:1080 %h %p`.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

from atlas.lab.socks import FAILED, GRANTED, REFUSED, UNREACHABLE, request

_WORDS = {FAILED: "the proxy failed", UNREACHABLE: "no answer", REFUSED: "connection refused", 2: "not a lab address"}


def main(arguments: list[str]) -> int:
    """Connect and copy until either side ends; 1 with one line on stderr if that fails."""
    if len(arguments) != 3 or ":" not in arguments[0] or not (arguments[0] + arguments[2]).rpartition(":")[2].isdigit():
        sys.stderr.write("usage: python -m atlas.lab.connect PROXY:PORT HOST PORT\n")
        return 2
    proxy, _, proxy_port = arguments[0].rpartition(":")
    host, port = arguments[1], int(arguments[2])
    try:
        link = socket.create_connection((proxy, int(proxy_port)), timeout=30)
        _ask(link, host, port)
        link.settimeout(None)
    except OSError as error:
        sys.stderr.write(f"{host}:{port} through {arguments[0]}: {error}\n")
        return 1
    threading.Thread(target=_upload, args=(link,), daemon=True).start()
    try:
        while data := link.recv(65536):
            _write_all(data)
    except OSError:
        return 1
    return 0


def _ask(link: socket.socket, host: str, port: int) -> None:
    link.sendall(b"\x05\x01\x00")
    if _exactly(link, 2) != b"\x05\x00":
        raise ConnectionError("this is no SOCKS5 proxy without login")
    link.sendall(request(host, port))
    code = _exactly(link, 10)[1]
    if code != GRANTED:
        raise ConnectionError(_WORDS.get(code, f"refused with code {code}"))


def _exactly(link: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = link.recv(count - len(data))
        if not more:
            raise ConnectionError("the proxy hung up")
        data += more
    return data


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def _upload(link: socket.socket) -> None:
    try:
        while data := os.read(0, 65536):
            link.sendall(data)
        link.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the other direction notices and ends the program


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
