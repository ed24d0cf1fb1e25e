"""The lab's own image as a cloud image: with partition table and boot loader, so that any hypervisor boots it."""

from __future__ import annotations

import json
import os
import secrets
import struct
import subprocess
import tempfile
from pathlib import Path

from atlas.lab.backend import BackendError
from atlas.lab.image import build, machine_apt
from atlas.lab.recipe import IMAGES, KERNEL_ARGUMENTS

SECTOR = 512
GAP = 1 << 20  # bytes before the partition; the boot loader lies in it
_LIMIT = 900  # seconds

_MODULES = "biosdisk part_msdos ext2 linux search search_label serial terminal boot"
_CONFIG = f"""\
serial --unit=0 --speed=115200
terminal_output serial
search --no-floppy --label --set=root lab-root
linux /vmlinuz {KERNEL_ARGUMENTS}
initrd /initrd.img
boot
"""
# A shell outside the loader's root, which is `$1`: what it needs at boot goes into one file, so that the disk has none.
_MAKE = f"""\
set -eu
cat >"$1"/early.cfg <<'END'
{_CONFIG}END
chroot "$1" grub-mkimage -O i386-pc -c /early.cfg -p /boot/grub -o /core.img {_MODULES}
cp "$1"/usr/lib/grub/i386-pc/boot.img "$1"/boot.img
"""


def cloud_image(name: str, target: Path) -> None:
    """Write an image that is built here as one qcow2 file that boots by itself: about a minute.

    Args:
        name: Of the image, `debian-12`.
        target: The file.

    Raises:
        BackendError: The image or its boot loader could not be made.
    """
    built = build(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="atlas-lab-cloud-", dir=target.parent) as folder:
        work = Path(folder)
        boot, core = _loader(IMAGES[name], machine_apt(name), work)
        (work / "head.raw").write_bytes(head(boot, core, _size(built.disk)))
        _run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(work / "head.raw"), str(work / "head.qcow2"))
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        inputs = (str(work / "head.qcow2"), str(built.disk))  # which are laid one after the other
        _run("qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", *inputs, str(part))
        part.replace(target)


def head(boot: bytes, core: bytes, size: int) -> bytes:
    """Return what lies before the partition: the boot sector with its table, then the boot loader.

    Args:
        boot: GRUB's boot sector, which loads what follows it.
        core: GRUB itself; its first sector knows how long it is.
        size: The partition's, in bytes.

    Raises:
        BackendError: The boot loader is too long.
    """
    if len(boot) != SECTOR or SECTOR + len(core) > GAP:
        raise BackendError("the boot loader does not fit before the partition")
    # Bootable, Linux, addressed by sectors alone. Source: the layout of a master boot record.
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", GAP // SECTOR, size // SECTOR)
    sector = boot[:440] + secrets.token_bytes(4) + b"\0\0" + entry.ljust(64, b"\0") + b"\x55\xaa"
    return (sector + core).ljust(GAP, b"\0")


def _loader(suite: str, apt: tuple[list[str], str], work: Path) -> tuple[bytes, bytes]:
    """Take GRUB from the distribution's packages, without installing anything here."""
    sources, proxy = apt
    command = [
        "mmdebstrap",
        "--variant=essential",
        "--format=null",
        "--include=grub-pc-bin",
        *([f'--aptopt=Acquire::http::Proxy "{proxy}"'] if proxy and '"' not in proxy else []),
        f"--customize-hook={_MAKE}",
        f"--customize-hook=download /boot.img {work / 'boot.img'}",
        f"--customize-hook=download /core.img {work / 'core.img'}",
        suite,
        "-",
        *sources,
    ]
    _run(*command)
    return (work / "boot.img").read_bytes(), (work / "core.img").read_bytes()


def _size(disk: Path) -> int:
    return int(json.loads(_run("qemu-img", "info", "--output=json", str(disk)))["virtual-size"])


def _run(*command: str) -> str:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment,
            timeout=_LIMIT,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        said = [line for line in error.stderr.splitlines() if line.strip()]
        raise BackendError(f"{command[0]} failed: {said[-1] if said else error.returncode}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise BackendError(f"{command[0]} could not be run: {error}") from error
    return done.stdout
