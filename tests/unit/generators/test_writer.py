"""The one writer: nothing gets out of its folder, nobody else may read, all files or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import GenerateError
from atlas.generators.writer import check_path, write_bundle


def test_files_are_for_the_owner_alone_and_replace_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "stack" / "bundle"
    write_bundle(folder, {"old.tf": "x", "a/b/c.yml": "1\r\n"})
    write_bundle(folder, {"main.tf": "ä", "a/d.yml": ""})
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == {"main.tf", "a/d.yml"}
    assert (folder / "main.tf").read_bytes() == "ä".encode()
    modes = {oct(p.stat().st_mode & 0o777) for p in [folder, *folder.rglob("*")] if p.is_dir()}
    assert modes == {"0o700"}
    assert {oct(p.stat().st_mode & 0o777) for p in folder.rglob("*") if p.is_file()} == {"0o600"}
    assert [p.name for p in folder.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "a/./b", "", ".", "a//b", "a/", "a\\b", "a\nb", "a\x00b", "~/../.."]
)
def test_paths_that_are_not_plainly_inside_are_refused_and_nothing_is_written(tmp_path: Path, path: str) -> None:
    with pytest.raises(GenerateError):
        write_bundle(tmp_path / "bundle", {"good.tf": "", path: ""})
    assert list(tmp_path.iterdir()) == []


@given(st.text(st.sampled_from("ab./\\~"), min_size=1, max_size=12))
def test_a_path_that_is_taken_stays_below_its_folder(path: str) -> None:
    try:
        check_path(path)
    except GenerateError:
        return
    top = "/top/folder"
    assert os.path.normpath(f"{top}/{path}") == f"{top}/{path}"


def test_a_bundle_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "bundle").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GenerateError):
        write_bundle(tmp_path / "bundle", {"main.tf": ""})
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_failure_leaves_the_former_bundle_whole(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    write_bundle(folder, {"main.tf": "first"})
    with pytest.raises(GenerateError):
        write_bundle(folder, {"a": "", "a/b": ""})  # a file cannot be a folder too
    assert (folder / "main.tf").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]
