"""Fixtures of the live suites: the engine, and whether Terraform's provider can be had here, found by one `init`."""

from __future__ import annotations

import os

import pytest

from atlas.errors import AtlasError


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip with one plain line where `terraform init` cannot have the provider; fail where it has to be there."""
    from atlas.terraform import program, workspace

    folder = tmp_path_factory.mktemp("probe")
    (folder / "versions.tf").write_text(workspace.versions(None))
    try:
        program.init(program.find(), folder, folder, limit=60)
    except AtlasError as problem:
        words = f"the bpg/proxmox provider cannot be had here: {problem.message}"
        if os.environ.get("ATLAS_REQUIRE_PROVIDER") == "1":
            pytest.fail(words, pytrace=False)
        pytest.skip(words)


@pytest.fixture(scope="module", params=["api", pytest.param("terraform", marks=pytest.mark.provider)])
def engine(request: pytest.FixtureRequest) -> str:
    """Return the engine's name; a module for one engine alone says `parametrize("engine", ..., indirect=True)`."""
    if request.param == "terraform":
        request.getfixturevalue("provider")
    return str(request.param)
