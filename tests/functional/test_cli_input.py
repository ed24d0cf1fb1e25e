"""Bad input to the program: a clear error, the right exit code, and nothing is lost or written."""

from __future__ import annotations

import json
import resource
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from fakes.program import Program

FIVE = """\
apiVersion: atlas/v1
kind: Stack
metadata: {name: farm}
guests:
  - name: web
    image: debian-12
    memroy: 1GiB
    cpu: {cores: 0}
  - name: web
    image: debian-12
    memory: 512
    networks: [{bridge: vmbr0, address: 10.42.0.11}]
"""
GOOD: dict[str, Any] = {
    "metadata": {"name": "farm"},
    "guests": [{"name": "web", "image": "debian-12", "networks": [{"bridge": "vmbr0", "address": "auto"}]}],
}


def test_five_faults_are_five_diagnostics_and_nothing_is_written(atlas: Program) -> None:
    spec = atlas.write(FIVE)
    done = atlas("apply", spec, "--cluster", "lab", "--yes", "--json").ended(2)
    found = done.all("diagnostic")
    assert len(found) == 5, found
    assert [e["type"] for e in done.events] == ["diagnostic"] * 5
    for data in found:
        assert set(data) == {"severity", "summary", "detail", "where", "hint"}
        assert data["where"].startswith(f"{spec}:")
        assert data["severity"] == "error"
    assert "memory" in next(d["hint"] for d in found if "memroy" in d["summary"])
    assert not atlas.home.exists()


@pytest.mark.parametrize("command", ["validate", "plan", "generate"])
def test_every_command_on_specs_refuses_them_alike(atlas: Program, command: str) -> None:
    done = atlas(command, atlas.write(FIVE), "--json").ended(2)
    assert len(done.all("diagnostic")) == 5
    assert not atlas.home.exists()


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("guests: [\n  - {", "YAML"),
        ("", "empty"),
        ("just words", "fields"),
        (BOMB, "alias"),
        ("\x00\x01", "YAML"),
        ("x" * 50_000_000, "large"),
        ("[" * 5000, "nest"),
    ],
    ids=["not-yaml", "empty", "words", "aliases", "binary", "50-MB", "deep"],
)
def test_specs_that_are_none(atlas: Program, text: str, says: str) -> None:
    done = atlas("apply", atlas.write(text), "--cluster", "lab", "--yes", "--json", seconds=20).ended(2)
    assert says in json.dumps(done.all("diagnostic")), done.out
    assert not atlas.home.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("apply",),
        ("apply", "there-is-no-such-file.yaml"),
        ("apply", "/"),
        ("fly",),
        ("plan", "x", "--engine", "rocket"),
        ("resume", "no-such-session"),
        ("resume",),
        ("sessions", "show", "no-such-session"),
        ("destroy", "no-such-stack", "--yes"),
        ("verify", "no-such-stack"),
        ("stacks", "show", "no-such-stack"),
        ("guests", "show", "no-such-guest", "--cluster", "lab"),
        ("guests", "list", "--cluster", "no-such-cluster"),
        ("destroy", "x", "--cluster", "no-such-cluster"),
        ("lab", "start", "--guests", "paper"),
        ("lab", "start", "--nodes", "0"),
    ],
    ids=" ".join,
)
def test_wrong_use_exits_with_2_and_says_what_there_is(atlas: Program, words: tuple[str, ...]) -> None:
    done = atlas(*words).ended(2)
    assert done.text.strip()


def test_wrong_use_with_json_prints_only_json_lines(atlas: Program) -> None:
    assert atlas("resume", "no-such-session", "--json").ended(2).one("diagnostic")["hint"]
    assert atlas("apply", "--json").ended(2).out == ""


def profile(atlas: Program, **changes: Any) -> None:
    """Change the profile `lab` of this test."""
    import yaml

    path = atlas.config / "clusters" / "lab.yaml"
    values = yaml.safe_load(path.read_text())
    path.write_text(json.dumps({k: v for k, v in {**values, **changes}.items() if v is not None}))


FINGERPRINT = ":".join(["AB"] * 32)


