"""A web server on loopback that has every image and template that it is asked for: empty ones."""

from __future__ import annotations

import io
import struct
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_CLUSTER = 1 << 16


def empty_qcow2(size: int) -> bytes:
    """Return a qcow2 image of that many bytes in which nothing is written."""
    tables = -(-size // (_CLUSTER * _CLUSTER // 8))
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, size, 0, tables, 3 * _CLUSTER, _CLUSTER, 1, 0, 0)
    counts = struct.pack(">Q", 2 * _CLUSTER), struct.pack(">4H", 1, 1, 1, 1)  # of header, these two, and the table
    return b"".join(part.ljust(_CLUSTER, b"\0") for part in (head, *counts, b"\0" * tables * 8))


def empty_archive() -> bytes:
    """Return a tar.xz with one empty folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as archive:
        folder = tarfile.TarInfo("./etc")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    return out.getvalue()


@contextmanager
def serving() -> Iterator[str]:
    """Serve on loopback and yield the address, without a slash at its end."""
    image, archive = empty_qcow2(7 * 512 * 1024**2), empty_archive()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            body = archive if ".tar" in self.path else image
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
