"""The process that runs one playbook by ansible-runner and writes its events down, until all it started has ended."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from atlas import redact
from atlas.ansible import detached

_KEPT = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
}


def reduce(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is kept of an event of ansible-runner: guest, play, task, status, message; None for most."""
    data = event.get("event_data") or {}
    if event.get("event") == "playbook_on_stats":
        return {"status": "end"}
    status = _KEPT.get(str(event.get("event")))
    if status is None:
        return None
    result = data.get("res") or {}
    if status == "ok" and result.get("changed"):
        status = "changed"
    if status == "failed" and data.get("ignore_errors"):
        status = "ignored"
    kept = {"status": status, "guest": data.get("host"), "play": data.get("play"), "task": data.get("task")}
    if status in ("failed", "unreachable"):
        kept["message"] = redact.text(_message(result))[:2000]
    return kept


def _message(result: Mapping[str, Any]) -> str:
    """Return a failed task's own words: of its first failed item, with what the program said."""
    if "censored" in result:
        return "the task keeps its output secret (no_log)"
    items = [item for item in result.get("results", ()) if item.get("failed") or item.get("unreachable")]
    if items:
        return _message(items[0])
    parts = [str(result.get(name) or "").strip() for name in ("msg", "stderr", "stdout")]
    return "\n".join(dict.fromkeys(part for part in parts if part)) or "the task failed without a word"


class _Record:
    """Writes the events down, and keeps what Ansible says before its first task: why it could not begin.

    Nothing that it prints later is kept, since it prints the messages of failed tasks even under no_log.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._begun = False
        self.said: list[str] = []

    def __call__(self, event: Mapping[str, Any]) -> bool:
        self._begun = self._begun or event.get("event") == "playbook_on_task_start"
        if not self._begun and event.get("event") in ("verbose", "error"):
            self.said.append(str(event.get("stdout", "")))
        kept = reduce(event)
        if kept is not None:
            self._out.write(json.dumps(kept) + "\n")
            self._out.flush()
        return False  # ansible-runner writes no file of its own, which would hold every module's whole output


def _run(run: Path, folder: Path, control: Path, cancelled: Callable[[], bool]) -> dict[str, Any]:
    import ansible_runner

    request = detached.read(run / detached.REQUEST) or {}
    project = Path(request["bundle"]) / "ansible"
    inventory = [str(project / "inventory.yaml")]
    if request["addresses"]:
        hosts = {key: {"ansible_host": address} for key, address in request["addresses"].items()}
        (folder / "addresses.json").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
        inventory.append(str(folder / "addresses.json"))
    # ansible-runner takes this setting from its file only; what Ansible prints holds what no_log hides elsewhere.
    (folder / "env").mkdir()
    (folder / "env" / "settings").write_text(json.dumps({"suppress_output_file": True}), encoding="utf-8")
    (folder / "limit").write_text("\n".join(request["keys"]) + "\n", encoding="utf-8")
    with (folder / detached.EVENTS).open("w", encoding="utf-8") as out:
        record = _Record(out)
        done = ansible_runner.run(
            private_data_dir=str(folder),
            project_dir=str(project),
            playbook="site.yml",
            inventory=inventory,
            limit=f"@{folder / 'limit'}",
            forks=request["forks"],
            envvars={
                "ANSIBLE_CONFIG": str(project / "ansible.cfg"),
                "ANSIBLE_HOME": str(folder / "home"),
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control),
            },
            ident="run",
            quiet=True,
            suppress_env_files=True,
            event_handler=record,
            cancel_callback=cancelled,
        )
    reason = "\n".join(line for line in record.said if line.strip())[-2000:] if done.rc else ""
    return {"rc": done.rc, "status": done.status, "reason": redact.text(reason)}


def _adopt_orphans() -> None:
    """Become the parent of orphaned descendants, so that none escapes: ssh's masters and modules' leftovers too.

    Source: prctl(2), PR_SET_CHILD_SUBREAPER is 36.
    """
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)


def _children() -> list[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def _end_children() -> None:
    """Kill children until none is left: those of a killed one become ours."""
    while children := _children():
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


def main(arguments: list[str]) -> int:
    """Run the playbook of a run in an attempt's folder; the exit code tells only whether a result was written."""
    run, folder = Path(arguments[0]), Path(arguments[1])
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: signals.append(received))
    detached.write(folder / detached.PROCESS, {"pid": os.getpid(), "started": detached.started_at(os.getpid())})
    _adopt_orphans()
    # A folder with a short name: a socket's path may not have more than 108 bytes.
    control = Path(tempfile.mkdtemp(prefix="atlas-"))
    try:
        result = _run(run, folder, control, lambda: bool(signals))
    finally:
        _end_children()
        shutil.rmtree(control, ignore_errors=True)
    if not signals:  # a cancelled run has no result: the next one begins anew
        detached.write(run / detached.RESULT, result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
