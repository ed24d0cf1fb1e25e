"""Making templates with the least rights that `atlas doctor --role` prints for it; and what each of them is for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from fakes.origin import qcow2
from fakes.program import Done, Program
from fakes.role import Needs, token

from atlas.access import IMAGES, NEEDS
from atlas.proxmox.client import Client

IMAGE = qcow2(2 << 30)
EVERYTHING = {
    path: NEEDS["api"].get(path, frozenset()) | IMAGES.get(path, frozenset()) for path in {*NEEDS["api"], *IMAGES}
}


def add(name: str, folder: Path, lab: dict[str, Any], secret: str, *more: str) -> Done:
    program, file = Program(folder), folder / "token"
    file.touch(0o600)
    file.write_text(secret)
    profile = {"endpoint": lab["url"], "ca_file": lab["ca_file"], "token": {"file": str(file)}, "reach": "none"}
    profile["pools"] = [{"network": "10.42.0.0/24", "gateway": "10.42.0.1", "first": "10.42.0.10"}]
    profile["vmids"] = [30_000, 30_099]
    (program.config / "clusters").mkdir(parents=True)
    (program.config / "clusters" / "lab.yaml").write_text(json.dumps(profile))
    image = folder / "image.qcow2"
    image.write_bytes(IMAGE)
    words = more or ("--file", str(image), "--sha256", hashlib.sha256(IMAGE).hexdigest())
    return program("images", "add", name, *words, "--storage", "shared-nfs", "--yes", "--json")


def without(name: str) -> Needs:
    return {path: names - {name} for path, names in EVERYTHING.items() if names - {name}}


def test_the_printed_rights_are_enough(lab: dict[str, Any], root: Client, tmp_path: Path) -> None:
    done = add("our-own", tmp_path, lab, token(root, "images", EVERYTHING)).ended(0)
    assert done.one("result")["proof"]["agent"]
    vmids = {int(r["vmid"]) for r in root.get("cluster", "resources", type="vm")}
    assert vmids & set(range(30_000, 30_100)) == {30_099}


@pytest.mark.parametrize(
    ("lacks", "says", "more"),
    [
        ("Datastore.AllocateTemplate", "(/storage/shared-nfs, Datastore.AllocateTemplate)", ()),
        # One of several rights would do, so Proxmox VE names none.
        (
            "Sys.AccessNetwork",
            "Permission check failed",
            ("--url", "http://127.0.0.1:9/image.qcow2", "--sha256", "0" * 64),
        ),
    ],
)
def test_each_right_is_needed(
    lab: dict[str, Any], root: Client, tmp_path: Path, lacks: str, says: str, more: tuple[str, ...]
) -> None:
    refused = add("another", tmp_path, lab, token(root, f"no{len(more)}", without(lacks)), *more).ended(1)
    assert says in refused.text
    assert "atlas doctor --role" in refused.text
