"""The program itself with a token of exactly the role that it asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from fakes.program import Program
from fakes.role import SHARED, first, token

from atlas.access import NEEDS
from atlas.proxmox.client import Client


def test_the_program_does_with_its_least_role(
    engine: str, lab: dict[str, Any], root: Client, lab_program: Program, tmp_path: Path
) -> None:
    """The profile of the session's lab, led to this one by a token of exactly that role."""
    atlas = Program(tmp_path, lab_program.config)
    secret = tmp_path / "token"
    secret.touch(0o600)
    secret.write_text(token(root, engine, NEEDS[engine]))
    path = atlas.config / "clusters" / "lab.yaml"
    led = {"endpoint": lab["url"], "ca_file": lab["ca_file"], "token": {"file": str(secret)}}
    path.write_text(json.dumps({**yaml.safe_load(path.read_text()), **led}))
    root.post("pools", poolid=f"pool-{engine}")
    wanted = first(f"pool-{engine}")
    words = ("--cluster", "lab", "--engine", engine, "--yes", "--json")
    atlas("apply", atlas.write(wanted), *words).ended(0)
    wanted["guests"][0] |= {"memory": "2GiB", "tags": ["a"], "disks": [{"size": "5GiB", **SHARED}]}
    atlas("apply", atlas.write(wanted), *words).ended(0)
    found = atlas("doctor", "--cluster", "lab", "--engine", engine, "--json").all("doctor")
    assert next(d for d in found if d["subject"] == "token")["ok"]
    atlas("destroy", "least", "--yes", "--json").ended(0)