def test_a_cluster_that_does_not_answer(atlas: Program) -> None:
    profile(atlas, endpoint="https://127.0.0.1:9")
    done = atlas("plan", atlas.write(GOOD), "--cluster", "lab", "--engine", "api", "--json").ended(1)
    assert "127.0.0.1:9" in done.one("diagnostic")["summary"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"ca_file": None}, "certificate"), ({"ca_file": None, "fingerprint": FINGERPRINT}, "ingerprint")],
    ids=["ca", "fingerprint"],
)
def test_a_certificate_that_does_not_match(atlas: Program, changes: dict[str, Any], says: str) -> None:
    profile(atlas, **changes)
    done = atlas("plan", atlas.write(GOOD), "--cluster", "lab", "--engine", "api", "--json").ended(1)
    found = done.one("diagnostic")
    assert says in found["summary"]
    assert found["hint"]


def test_a_wrong_token(atlas: Program) -> None:
    token = atlas.config / "wrong"
    token.write_text("atlas@pve!atlas=00000000-0000-0000-0000-000000000000")
    token.chmod(0o600)
    profile(atlas, token={"file": str(token)})
    done = atlas("plan", atlas.write(GOOD), "--cluster", "lab", "--engine", "api", "--json").ended(1)
    assert "token" in json.dumps(done.one("diagnostic"))
    assert "00000000" not in done.text


def test_a_token_file_that_others_may_read(atlas: Program) -> None:
    token = atlas.config / "open"
    token.write_text("atlas@pve!atlas=x")
    token.chmod(0o644)
    profile(atlas, token={"file": str(token)})
    done = atlas("plan", atlas.write(GOOD), "--cluster", "lab", "--json").ended(2)
    assert "chmod 600" in done.one("diagnostic")["hint"]


@pytest.mark.parametrize(
    "text", ["{", "endpoint: 7", "just words", "endpoint: https://x\ntoken: {file: /x}\nbogus: 1\n"]
)
def test_a_profile_that_cannot_be_read(atlas: Program, text: str) -> None:
    (atlas.config / "clusters" / "lab.yaml").write_text(text)
    done = atlas("plan", atlas.write(GOOD), "--cluster", "lab", "--json").ended(2)
    assert "lab" in done.one("diagnostic")["summary"]


def test_a_damaged_database(atlas: Program) -> None:
    atlas.home.mkdir(mode=0o700)
    (atlas.home / "atlas.db").write_bytes(b"SQLite format 3\0" + b"nonsense" * 500)
    names = {p.name for p in atlas.home.iterdir()}
    done = atlas("sessions", "list", "--json").ended(1)
    assert "damaged" in done.one("diagnostic")["summary"]
    assert {p.name for p in atlas.home.iterdir()} >= names


def test_a_full_disk_loses_nothing(atlas: Program) -> None:
    spec = atlas.write(GOOD)
    atlas("plan", spec, "--cluster", "lab", "--engine", "api").ended(0)
    database = atlas.home / "atlas.db"

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = atlas("apply", spec, "--cluster", "lab", "--engine", "api", "--yes", "--json", preexec_fn=small)
    assert done.code == 1, done.text
    assert done.all("diagnostic"), done.text
    assert sqlite3.connect(database).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again = atlas("apply", spec, "--cluster", "lab", "--engine", "api", "--yes", "--json").ended(0)
    assert again.one("run.done")["result"] == "applied"
    atlas("destroy", "farm", "--yes").ended(0)


def test_json_lines_are_the_only_output_of_looking_commands(atlas: Program) -> None:
    for words in (("sessions", "list"), ("stacks", "list"), ("guests", "list", "--cluster", "lab"), ("schema",)):
        assert atlas(*words, "--json").ended(0).one("result")


def test_no_colour_where_none_is_wanted(atlas: Program, tmp_path: Path) -> None:
    done = atlas("validate", atlas.write(GOOD), "--no-color", env={"FORCE_COLOR": "1"}).ended(0)
    assert "\x1b[3" not in done.out
    assert "valid" in done.out


def test_quiet_says_nothing_of_what_is_well(atlas: Program) -> None:
    assert atlas("validate", atlas.write(GOOD), "--quiet").ended(0).out == ""
