"""Settings and profiles: which profile a command gets, and that one faulty file is no matter of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas.errors import SettingsError
from atlas.settings import load

PROFILE = "endpoint: https://127.0.0.1:8006\ntoken: {env: TOKEN}\n"


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATLAS_CONFIG", str(tmp_path))
    folder = tmp_path / "clusters"
    folder.mkdir()
    return folder


def test_a_faulty_profile_is_a_fault_of_that_cluster_alone(clusters: Path) -> None:
    (clusters / "home.yaml").write_text(PROFILE)
    (clusters / "broken.yaml").write_text("{")
    settings = load()
    assert settings.profile("home").name == "home"
    with pytest.raises(SettingsError, match=r"broken\.yaml"):
        settings.profile("broken")


def test_the_only_profile_is_the_default_and_of_several_none_is(clusters: Path) -> None:
    (clusters / "home.yaml").write_text(PROFILE)
    assert load().profile().name == "home"
    (clusters / "away.yaml").write_text(PROFILE)
    with pytest.raises(SettingsError) as caught:
        load().profile()
    assert "away, home" in caught.value.hint


def test_profiles_of_the_configuration_file_and_beside_it_are_both_known(clusters: Path) -> None:
    (clusters / "home.yaml").write_text(PROFILE)
    (clusters.parent / "config.yaml").write_text(
        "cluster: away\nclusters: {away: {endpoint: 'https://127.0.0.2:8006', token: {env: TOKEN}}}\n"
    )
    settings = load()
    assert settings.profile().endpoint == "https://127.0.0.2:8006"
    assert settings.profile("home").endpoint == "https://127.0.0.1:8006"


def test_an_empty_list_of_clusters_is_none(clusters: Path) -> None:
    (clusters.parent / "config.yaml").write_text("clusters:\n")
    with pytest.raises(SettingsError, match="no cluster profile yet"):
        load().profile()
