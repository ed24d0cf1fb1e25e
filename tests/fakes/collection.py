"""Ansible's collection `community.proxmox`: where it is, else unpacked once per machine; and its modules, run."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

NAME = "community.proxmox"
OLDEST = (2, 0)  # the modules that the tests are about came with it
ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements-collection.lock"
RUNNER = Path(__file__).with_name("module_runner.py")
SECONDS = 60.0


class Missing(Exception):
    """The collection cannot be had here."""


def folder() -> Path:
    """Return the folder that holds `ansible_collections` with the collection.

    Where Ansible finds none that is new enough, the package that holds all collections (50 MB, 21,000 files) is fetched
    once, and only this one is kept of it.

    Raises:
        Missing: with the reason, in one line.
    """
    program = Path(sys.executable).with_name("ansible-galaxy")
    words = [str(program), "collection", "list", NAME, "--format", "json"]
    listed = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False).stdout
    for path, found in json.loads(listed or "{}").items():
        if tuple(map(int, found[NAME]["version"].split(".")[:2])) >= OLDEST:
            return Path(path).parent
    return _unpacked()


def _unpacked() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atlas-tests"
    kept = cache / LOCK.read_text(encoding="utf-8").split()[0].replace("==", "-")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:  # several processes of tests may come at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=cache) as made:
                _fetch(Path(made))
                (Path(made) / "kept").rename(kept)
    return kept


def _fetch(into: Path) -> None:
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    words = [uv, "tool", "run", "-q", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    words += ["--require-hashes", "--only-binary=:all:", "--python-version", "3.13", "-r", str(LOCK), "-d", str(into)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Missing(f"cannot be fetched: {problem}") from problem
    wheel = next(into.glob("*.whl"), None)
    if done.returncode or wheel is None:
        raise Missing(f"cannot be fetched: {(done.stderr.strip() or 'no package').splitlines()[-1]}")
    with zipfile.ZipFile(wheel) as packed:
        part = f"ansible_collections/{NAME.replace('.', '/')}/"
        packed.extractall(into / "kept", [name for name in packed.namelist() if name.startswith(part)])


class Modules:
    """Modules of the collection, unmodified, each run in a process of its own.

    Args:
        at: The folder with `ansible_collections`.
        access: The parameters that every module takes: where the API is, and who asks.
    """

    def __init__(self, at: Path, access: dict[str, Any]) -> None:
        self.access = access
        self._runner = subprocess.Popen(
            [sys.executable, str(RUNNER), str(at)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, module: str, /, *, check: bool = False, **parameters: Any) -> dict[str, Any]:
        """Run a module to its end and return what it says, whether it failed or not."""
        given = {**self.access, **parameters, **({"_ansible_check_mode": True} if check else {})}
        assert self._runner.stdin is not None
        assert self._runner.stdout is not None
        self._runner.stdin.write(json.dumps({"module": module, "parameters": given}) + "\n")
        self._runner.stdin.flush()
        said: dict[str, Any] = json.loads(self._runner.stdout.readline())
        return said

    def __call__(self, module: str, /, **parameters: Any) -> dict[str, Any]:
        """Run a module that must not fail."""
        said = self.run(module, **parameters)
        assert not said.get("failed"), (module, parameters, said)
        return said

    def once(self, module: str, /, **parameters: Any) -> dict[str, Any]:
        """Run a module twice: the first run changes something, the second finds nothing to do."""
        first = self(module, **parameters)
        assert first.get("changed"), (module, parameters, first)
        second = self(module, **parameters)
        assert not second.get("changed"), (module, parameters, second)
        return first

    def end(self) -> None:
        """End the process that runs them."""
        assert self._runner.stdin is not None
        self._runner.stdin.close()
        self._runner.wait(10)
