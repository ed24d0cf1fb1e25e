"""The certificate of a server is read without trusting it; its fingerprint is the one that people compare."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from pathlib import Path

import pytest

from atlas import certificate
from atlas.errors import Unreachable
from atlas.lab.tls import server_context


def test_the_certificate_that_is_shown_is_the_servers(tmp_path: Path) -> None:
    context = server_context(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            raw, _ = listening.accept()
            with context.wrap_socket(raw, server_side=True) as connection:
                connection.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        shown = certificate.shown(f"https://127.0.0.1:{listening.getsockname()[1]}")
        thread.join(10)
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "server.pem").read_text())
    assert certificate.fingerprint(shown).replace(":", "").lower() == hashlib.sha256(der).hexdigest()
    assert len(certificate.fingerprint(shown).split(":")) == 32


def test_who_does_not_answer_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
        certificate.shown(f"https://127.0.0.1:{port}")
