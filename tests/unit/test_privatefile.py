"""Private files: their mode, whatever was there before, and nothing beside them."""

from __future__ import annotations

from pathlib import Path

from atlas import privatefile


def test_a_file_is_its_owners_alone_though_an_older_one_was_not(tmp_path: Path) -> None:
    file = tmp_path / "made" / "token"
    privatefile.write(file, "one")
    file.chmod(0o644)
    privatefile.write(file, "two ü")
    assert file.read_text(encoding="utf-8") == "two ü"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert list(file.parent.iterdir()) == [file]
