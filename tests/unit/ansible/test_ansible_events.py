"""Events of ansible-runner reduced to what is kept, and results made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atlas.ansible.configurator import Ansible
from atlas.ansible.detached import EVENTS, cancel, write
from atlas.ansible.worker import reduce
from atlas.errors import AnsibleError
from atlas.events import Emitter


def event(name: str, result: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    return {"event": name, "event_data": {"host": "a", "play": "P", "task": "T", "res": result or {}, **data}}


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (event("runner_on_ok"), "ok"),
        (event("runner_on_ok", {"changed": True}), "changed"),
        (event("runner_on_failed", {"msg": "m"}), "failed"),
        (event("runner_on_failed", {"msg": "m"}, ignore_errors=True), "ignored"),
        (event("runner_on_unreachable", {"msg": "m"}), "unreachable"),
        (event("runner_on_skipped"), "skipped"),
        (event("playbook_on_stats"), "end"),
    ],
)
def test_an_events_status(given: dict[str, Any], status: str) -> None:
    kept = reduce(given)
    assert kept is not None
    assert kept["status"] == status


@pytest.mark.parametrize("name", ["runner_item_on_ok", "verbose", "playbook_on_task_start", "runner_on_start"])
def test_most_events_are_dropped(name: str) -> None:
    assert reduce(event(name)) is None


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"msg": "non-zero return code", "stderr": "boom\n"}, "non-zero return code\nboom"),
        ({"msg": "One or more items failed", "results": [{"msg": "x"}, {"failed": True, "msg": "y"}]}, "y"),
        ({"censored": "hidden", "msg": "s3cret"}, "the task keeps its output secret (no_log)"),
        ({}, "the task failed without a word"),
        ({"msg": "password=hunter2"}, "password=<hidden>"),
    ],
)
def test_a_failures_message_is_its_own_words_without_secrets(result: dict[str, Any], message: str) -> None:
    kept = reduce(event("runner_on_failed", result))
    assert kept is not None
    assert kept["message"] == message


def finished(run: Path, lines: str, rc: int = 0, reason: str = "") -> Path:
    folder = run / "attempt-1"
    folder.mkdir(parents=True)
    (folder / EVENTS).write_text(lines)
    write(run / "result.json", {"rc": rc, "status": "failed" if rc else "successful", "reason": reason})
    return run


OK = '{"status": "ok", "guest": "a", "play": "P", "task": "T"}\n'
END = '{"status": "end"}\n'


def test_a_playbook_that_broke_off_finished_no_guest(tmp_path: Path) -> None:
    run = finished(tmp_path, OK, rc=250, reason="crash")
    results = Ansible().configure(tmp_path, ["a", "b"], run, Emitter())
    assert results["a"].failed == "the playbook broke off: crash"


def test_a_guest_that_the_playbook_left_out_is_not_done(tmp_path: Path) -> None:
    results = Ansible().configure(tmp_path, ["a", "b"], finished(tmp_path, OK + END), Emitter())
    assert results["a"].failed is None
    assert results["b"].failed is not None


def test_a_half_written_line_is_left_for_later(tmp_path: Path) -> None:
    results = Ansible().configure(tmp_path, ["a"], finished(tmp_path, OK + END + OK[:20]), Emitter())
    assert (results["a"].ok, results["a"].failed) == (1, None)


def test_no_guest_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match="came to no guest: bad syntax"):
        Ansible().configure(tmp_path, ["a"], finished(tmp_path, "", 4, "bad syntax"), Emitter())


def test_a_torn_record_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    run = finished(tmp_path, OK + END)
    (run / "result.json").write_text("{")
    with pytest.raises(AnsibleError, match=r"result\.json") as caught:
        Ansible().configure(tmp_path, ["a"], run, Emitter())
    assert "remove" in caught.value.hint


def test_cancelling_what_never_ran_does_nothing(tmp_path: Path) -> None:
    cancel(tmp_path)
    assert list(tmp_path.iterdir()) == []
