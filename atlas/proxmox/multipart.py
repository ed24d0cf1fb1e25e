"""A multipart body with one file, read a piece at a time; Proxmox VE wants to know its length before."""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Mapping
from typing import IO


class Multipart:
    """A file-like body: fields, then the file.

    Args:
        content: The open file.
        name: What the file is called there.
        fields: The other parameters; neither names nor values may hold line breaks or quotes.
    """

    def __init__(self, content: IO[bytes], name: str, fields: Mapping[str, str]) -> None:
        if any(sign in text for text in (name, *fields, *fields.values()) for sign in '\r\n"'):
            raise ValueError("a field of an upload holds a line break or a quote")
        edge = uuid.uuid4().hex
        self.type = f"multipart/form-data; boundary={edge}"
        before = "".join(
            f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        )
        before += f'--{edge}\r\nContent-Disposition: form-data; name="filename"; filename="{name}"\r\n'
        # Proxmox VE wants a type with each file.
        before += "Content-Type: application/octet-stream\r\n\r\n"
        self._parts: list[IO[bytes]] = [
            io.BytesIO(before.encode()),
            content,
            io.BytesIO(f"\r\n--{edge}--\r\n".encode()),
        ]
        self._length = len(before.encode()) + os.fstat(content.fileno()).st_size + len(edge) + 8

    def __len__(self) -> int:
        """Return how many bytes there are."""
        return self._length

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        while self._parts:
            piece = self._parts[0].read(size)
            if piece:
                return piece
            self._parts.pop(0)
        return b""
