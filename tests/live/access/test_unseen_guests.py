"""A token with rights on one pool alone: VMIDs of guests that it does not see, and of who takes one meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.program import Program
from fakes.role import token

from atlas.access import NEEDS
from atlas.events import Emitter
from atlas.proxmox import tasks
from atlas.proxmox.client import Client

SPEC = """\
apiVersion: atlas/v1
kind: Stack
metadata: {name: unseen}
guests:
  - {name: web, image: debian-12, node: pve1, pool: mine, disks: [{size: 4GiB, storage: shared-nfs}]}
"""
POOL_RIGHTS = NEEDS["api"]["/vms"] | NEEDS["api"]["/pool"]


def clone(root: Client, vmid: int) -> None:
    """Make a guest that only root sees."""
    upid = root.post("nodes", "pve1", "qemu", 9000, "clone", newid=vmid, name="theirs", description="a box")
    tasks.wait(root, upid, Emitter())


def vmid_of(program: Program, *words: Any) -> int:
    planned = program("plan", *words, "--json").ended(0)
    return int(planned.one("lease.taken")["vmid"])


@pytest.mark.slow
def test_a_vmid_that_is_not_seen_is_not_used_and_a_stolen_one_is_replaced(
    lab: dict[str, Any], root: Client, engine: str, tmp_path: Path
) -> None:
    program, first = Program(tmp_path), 20_000 if engine == "api" else 21_000
    if engine == "api":
        root.post("pools", poolid="mine")
    needs = {path: names for path, names in NEEDS[engine].items() if path not in ("/vms", "/pool")}
    rights = {"/pool/mine": POOL_RIGHTS, "/vms/9000": frozenset({"VM.Audit", "VM.Clone"}), **needs}
    secret = tmp_path / "token"
    secret.touch(mode=0o600)
    secret.write_text(token(root, f"few{engine}", rights))
    profile = program.config / "clusters" / "lab.yaml"
    profile.parent.mkdir(parents=True)
    network = "{network: 10.42.0.0/24, gateway: 10.42.0.1, first: 10.42.0.10}"
    lines = [f"endpoint: {lab['url']}", f"token: {{file: {secret}}}", f"ca_file: {lab['ca_file']}", "reach: none"]
    profile.write_text("\n".join([*lines, f"pools: [{network}]", f"vmids: [{first}, {first + 9}]"]) + "\n")
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC)
    how = (file, "--engine", engine)

    clone(root, first)
    assert vmid_of(program, *how) == first + 1
    clone(root, first + 1)  # somebody is quicker than the approval
    again = program("plan", *how, "--json").ended(0)
    assert again.one("lease.taken")["vmid"] == first + 2
    assert f"VMID {first + 1} was reserved" in again.text
    program("apply", *how, "--yes", "--json").ended(0)
    assert root.get("nodes", "pve1", "qemu", first + 2, "config")["name"] == "web"
    for vmid in (first, first + 1):
        config = root.get("nodes", "pve1", "qemu", vmid, "config")
        assert (config["name"], config["description"]) == ("theirs", "a box")
    program("destroy", "unseen", "--yes").ended(0)
