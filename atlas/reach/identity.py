"""ATLAS's own ssh key, one ed25519 key for each installation."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from atlas import privatefile
from atlas.errors import StateError


def identity(home: Path) -> Path:
    """Return the path of the private key, which is made at the first call; the public key lies beside it.

    Raises:
        StateError: It cannot be written, or others may read it.
    """
    path = home / "ssh" / "id_ed25519"
    try:
        if not path.exists():
            _make(path)
        if not path.with_suffix(".pub").exists():  # whoever made the key may not have come to it
            _publish(path)
        if path.stat().st_mode & 0o077:
            raise StateError(f"others may read ATLAS's private key {path}", f"chmod 600 {path}")
    except OSError as problem:
        raise StateError(f"cannot keep an ssh key at {path}: {problem.strerror}") from problem
    return path


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # By a link, which fails if another process was quicker.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(private)
    try:
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def _publish(path: Path) -> None:
    """Write the public key of a private one."""
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_ssh_private_key(path.read_bytes(), None)
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    privatefile.write(path.with_suffix(".pub"), f"{public.decode()} atlas\n")
