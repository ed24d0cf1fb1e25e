"""Build the guests' image once with mmdebstrap and keep it: a qcow2 disk with its kernel and initrd beside it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from atlas.lab.backend import BackendError
from atlas.lab.recipe import FINISH, IMAGES, PACKAGES, overlay

_BUILD_LIMIT = 1800  # seconds; a slow mirror is waited for, a hanging one is not


@dataclass(frozen=True)
class Image:
    """A built image: a bootable root disk without a boot loader, the kernel and the initrd that start it."""

    folder: Path

    @property
    def disk(self) -> Path:
        """The root file system as qcow2; never written to."""
        return self.folder / "disk.qcow2"

    @property
    def kernel(self) -> Path:
        """The kernel, for `-kernel`."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initial RAM disk, for `-initrd`."""
        return self.folder / "initrd.img"


def cache_folder() -> Path:
    """Return where images are kept: `$ATLAS_CACHE_DIR/images`, else below the user's cache folder."""
    given = os.environ.get("ATLAS_CACHE_DIR")
    if given:
        return Path(given) / "images"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atlas" / "images"


def lacking() -> str | None:
    """Say in one line which programs real guests still need and the command that installs them, or None."""
    packages = {
        "qemu-system-x86_64": "qemu-system-x86",
        "qemu-img": "qemu-utils",
        "genisoimage": "genisoimage",
        "mmdebstrap": "mmdebstrap",
        "mke2fs": "e2fsprogs",
    }
    if os.geteuid() != 0:
        packages["newuidmap"] = "uidmap"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = sorted({package for program, package in packages.items() if not shutil.which(program, path=path)})
    if not missing:
        return None
    return f"real guests need more programs: sudo apt-get install {' '.join(missing)}"


def ready(name: str) -> Image | None:
    """Return the image if it is built already."""
    image = Image(cache_folder() / f"{name}-{_key(name, *machine_apt(name))}")
    return image if image.disk.exists() else None


def build(name: str) -> Image:
    """Return the image, building it first if need be: about a minute and 0.5 GB; one build at a time.

    Raises:
        BackendError: there is no recipe of that name, a program is missing, or the mirror did not answer.
    """
    if name not in IMAGES:
        raise BackendError(f"no image '{name}' can be built here; known: {', '.join(sorted(IMAGES))}")
    sources, proxy = machine_apt(name)
    cache = cache_folder()
    target = Image(cache / f"{name}-{_key(name, sources, proxy)}")
    if target.disk.exists():
        return target
    problem = lacking()
    if problem:
        raise BackendError(problem)
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{name}.lock"):
        if not target.disk.exists():
            _make(IMAGES[name], sources, proxy, target)
    return target


def apt_lines(targets: str, suite: str) -> list[str]:
    """Pick the Debian archives of one suite out of apt's own list of index targets.

    Args:
        targets: lines `URI|release|component|created-by` as `apt-get indextargets` prints them.
        suite: the release's code name; its `-updates` and `-security` are taken along.
    """
    lines: list[str] = []
    for row in targets.splitlines():
        uri, release, component = [*row.split("|"), "", ""][:3]
        wanted = release in (suite, f"{suite}-updates", f"{suite}-security")
        line = f"deb {uri.rstrip('/')} {release} main"
        if wanted and component == "main" and re.fullmatch(r"https?://\S+", uri) and line not in lines:
            lines.append(line)
    return lines if any(f" {suite} " in line for line in lines) else []


def machine_apt(name: str) -> tuple[list[str], str]:
    """Return the machine's own Debian archives for the image, and the proxy that its apt uses.

    Without a Debian archive among apt's sources (an Ubuntu machine) mmdebstrap takes its own default.
    """
    asked = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    targets = _output("apt-get", "indextargets", "--format", asked, "Created-By: Packages")
    settings = _output("apt-config", "shell", "PROXY", "Acquire::http::Proxy")
    match = re.search(r"PROXY='([^']*)'", settings)
    proxy = match.group(1) if match else os.environ.get("http_proxy", "")
    return apt_lines(targets, IMAGES.get(name, name)), proxy


def _key(name: str, sources: Sequence[str], proxy: str) -> str:
    """Hash all that decides what is in the image."""
    recipe = [name, platform.machine(), PACKAGES, FINISH, overlay(_reachable(proxy)), list(sources)]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]


def _reachable(proxy: str) -> str:
    """A proxy on this machine's loopback is none inside a guest."""
    host = urlsplit(proxy).hostname or ""
    return "" if host.startswith("127.") or host in ("", "localhost", "::1") else proxy


def _make(suite: str, sources: Sequence[str], proxy: str, target: Image) -> None:
    """Run mmdebstrap and move its result into place in one step."""
    with tempfile.TemporaryDirectory(dir=target.folder.parent, prefix=".build-") as work:
        made = Image(Path(work) / "image")
        made.folder.mkdir()
        _write_tar(Path(work) / "overlay.tar", overlay(_reachable(proxy)))
        command = [
            "mmdebstrap",
            "--variant=apt",
            "--format=null",
            f"--include={','.join(PACKAGES)}",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            *([f'--aptopt=Acquire::http::Proxy "{proxy}"'] if proxy and '"' not in proxy else []),
            # Before the packages, so that the initrd is made once and right.
            f"--essential-hook=tar-in {Path(work) / 'overlay.tar'} /",
            f"--customize-hook={FINISH}",
            f"--customize-hook=download /disk.qcow2 {made.disk}",
            f"--customize-hook=download /vmlinuz.out {made.kernel}",
            f"--customize-hook=download /initrd.out {made.initrd}",
            suite,
            "-",
            *sources,
        ]
        environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
        log = target.folder.parent / f"{target.folder.name}.log"
        with log.open("wb") as out:
            try:
                subprocess.run(
                    command, check=True, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment,
                    timeout=_BUILD_LIMIT,
                )  # fmt: skip
            except (subprocess.SubprocessError, OSError) as error:
                tail = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("E:")]
                reason = tail[0] if tail else f"mmdebstrap: {type(error).__name__}"
                raise BackendError(f"the image could not be built: {reason} (all of it: {log})") from error
        for file in (made.disk, made.kernel, made.initrd):
            file.chmod(0o444)
        made.folder.rename(target.folder)


def _write_tar(path: Path, files: dict[str, str]) -> None:
    with tarfile.open(path, "w") as archive:
        folders = sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) != "."})
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, text in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return ""  # no apt on this machine: nothing to take from it
