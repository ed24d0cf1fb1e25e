"""SHA-256 crypt, the form in which Linux keeps passwords: cloud-init hands it to the guest as it is."""

from __future__ import annotations

import hashlib
import secrets

_DIGITS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDER = (
    *((0, 10, 20), (21, 1, 11), (12, 22, 2), (3, 13, 23), (24, 4, 14)),
    *((15, 25, 5), (6, 16, 26), (27, 7, 17), (18, 28, 8), (9, 19, 29)),
)
_ROUNDS = 5000


def _stretched(block: bytes, length: int) -> bytes:
    """Repeat a block up to a length."""
    return (block * (length // len(block) + 1))[:length]


def _digits(value: int, count: int) -> str:
    return "".join(_DIGITS[value >> 6 * n & 63] for n in range(count))


def sha256_crypt(password: str, salt: str | None = None) -> str:
    """Hash a password.

    Args:
        password: the clear text.
        salt: up to 16 characters; eight random ones if left out.

    Returns:
        `$5$SALT$HASH`.

    Source: https://www.akkadia.org/drepper/SHA-crypt.txt
    """
    salt = salt or "".join(secrets.choice(_DIGITS) for _ in range(8))
    key, grain = password.encode(), salt.encode()
    other = hashlib.sha256(key + grain + key).digest()
    mixed = key + grain + _stretched(other, len(key))
    length = len(key)
    while length:
        mixed += other if length & 1 else key
        length >>= 1
    digest = hashlib.sha256(mixed).digest()
    p = _stretched(hashlib.sha256(key * len(key)).digest(), len(key))
    s = _stretched(hashlib.sha256(grain * (16 + digest[0])).digest(), len(grain))
    for number in range(_ROUNDS):
        odd = number % 2
        text = (p if odd else digest) + (s if number % 3 else b"") + (p if number % 7 else b"")
        digest = hashlib.sha256(text + (digest if odd else p)).digest()
    shown = "".join(_digits(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in _ORDER)
    return f"$5${salt}${shown}{_digits(digest[31] << 8 | digest[30], 3)}"
