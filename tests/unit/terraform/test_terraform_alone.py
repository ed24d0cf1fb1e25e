"""The terraform engine keeps away from a stack on which the Terraform of another, killed, run still works."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fakes import stacks

from atlas.errors import Held
from atlas.events import Emitter
from atlas.plan import Plan
from atlas.ports.cluster import Cluster, Journal, Work
from atlas.settings import Profile, TokenSource
from atlas.terraform import detached
from atlas.terraform.engine import TerraformEngine


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return stacks.work({"name": "web"}, folder=tmp_path)


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Path]:
    """A program that goes on although whoever started it has gone; returns its run's folder."""
    run = tmp_path / "runs" / "run-old"
    process = detached.start(run / "terraform" / "apply-1", ("sleep", "60"), tmp_path, {"PATH": os.environ["PATH"]})
    yield run
    group = int((process.folder / "stat").read_text().split(" ", 1)[0])
    os.killpg(group, signal.SIGKILL)


def engine(home: Path) -> TerraformEngine:
    profile = Profile(name="lab", endpoint="https://127.0.0.1:9", token=TokenSource(env="NONE"))
    return TerraformEngine(profile, cast("Cluster", None), home)


def test_it_is_told_while_it_runs(work: Work, left: Path, tmp_path: Path) -> None:
    assert engine(tmp_path).still(work.folder) == left.name
    assert engine(tmp_path).still(tmp_path / "elsewhere") is None


def test_no_other_run_while_it_runs(work: Work, left: Path, tmp_path: Path) -> None:
    nothing: Any = None
    with pytest.raises(Held, match=f"still carries out {left.name} of {work.stack}"):
        engine(tmp_path).apply(
            work, cast("Plan", nothing), left.parent / "run-new", cast("Journal", nothing), Emitter(), nothing
        )
