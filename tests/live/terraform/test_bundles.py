"""Every bundle that is generated is valid to the real Terraform with the real provider, and laid out as it does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fakes import stacks

from atlas.generators import terraform
from atlas.generators.writer import write_bundle
from atlas.terraform import program

GOLDEN = Path(__file__).parents[2] / "golden" / "terraform"
KEY = "ssh-ed25519 AAAA " + """"q" 'p' ${var.x} $${y} %{ if true } %%{ {{ z }} \\n # - : ünï \u2028 \x85 \ufeff"""
NASTY = (
    {"name": "null", "user": {"ssh_keys": [KEY]}, "tags": ["true", "0x10", "no"]},
    {"name": "0x1f", "kind": "container", "dns": {"search": "no.example"}},
    {"name": "on", "kind": "container", "mounts": [{"path": "/${x}/{{y}}/%{z}/é#!", "size": "1GiB"}]},
)
BUNDLES = {
    **{folder.name: {f.name: f.read_text() for f in folder.iterdir()} for folder in sorted(GOLDEN.iterdir())},
    "nasty": terraform.generate(stacks.work(*NASTY)),
}


@pytest.mark.provider
@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("name", BUNDLES)
def test_it_is_valid_and_formatted(name: str, tmp_path: Path) -> None:
    found, folder = program.find(), tmp_path / "bundle"
    write_bundle(folder, BUNDLES[name])
    subprocess.run([*found.command, "fmt", "-check", "-diff", str(folder)], check=True)
    program.init(found, folder, tmp_path)
    code, out, errors = program.ask(found, folder, 120, "validate")
    assert code == 0, out + errors
