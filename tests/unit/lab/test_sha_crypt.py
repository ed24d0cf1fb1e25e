"""Password hashes as Linux reads them."""

from __future__ import annotations

from atlas.lab.qemu_options import hashed
from atlas.lab.sha_crypt import sha256_crypt


def test_what_crypt_of_libc_gives() -> None:
    wanted = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
    assert sha256_crypt("Hello world!", "saltstring") == wanted


def test_a_clear_password_is_hashed_anew_each_time_and_a_hash_is_kept() -> None:
    first, second = hashed("secret"), hashed("secret")
    assert first != second
    assert sha256_crypt("secret", first.split("$")[2]) == first
    assert hashed(first) == first
