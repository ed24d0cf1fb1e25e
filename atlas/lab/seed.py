"""Make the NoCloud seed of a machine: an ISO labelled `cidata` with the texts that cloud-init reads."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from atlas.lab.backend import BackendError

_NAMES = ("meta-data", "user-data", "network-config", "vendor-data")


def seed_files(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the seed: those of NoCloud's names that were given, and always user- and meta-data.

    Source: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
    """
    files = {name: texts[name] for name in _NAMES if texts.get(name)}
    files.setdefault("user-data", "#cloud-config\n{}\n")
    files.setdefault("meta-data", "instance-id: unset\n")
    return {name: re.sub(r"\r\n?", "\n", text) for name, text in files.items()}


async def write_seed(target: Path, texts: Mapping[str, str]) -> None:
    """Write the ISO, replacing an older one in one step.

    Raises:
        BackendError: neither genisoimage nor xorriso is there, or it failed.
    """
    program = next((name for name in ("genisoimage", "mkisofs", "xorrisofs") if shutil.which(name)), None)
    if program is None:
        raise BackendError("the cloud-init drive needs one more program: sudo apt-get install genisoimage")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".seed-") as work:
        names = []
        for name, text in seed_files(texts).items():
            (Path(work) / name).write_text(text)
            names.append(name)
        arguments = [program, "-quiet", "-volid", "cidata", "-joliet", "-rock", "-output", "seed.iso", *names]
        process = await asyncio.create_subprocess_exec(
            *arguments, cwd=work, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, complaint = await process.communicate()
        if process.returncode != 0:
            raise BackendError(f"the cloud-init drive could not be made: {complaint.decode(errors='replace').strip()}")
        iso = Path(work) / "seed.iso"
        iso.chmod(0o600)
        iso.replace(target)
