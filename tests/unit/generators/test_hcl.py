"""Quoting: whatever comes from outside, Terraform reads back the same text and evaluates nothing of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import GenerateError
from atlas.generators.hcl import hcl, quote

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
NASTY = [
    "${file(\"/etc/passwd\")}", "%{ for x in y }", "$${a}", "$$${a}", "%%{a}", "$", "$$", "%", "a\nb\r\n\tc", '"', "\\",
    '\\"', "\\${x}", "${", "}", "\x01\x1f\x7f", "\u0085\u2028\u2029\ufeff", "é😀", "<<EOT\nEOT", "# c", "/* */", "",
]  # fmt: skip


def read(literal: str) -> str:
    """Read an HCL string literal by the rules of the language, independently of what wrote it."""
    assert literal.startswith('"')
    assert literal.endswith('"')
    body, out, i = literal[1:-1], [], 0
    while i < len(body):
        if body[i] == "\\":
            code = body[i + 1]
            if code == "u":
                out.append(chr(int(body[i + 2 : i + 6], 16)))
                i += 6
                continue
            out.append({"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}[code])
            i += 2
        elif body[i : i + 3] in ("$${", "%%{"):
            out.append(body[i + 1 : i + 3])
            i += 3
        else:
            assert body[i] != '"'
            assert body[i : i + 2] not in ("${", "%{"), "it would be interpolated"
            out.append(body[i])
            i += 1
    return "".join(out)


@given(TEXTS)
def test_a_literal_reads_back_as_the_same_text_on_one_line(text: str) -> None:
    literal = quote(text)
    assert read(literal) == text
    assert not re.search(r"[\x00-\x1f\x7f]", literal)


@given(st.lists(st.sampled_from(["$", "%", "{", "}", "\\", '"', "\n", "a", "${", "%{", "$$"])).map("".join))
def test_no_mixture_of_the_special_characters_gets_through(text: str) -> None:
    assert read(quote(text)) == text


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_what_no_literal_can_hold_is_refused(text: str) -> None:
    with pytest.raises(GenerateError):
        quote(text)


def test_a_foreign_type_is_refused_rather_than_written_by_its_looks() -> None:
    with pytest.raises(GenerateError):
        hcl(Path("/x"))


@pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no terraform on PATH")
def test_terraform_itself_reads_the_same_texts_and_finds_nothing_to_format(tmp_path: Path) -> None:
    values = {
        "texts": NASTY,
        "keys": {text: [text] for text in NASTY if text},
        "deep": [{"a b": {"x": None, "yy": 1.5}}],
    }
    (tmp_path / "main.tf").write_text(
        f'locals {{\n  all = {hcl(values, 2)}\n}}\n\noutput "all" {{\n  value = local.all\n}}\n'
    )
    subprocess.run(["terraform", "fmt", "-check", "-diff"], cwd=tmp_path, check=True)
    subprocess.run(["terraform", "apply", "-auto-approve"], cwd=tmp_path, check=True, capture_output=True)
    state = json.loads((tmp_path / "terraform.tfstate").read_text())
    assert state["outputs"]["all"]["value"] == values
