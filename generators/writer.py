"""The one writer that persists `{path: text}`; nothing it is given gets out of its folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from atlas.errors import GenerateError


def write_bundle(folder: Path, files: Mapping[str, str]) -> None:
    """Replace a folder by exactly these files: folders 0700, files 0600, all of them or none.

    Args:
        folder: The bundle's folder; what it held before is gone afterwards.
        files: Text by relative path with forward slashes.

    Raises:
        GenerateError: A path leaves the folder or is used twice, or the disk refuses (full, no right).
    """
    for path in files:
        check_path(path)
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mkdtemp gives 0700
    try:
        for path, text in files.items():
            _write(draft / path, text, draft)
        _swap(draft, folder)
    except OSError as problem:
        raise GenerateError(f"cannot write {folder}: {problem.strerror}", "look at the disk's space and rights") from (
            problem
        )
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_path(path: str) -> None:
    """Refuse a path that is not plainly below its folder.

    Raises:
        GenerateError: It is absolute, has `..` or empty parts, a backslash or a control character.
    """
    parts = PurePosixPath(path).parts
    plain = bool(parts) and "/".join(parts) == path and ".." not in parts and not path.startswith("/")
    if not plain or "\\" in path or any(ord(c) < 32 or ord(c) == 127 for c in path):
        raise GenerateError(f"{path!r} is not a path inside a bundle")


def _write(target: Path, text: str, top: Path) -> None:
    for parent in reversed([p for p in target.parents if p != top and p.is_relative_to(top)]):
        parent.mkdir(exist_ok=True, mode=0o700)
    # O_EXCL: a draft is new, so a file that exists is a path given twice (a case-insensitive disk).
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
        out.write(text)


def _swap(draft: Path, folder: Path) -> None:
    if folder.is_symlink():
        raise GenerateError(f"{folder} is a link; a bundle is written to a folder only")
    former = draft.with_name(f"{draft.name}.old")
    if folder.exists():
        folder.rename(former)
    draft.rename(folder)
    shutil.rmtree(former, ignore_errors=True)
