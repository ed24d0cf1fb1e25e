"""Playbooks really run by ansible-runner in detached processes, on this machine instead of a guest."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atlas.ansible import detached
from atlas.ansible.configurator import Ansible
from atlas.errors import AnsibleError
from atlas.events import Emitter, Event

pytestmark = pytest.mark.slow

COUNT = {"name": "Count", "ansible.builtin.shell": "echo {{ inventory_hostname }} >> ../count"}
SLEEP = {"name": "Sleep", "ansible.builtin.command": "sleep 300"}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "run"
    yield folder
    if folder.exists():
        detached.cancel(folder)


def bundle(folder: Path, *tasks: dict[str, Any], hosts: tuple[str, ...] = ("a", "b")) -> Path:
    project = folder / "bundle" / "ansible"
    project.mkdir(parents=True, exist_ok=True)
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = {"all": {"hosts": {host: {} for host in hosts}, "vars": local}}
    (project / "inventory.yaml").write_text(json.dumps(inventory))
    (project / "site.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]))
    (project / "ansible.cfg").write_text("[defaults]\nlocalhost_warning = False\n")
    return folder / "bundle"


def collecting() -> tuple[Emitter, list[Event]]:
    events: list[Event] = []
    return Emitter((events.append,)), events


def counted(folder: Path) -> list[str]:
    path = folder / "bundle" / "count"
    return sorted(path.read_text().split()) if path.exists() else []


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(path.parent.name)
            found |= {child} | descendants(child)
    return found


def worker(run: Path) -> int:
    folder = detached.attempt(run)
    assert folder is not None
    process = detached.read(folder / detached.PROCESS)
    assert process is not None
    return int(process["pid"])


def test_each_guest_has_its_result_and_its_events(tmp_path: Path, run: Path) -> None:
    fails = {"name": "Fail", "ansible.builtin.fail": {"msg": "no luck"}, "when": "inventory_hostname == 'b'"}
    quiet = {"name": "Look", "ansible.builtin.command": "true", "changed_when": False}
    emit, events = collecting()
    results = Ansible().configure(bundle(tmp_path, COUNT, quiet, fails), ["a", "b"], run, emit)
    assert (results["a"].ok, results["a"].changed, results["a"].failed) == (2, 1, None)
    assert results["b"].failed == "Fail: no luck"
    seen = {(event.guest, event.data["task"], event.data["status"]) for event in events}
    assert {("a", "Count", "changed"), ("a", "Look", "ok"), ("a", "Fail", "skipped"), ("b", "Fail", "failed")} <= seen


def test_only_the_named_guests_are_configured(tmp_path: Path, run: Path) -> None:
    emit, _ = collecting()
    assert list(Ansible().configure(bundle(tmp_path, COUNT), ["b"], run, emit)) == ["b"]
    assert counted(tmp_path) == ["b"]


def test_a_run_that_has_ended_is_not_repeated_and_reports_nothing_twice(tmp_path: Path, run: Path) -> None:
    emit, events = collecting()
    first = Ansible().configure(bundle(tmp_path, COUNT), ["a", "b"], run, emit)
    before = len(events)
    assert Ansible().configure(tmp_path / "bundle", ["a", "b"], run, emit) == first
    assert (len(events), counted(tmp_path)) == (before, ["a", "b"])


def test_a_playbook_outlives_the_killed_caller_and_is_attached_to(tmp_path: Path, run: Path) -> None:
    waits = {"name": "Wait", "ansible.builtin.wait_for": {"path": str(tmp_path / "go"), "sleep": 1}}
    where = bundle(tmp_path, COUNT, waits, hosts=("a",))
    code = (
        "import sys; from pathlib import Path; from atlas.ansible.configurator import Ansible;"
        "from atlas.events import Emitter;"
        "Ansible().configure(Path(sys.argv[1]), ['a'], Path(sys.argv[2]), Emitter())"
    )
    caller = subprocess.Popen([sys.executable, "-c", code, str(where), str(run)], start_new_session=True)
    assert detached.wait_until(lambda: counted(tmp_path) == ["a"], 30)
    os.killpg(caller.pid, signal.SIGKILL)
    caller.wait()
    assert detached.alive(run)
    (tmp_path / "go").touch()
    emit, events = collecting()
    assert Ansible().configure(where, ["a"], run, emit)["a"].failed is None
    assert counted(tmp_path) == ["a"]
    assert [event.data["task"] for event in events][-1] == "Wait"


def test_a_killed_worker_is_told_and_the_next_call_runs_anew(tmp_path: Path, run: Path) -> None:
    where = bundle(tmp_path, COUNT, SLEEP, hosts=("a",))
    detached.start(run, {"bundle": str(where), "keys": ["a"], "addresses": {}, "forks": 5})
    assert detached.wait_until(lambda: counted(tmp_path) == ["a"], 30)
    left = descendants(worker(run))
    os.kill(worker(run), signal.SIGKILL)
    assert detached.wait_until(lambda: not detached.alive(run), 10)
    for pid in left:  # what a killed worker leaves behind
        if detached.started_at(pid) is not None:
            os.kill(pid, signal.SIGKILL)
    emit, _ = collecting()
    results = Ansible().configure(bundle(tmp_path, COUNT, hosts=("a",)), ["a"], run, emit)
    assert results["a"].failed is None
    assert results["a"].changed == 1
    assert counted(tmp_path) == ["a", "a"]


def test_cancel_ends_everything_that_was_started(tmp_path: Path, run: Path) -> None:
    leftover = {"name": "Leave", "ansible.builtin.shell": "setsid sleep 301 >/dev/null 2>&1 < /dev/null & true"}
    where = bundle(tmp_path, leftover, COUNT, SLEEP, hosts=("a",))
    detached.start(run, {"bundle": str(where), "keys": ["a"], "addresses": {}, "forks": 5})
    assert detached.wait_until(lambda: counted(tmp_path) == ["a"], 30)
    started = descendants(worker(run))
    assert len(started) >= 2
    detached.cancel(run)
    assert not detached.alive(run)
    assert [pid for pid in started if detached.started_at(pid) is not None] == []
    assert not (run / detached.RESULT).exists()


def test_a_playbook_that_cannot_be_read_says_why(tmp_path: Path, run: Path) -> None:
    where = bundle(tmp_path, {"name": "Wrong", "no.such.module": {}})
    emit, _ = collecting()
    with pytest.raises(AnsibleError, match=r"no\.such\.module"):
        Ansible().configure(where, ["a"], run, emit)


def test_an_unreachable_guest_is_a_result(tmp_path: Path, run: Path) -> None:
    where = bundle(tmp_path, COUNT)
    inventory = json.loads((where / "ansible" / "inventory.yaml").read_text())
    inventory["all"]["hosts"]["b"] = {"ansible_connection": "ssh", "ansible_port": 9, "ansible_timeout": 3}
    (where / "ansible" / "inventory.yaml").write_text(json.dumps(inventory))
    emit, _ = collecting()
    results = Ansible().configure(where, ["a", "b"], run, emit, {"b": "127.0.0.1"})
    assert results["a"].failed is None
    assert "127.0.0.1 port 9" in str(results["b"].failed)


def test_nothing_secret_and_nothing_of_the_environment_is_written(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_TEST_SECRET", "sesame-4711")
    hidden = {"name": "Hide", "ansible.builtin.fail": {"msg": "hunter2-4711"}, "no_log": True}
    emit, events = collecting()
    results = Ansible().configure(bundle(tmp_path, COUNT, hidden), ["a", "b"], run, emit)
    assert "no_log" in str(results["a"].failed)
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    written = "".join(p.read_text(errors="replace") for p in run.rglob("*") if p.is_file())
    assert "4711" not in written + str(events)
    assert sorted(p.name for p in (tmp_path / "bundle" / "ansible").iterdir()) == [
        "ansible.cfg",
        "inventory.yaml",
        "site.yml",
    ]
