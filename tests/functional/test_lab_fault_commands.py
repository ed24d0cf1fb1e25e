"""The lab's own commands for faults, without the rest of ATLAS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas.lab import control
from atlas.lab.__main__ import main


@pytest.fixture(scope="module")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("lab")
    control.start(folder, nodes=1, latency="instant")
    yield folder
    control.stop(folder)


def test_a_fault_is_added_listed_and_cleared(lab_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--dir", str(lab_folder)]
    options = ["--path", "/version", "--set", "status=500", "--set", "text=broken", "--nth", "1", "--name", "one"]
    assert main(["fault", "add", "error", *options, *where]) == 0
    assert capsys.readouterr().out == "added: one\n"
    assert main(["fault", "list", *where]) == 0
    fault = json.loads(capsys.readouterr().out)
    assert (fault["effect"], fault["match"]["path"], fault["options"]["status"]) == ("error", "/version", 500)
    assert main(["fault", "clear", "one", *where]) == 0
    assert capsys.readouterr().out == "cleared: one\n"
    assert main(["history", "export", *where]) == 0


@pytest.mark.parametrize("words", [["add"], ["add", "error", "--set", "nothing"], ["add", "no-such-effect"]])
def test_what_is_no_fault_is_refused(lab_folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fault", *words, "--dir", str(lab_folder)]) == 2
    assert capsys.readouterr().err.startswith("atlas.lab: ")


def test_without_a_lab_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fault", "list", "--dir", str(tmp_path)]) == 1
    assert "no lab runs here" in capsys.readouterr().err


def test_the_effects_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fault", "effects"]) == 0
    assert "task-stall" in capsys.readouterr().out
