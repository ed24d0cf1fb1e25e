"""All roles and what the generator makes around them are clean for all of ansible-lint's rules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tools import proving, roles

from atlas.configs.catalogue import software
from atlas.generators import ansible
from atlas.settings import Ssh


@pytest.mark.slow
def test_a_bundle_with_every_role_is_clean(tmp_path: Path) -> None:
    names = [name if name != "docker" else "docker@27" for name in software()]
    home = Path("/var/lib/atlas")  # only named: how long a path is must not decide about the lines
    made = ansible.generate(proving.work(names, "10.42.0.11", home), Ssh(), home / "key")
    assert {path.split("/")[2] for path in made if "/roles/" in path} == set(roles.every_role())
    for path, text in made.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    programs = Path(sys.executable).parent
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path), "NO_COLOR": "1"}
    done = subprocess.run(
        [str(programs / "ansible-lint"), "--offline", "-q"],
        cwd=tmp_path / "ansible", env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
