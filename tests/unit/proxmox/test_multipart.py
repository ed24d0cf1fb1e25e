"""The body of an upload: what is announced is what is sent, and nothing in it can forge another part."""

from __future__ import annotations

from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from atlas.proxmox.multipart import Multipart


def test_the_body_holds_the_fields_and_the_file_and_is_as_long_as_it_says(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"\r\n--content\x00" * 1000)
    with file.open("rb") as content:
        body = Multipart(content, "a.qcow2", {"content": "import", "checksum": "ab"})
        pieces = list(iter(lambda: body.read(100), b""))
    whole = b"".join(pieces)
    assert len(whole) == len(body)
    assert max(map(len, pieces)) <= 100
    parts: Any = message_from_bytes(f"Content-Type: {body.type}\r\n\r\n".encode() + whole).get_payload()
    assert isinstance(parts, list)
    found = {p.get_param("name", header="content-disposition"): p for p in parts}
    assert list(found) == ["content", "checksum", "filename"]
    assert found["content"].get_payload() == "import"
    assert found["filename"].get_filename() == "a.qcow2"
    assert found["filename"].get_content_type() == "application/octet-stream"


@pytest.mark.parametrize(("name", "value"), [('a"b', "x"), ("a", "x\r\n--"), ("a\n", "x")])
def test_nothing_forges_another_part(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "x").touch()
    with (tmp_path / "x").open("rb") as content, pytest.raises(ValueError, match="line break"):
        Multipart(content, name, {"k": value})
