"""ATLAS's own ssh key: made once, private, and whole after a process that was killed while it made it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from atlas.errors import StateError
from atlas.reach.identity import identity


def test_the_public_key_is_that_of_the_private_one(tmp_path: Path) -> None:
    key = identity(tmp_path)
    asked = subprocess.run(["ssh-keygen", "-y", "-f", str(key)], capture_output=True, text=True, check=True)
    assert key.with_suffix(".pub").read_text() == f"{asked.stdout.strip()} atlas\n"
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_public_key_that_is_missing_is_made_from_the_private_one(tmp_path: Path) -> None:
    public = identity(tmp_path).with_suffix(".pub")
    before = public.read_text()
    public.unlink()  # as after a kill between the two
    assert identity(tmp_path).with_suffix(".pub").read_text() == before


def test_those_who_make_it_at_once_agree(tmp_path: Path) -> None:
    words = "import pathlib, sys; from atlas.reach.identity import identity; identity(pathlib.Path(sys.argv[1]))"
    makers = [subprocess.Popen([sys.executable, "-c", words, str(tmp_path)]) for _ in range(4)]
    assert [maker.wait(60) for maker in makers] == [0] * 4
    private = tmp_path / "ssh" / "id_ed25519"
    asked = subprocess.run(["ssh-keygen", "-y", "-f", str(private)], capture_output=True, text=True, check=True)
    assert private.with_suffix(".pub").read_text().startswith(asked.stdout.strip())
    assert sorted(p.name for p in (tmp_path / "ssh").iterdir()) == ["id_ed25519", "id_ed25519.pub"]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    identity(tmp_path).chmod(0o640)
    with pytest.raises(StateError, match="others may read"):
        identity(tmp_path)
