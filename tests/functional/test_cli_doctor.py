"""`atlas doctor`: what it finds, how it says to mend it, and the exit code; `--role` prints commands that give all."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

from fakes.program import Api, Program

from atlas.access import NEEDS, commands
from atlas.proxmox.client import Client


def findings(atlas: Program, code: int, *more: str) -> dict[str, dict[str, Any]]:
    done = atlas("doctor", "--cluster", "lab", "--engine", "api", "--json", *more).ended(code)
    return {d["subject"]: d for d in done.all("doctor")}


def test_a_lab_has_what_a_run_needs(atlas: Program) -> None:
    found = findings(atlas, 0)
    assert {"ssh", "ansible-playbook", "store", "engine", "cluster", "token", "image debian-12"} <= set(found)
    assert found["token"]["ok"]
    assert "9." in found["cluster"]["detail"]


def test_a_token_with_too_few_rights(atlas: Program, lab_program: Program, lab_api: Api) -> None:
    secret = json.loads((lab_program.folder / "lab" / "secrets.json").read_text())["root@pam!lab"]
    root = Client(lab_api.status["url"], f"root@pam!lab={secret}", ca_file=Path(lab_api.status["ca_file"]))
    root.post("access", "users", userid="poor@pve")
    root.put("access", "acl", path="/", users="poor@pve", roles="PVEAuditor")
    made = root.post("access", "users", "poor@pve", "token", "tested", privsep=0)
    token = atlas.folder / "token"
    token.touch(0o600)
    token.write_text(f"{made['full-tokenid']}={made['value']}")
    path = atlas.config / "clusters" / "lab.yaml"
    import yaml

    path.write_text(json.dumps({**yaml.safe_load(path.read_text()), "token": {"file": str(token)}}))
    found = findings(atlas, 1)["token"]
    assert found["ok"] is False
    assert "VM.Allocate" in found["detail"]
    assert "Sys.Audit" not in found["detail"]
    assert "doctor --role" in found["hint"]


def test_a_cluster_that_does_not_answer_is_a_finding(atlas: Program) -> None:
    control_file = atlas.config / "clusters" / "lab.yaml"
    import yaml

    control_file.write_text(json.dumps({**yaml.safe_load(control_file.read_text()), "endpoint": "https://127.0.0.1:9"}))
    found = findings(atlas, 1)
    assert found["cluster"]["ok"] is False
    assert found["cluster"]["hint"]


def test_the_printed_commands_give_all_that_is_needed(atlas: Program) -> None:
    lines = atlas("doctor", "--role", "--cluster", "lab").ended(0).out.splitlines()
    for engine, needs in NEEDS.items():
        assert set(commands(engine)) <= set(lines)
        words = [shlex.split(line) for line in commands(engine)]
        roles = {w[3]: set(w[5].split(",")) for w in words if w[:3] == ["pveum", "role", "add"]}
        given = {w[3]: roles[w[7]] for w in words if w[:3] == ["pveum", "acl", "modify"]}
        assert given == {path: set(privileges) for path, privileges in needs.items()}


def test_a_terraform_that_was_asked_for_and_cannot_be_had_is_a_fault(atlas: Program) -> None:
    old = atlas.folder / "terraform"
    old.write_text('#!/bin/sh\necho \'{"terraform_version": "1.4.7"}\'\n')
    old.chmod(0o755)
    env = {"PATH": f"{atlas.folder}:{os.environ['PATH']}"}
    done = atlas("doctor", "--cluster", "lab", "--engine", "terraform", "--json", env=env).ended(1)
    found = {d["subject"]: d for d in done.all("doctor")}
    assert found["engine"]["ok"] is False
    assert "1.4.7" in found["engine"]["detail"]
    assert "--engine api" in found["engine"]["hint"]
    assert found["terraform"]["ok"] is None
    assert atlas("doctor", "--cluster", "lab", "--json", env=env).ended(0).all("doctor")
