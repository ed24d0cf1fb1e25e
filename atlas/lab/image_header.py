"""What an image file from outside says about itself in its first bytes: its size, and other files it wants."""

from __future__ import annotations

import struct
from pathlib import Path

from atlas.lab.call import PVEError

_QCOW2, _VMDK = b"QFI\xfb", b"KDMV"
_DATA_FILE = 1 << 2  # an incompatible feature of qcow2: the data lies in another file


def inner_size(path: str, form: str | None, shown: str) -> int:
    """Return how many bytes a guest would see of an image.

    Args:
        path: where the file is.
        form: `raw`, `qcow2` or `vmdk`, as its name claims; None finds out.
        shown: the path that PVE's words name.

    Raises:
        PVEError: it is no such image, or it would draw in another file.
    """
    with Path(path).open("rb") as file:
        head = file.read(112)
        length = file.seek(0, 2)
    found = "qcow2" if head.startswith(_QCOW2) else "vmdk" if head.startswith(_VMDK) else "raw"
    form = form or found
    if form == "raw":
        return -(-length // 512) * 512
    if form != found or len(head) < 32:
        raise PVEError(500, "failed to query file information with qemu-img")
    if form == "vmdk":
        return int(struct.unpack("<Q", head[12:20])[0]) * 512
    version, backing = struct.unpack(">IQ", head[4:16])
    if backing:
        raise PVEError(500, f"backing file not allowed for untrusted image '{shown}'!")
    if version >= 3 and len(head) >= 80 and struct.unpack(">Q", head[72:80])[0] & _DATA_FILE:
        raise PVEError(500, f"{shown}: 'data-file' references are not allowed!")
    return int(struct.unpack(">Q", head[24:32])[0])
