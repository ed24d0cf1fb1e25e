"""Find out once for each boot of this computer whether KVM really runs a guest; else emulate."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from atlas.lab.image import Image, cache_folder

EMULATED = "tcg,thread=multi,tb-size=128"  # without tb-size the translation cache grows to a gigabyte
_PROBE_LIMIT = 8.0  # seconds; with working KVM the kernel's first line comes within one


async def accelerator(image: Image | None) -> str:
    """Return `kvm` or the emulator; the answer is kept beside the images until the next boot.

    Args:
        image: whose kernel tries it; None tries with QEMU's own firmware alone.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return EMULATED
    boot = await asyncio.to_thread(Path("/proc/sys/kernel/random/boot_id").read_text)
    note = cache_folder() / "accelerator"
    known = note.read_text().split() if note.exists() else []
    if known[:1] == [boot.strip()]:
        return known[1]
    answer = "kvm" if await _boots(image) else EMULATED
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(f"{boot.strip()} {answer}\n")
    return answer


async def _boots(image: Image | None) -> bool:
    """Start a kernel, or the firmware, under KVM and wait for its first word."""
    with tempfile.TemporaryDirectory(prefix="lab-kvm-") as work:
        console = Path(work) / "console"
        if image is not None:
            arguments = "console=ttyS0 earlyprintk=serial panic=-1"
            how = ["-serial", f"file:{console}", "-kernel", str(image.kernel), "-append", arguments]
        else:  # 0x402 is where SeaBIOS logs
            how = ["-chardev", f"file,id=log,path={console}", "-device", "isa-debugcon,iobase=0x402,chardev=log"]
        process = await asyncio.create_subprocess_exec(
            "qemu-system-x86_64", "-M", "pc", "-accel", "kvm", "-cpu", "host", "-m", "256", "-display", "none",
            "-nodefaults", "-no-reboot", *how,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip

        def spoke() -> bool:
            return console.exists() and (b"Linux version" if image else b"SeaBIOS") in console.read_bytes()

        try:
            async with asyncio.timeout(_PROBE_LIMIT):
                while process.returncode is None:
                    if spoke():
                        return True
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return False
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        return spoke()
