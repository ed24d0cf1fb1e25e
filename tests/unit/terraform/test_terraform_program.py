"""Which Terraform is used, what its children see, and what init, validate and show make of its answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas.errors import ProviderMissing, TerraformError
from atlas.terraform import program
from atlas.terraform.program import Program

NETWORK = """│ Error: Failed to query available provider packages
│
│ Could not retrieve the list of available versions for provider bpg/proxmox"""


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    program._known.cache_clear()
    yield folder
    program._known.cache_clear()


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def says(version: str) -> str:
    return f"""echo '{{"terraform_version": "{version}"}}'"""


def test_terraform_goes_before_tofu_and_the_version_is_asked_for(bin_: Path) -> None:
    script(bin_ / "tofu", says("1.9.0"))
    assert program.find() == Program("tofu", (str(bin_ / "tofu"),), "1.9.0")
    script(bin_ / "terraform", says("1.11.4-dev"))
    assert program.find().name == "terraform"


def test_one_that_is_too_old_or_no_terraform_is_refused_in_words(bin_: Path) -> None:
    script(bin_ / "terraform", says("1.4.7"))
    with pytest.raises(TerraformError, match=r"terraform 1\.4\.7; ATLAS needs 1\.5\.0"):
        program.find()
    script(bin_ / "terraform", "echo hello")
    with pytest.raises(TerraformError, match="does not say its version"):
        program.find()


def test_without_any_the_error_says_what_to_do(bin_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(TerraformError, match="there is no Terraform") as caught:
        program.find()
    assert "--engine api" in caught.value.hint


def test_children_get_no_stray_variables_and_no_configuration_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("TF_LOG", "TF_CLI_ARGS_apply", "TF_VAR_x", "TF_WORKSPACE", "PROXMOX_VE_PASSWORD", "TF_DATA_DIR"):
        monkeypatch.setenv(name, "stray")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "none"))
    env = program.environment({"PROXMOX_VE_ENDPOINT": "https://x:8006"})
    assert "stray" not in env.values()
    assert "TF_CLI_CONFIG_FILE" not in env
    assert (env["TF_IN_AUTOMATION"], env["CHECKPOINT_DISABLE"]) == ("1", "1")
    assert env["PROXMOX_VE_ENDPOINT"] == "https://x:8006"
    (tmp_path / "none").touch()
    assert program.environment()["TF_CLI_CONFIG_FILE"] == str(tmp_path / "none")


def terraform(bin_: Path, text: str) -> Program:
    return Program("terraform", (str(script(bin_ / "terraform", text)),), "1.11.4")


def test_a_success_of_init_is_remembered_until_what_is_asked_for_changes(bin_: Path, tmp_path: Path) -> None:
    work = tmp_path / "it's work"
    work.mkdir()
    (work / "versions.tf").write_text("one")
    fake = terraform(bin_, 'echo "$@" >> log; mkdir -p .terraform')
    program.init(fake, work, tmp_path)
    program.init(fake, work, tmp_path)
    assert len((work / "log").read_text().splitlines()) == 1
    (work / "versions.tf").write_text("two")
    program.init(fake, work, tmp_path)
    assert len((work / "log").read_text().splitlines()) == 2


def test_a_failure_of_init_is_told_apart_and_never_remembered(bin_: Path, tmp_path: Path) -> None:
    (tmp_path / "versions.tf").touch()
    with pytest.raises(ProviderMissing, match="Failed to query") as caught:
        program.init(terraform(bin_, f"cat >&2 <<'X'\n{NETWORK}\nX\nexit 1"), tmp_path, tmp_path)
    assert "mirror" in caught.value.hint
    with pytest.raises(ProviderMissing, match="did not end within 1 s"):
        program.init(terraform(bin_, "exec sleep 30"), tmp_path, tmp_path, limit=1)
    with pytest.raises(TerraformError, match="Unsupported block") as other:
        program.init(terraform(bin_, "echo 'Error: Unsupported block' >&2; exit 1"), tmp_path, tmp_path)
    assert not isinstance(other.value, ProviderMissing)
    program.init(terraform(bin_, "mkdir -p .terraform"), tmp_path, tmp_path)


def test_diagnostics_carry_their_place_and_no_secret() -> None:
    token = "root@pam!t=12345678-1234-1234-1234-123456789abc"
    first = program.diagnostic(
        {
            "severity": "error",
            "summary": "Unsupported argument",
            "detail": f"token {token}",
            "range": {"filename": "vms.tf", "start": {"line": 7}},
        }
    )
    second = program.diagnostic({"severity": "warning", "summary": "old"})
    problem = program.failure("it failed", [second, first])
    assert problem.message.startswith("it failed: Unsupported argument")
    assert problem.diagnostics == (second, first)
    assert str(first.where) == "vms.tf:7"
    assert "12345678-1234" not in first.detail
    assert second.severity == "warning"


def test_the_launcher_holds_no_secret(bin_: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXMOX_VE_API_TOKEN", "s3cret")
    code, out, _ = program.ask(terraform(bin_, 'echo "[$PROXMOX_VE_API_TOKEN]"'), tmp_path, 10, "show")
    assert (code, out.strip()) == (0, "[]")
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or b"s3cret" not in file.read_bytes()
    assert os.environ["PROXMOX_VE_API_TOKEN"] == "s3cret"
