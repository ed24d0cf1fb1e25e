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


def test_an_empty_variable_is_none_and_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch, clusters: Path) -> None:
    monkeypatch.setenv("HOME", str(clusters.parent))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("ATLAS_HOME", "")
    assert load().home == clusters.parent / ".local/share/atlas"
    monkeypatch.setenv("ATLAS_HOME", "~/kept")
    assert load().home == clusters.parent / "kept"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/no/such/program", "cannot run the token's command of cluster 'home', /no/such/program: No such file"),
        ("sleep, '60'", "printed nothing within"),
        ("'false'", "failed with 1"),
        ("'true'", "there is no token of the form"),
    ],
)
def test_a_token_s_command_that_gives_none_is_told(
    clusters: Path, monkeypatch: pytest.MonkeyPatch, command: str, words: str
) -> None:
    monkeypatch.setattr("atlas.settings.TOKEN_SECONDS", 0.2)
    (clusters / "home.yaml").write_text(f"endpoint: https://127.0.0.1:8006\ntoken: {{command: [{command}]}}\n")
    with pytest.raises(SettingsError, match=words) as caught:
        load().profile().read_token()
    assert "`token`" in caught.value.hint


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("endpoint: http://pve", "endpoint: 'http://pve' is none; write it like https://pve1.example.com:8006"),
        ("fingerprint: AB", "fingerprint: 'AB' is none; write it like AB:CD"),
        ("engine: rocket", "engine: it should be 'auto', 'terraform' or 'api'"),
    ],
)
def test_a_faulty_value_of_a_profile_is_told_with_what_it_should_be(clusters: Path, line: str, words: str) -> None:
    (clusters / "home.yaml").write_text(
        f"{PROFILE}{line}\n" if "endpoint" not in line else f"{line}\ntoken: {{env: T}}\n"
    )
    with pytest.raises(SettingsError, match=words):
        load().profile()
