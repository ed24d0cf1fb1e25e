"""A stack's Terraform folder: what Terraform would read there is exactly the approved bundle."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from atlas.errors import ApprovalRefused
from atlas.terraform.program import Program
from atlas.terraform.workspace import Workspace


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    """A workspace whose Terraform succeeds at whatever it is asked."""
    return Workspace(Program("terraform", ("true",), "1.9.0"), tmp_path / "terraform", tmp_path / "locks", {})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "vms.tf").write_text("approved")
    return folder


def test_nothing_that_nobody_approved_is_left_for_terraform_to_read(space: Workspace, bundle: Path) -> None:
    space.folder.mkdir()
    for name in (
        "old.tf", "x_override.tf", "x.tf.json", "x.tofu", "x.tofu.json", "terraform.tfvars", "x.auto.tfvars",
        "x.auto.tfvars.json", "plan-7.tfplan",
    ):  # fmt: skip
        (space.folder / name).write_text("evil")
    (space.folder / "terraform.tfstate").write_text("{}")
    space.lay(bundle)
    kept = {p.name for p in space.folder.iterdir() if not p.name.startswith(".")}
    assert kept == {"vms.tf", "terraform.tfstate"}


def test_a_file_that_is_not_the_approved_one_is_refused(space: Workspace, bundle: Path) -> None:
    approved = {"vms.tf": hashlib.sha256(b"approved").hexdigest(), "ansible/site.yml": "elsewhere"}
    space.lay(bundle, approved)
    (bundle / "vms.tf").write_text("Approved")
    with pytest.raises(ApprovalRefused):
        space.lay(bundle, approved)
    assert (space.folder / "vms.tf").read_text() == "approved"


def test_imports_of_an_approved_bundle_are_left_out(space: Workspace, bundle: Path) -> None:
    """A run that removed a guest to make it anew would else ask for it when it is resumed."""
    (bundle / "imports.tf").write_text("import b")
    space.lay(bundle)
    assert {p.name for p in space.folder.glob("*.tf")} == {"vms.tf"}
    approved = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in bundle.iterdir()}
    (bundle / "imports.tf").write_text("import c")
    with pytest.raises(ApprovalRefused):
        space.lay(bundle, approved)
