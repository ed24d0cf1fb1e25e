"""The wheel holds exactly the tree's files, all of them below `atlas`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("agents", "generators", "conversations", "configs")


def tracked() -> set[str]:
    """Return the files that belong into the wheel, under the names that they have there."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    here = [path for path in listed if (ROOT / path).is_file() and not (ROOT / path).is_symlink()]
    return {p if p.startswith("atlas/") else f"atlas/{p}" for p in here if p.partition("/")[0] in ("atlas", *FOLDERS)}


def test_the_wheel_holds_what_the_tree_holds(tmp_path: Path) -> None:
    tree = tmp_path / "tree"  # a copy, since a build leaves its own folder in the tree
    shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns(".*", "build", "dist", "*.egg-info"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == tracked()
