"""The certificate that a server shows, read before anybody trusts it, and its fingerprint as people compare it."""

from __future__ import annotations

import hashlib
import ssl
from urllib.parse import urlsplit

from atlas.errors import Unreachable

PORT = 8006
SECONDS = 10.0


def shown(endpoint: str) -> str:
    """Return the certificate of a server as PEM; nothing else is sent there.

    Raises:
        Unreachable: It does not answer, or not with TLS.
    """
    where = urlsplit(endpoint)
    try:
        return ssl.get_server_certificate((where.hostname or "", where.port or PORT), timeout=SECONDS)
    except (OSError, ValueError) as problem:
        raise Unreachable(
            f"{endpoint} does not answer: {_words(problem)}",
            "is the address right, and does a firewall let you through?",
        ) from problem


def _words(problem: Exception) -> str:
    return (isinstance(problem, OSError) and problem.strerror) or str(problem)


def fingerprint(pem: str) -> str:
    """Return the SHA-256 fingerprint of a certificate as Proxmox VE shows it, `AB:CD:…`."""
    digits = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    return ":".join(digits[i : i + 2] for i in range(0, 64, 2))
