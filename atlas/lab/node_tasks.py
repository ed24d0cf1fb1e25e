"""nodes/{node}/tasks: lists, status, log and stopping of workers."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.formats import split_list
from atlas.lab.tasks import TaskRecord, entry


def _own(call: Call, record: TaskRecord) -> bool:
    """A token's tasks are its own and its user's; a user's own are also its tokens'."""
    return record.user == call.user or ("!" not in call.user and record.user.startswith(f"{call.user}!"))


def _end(record: TaskRecord) -> str:
    status = record.exitstatus or ""
    if status == "OK":
        return "ok"
    if status.startswith("WARNINGS: "):
        return "warning"
    return "unknown" if status == "unexpected status" else "error"


@api("GET", "/nodes/{node}/tasks")
def tasks(call: Call) -> list[dict[str, Any]]:
    """List tasks, the newest first, by PVE's filters."""
    params, node = call.params, call.params["node"]
    source = params.get("source", "archive")
    sees_all = call.may(f"/nodes/{node}", "Sys.Audit")
    ends = set(split_list(params.get("statusfilter", "")))
    rows = []
    for record in reversed(list(call.lab.tasks.records.values())):
        running = record.endtime is None
        if record.node != node or (source == "archive" and running) or (source == "active" and not running):
            continue
        if not (sees_all or _own(call, record)):
            continue
        if not _wanted(params, record) or (ends and (running or _end(record) not in ends)):
            continue
        row = entry(record)
        if record.endtime is not None:
            row |= {"endtime": record.endtime, "status": record.exitstatus}
        elif source != "archive":
            row["status"] = "RUNNING"
        rows.append(row)
    start, limit = params.get("start", 0), params.get("limit", 50)
    shown = rows[start : start + limit] if limit else rows[start:]
    if rows:
        call.extra["total"] = len(rows)
    return shown


def _wanted(params: dict[str, Any], record: TaskRecord) -> bool:
    tests = (
        "vmid" not in params or record.id == str(params["vmid"]),
        "typefilter" not in params or record.kind == params["typefilter"],
        "userfilter" not in params or params["userfilter"].lower() in record.user.lower(),
        "since" not in params or record.starttime >= params["since"],
        "until" not in params or record.starttime <= params["until"],
        not params.get("errors") or (record.endtime is not None and _end(record) in ("error", "unknown")),
    )
    return all(tests)


def _task(call: Call, privilege: str = "Sys.Audit") -> TaskRecord:
    record = call.lab.tasks.get(call.params["upid"], call.params["node"])
    if not _own(call, record):
        call.need(f"/nodes/{call.params['node']}", privilege)
    return record


@api("GET", "/nodes/{node}/tasks/{upid}")
def index(_: Call) -> list[dict[str, str]]:
    """List what can be asked of a task."""
    return [{"name": "log"}, {"name": "status"}]


@api("GET", "/nodes/{node}/tasks/{upid}/status")
def status(call: Call) -> dict[str, Any]:
    """Return a task's state; `exitstatus` once it has ended."""
    record = _task(call)
    shown = entry(record) | {"status": "running" if record.endtime is None else "stopped"}
    if record.endtime is not None:
        shown["exitstatus"] = record.exitstatus
    return shown


@api("GET", "/nodes/{node}/tasks/{upid}/log")
def log(call: Call) -> list[dict[str, Any]]:
    """Return lines of a task's log."""
    if call.params.get("download"):
        raise PVEError(501, "downloading a task's log is not modelled by this lab")
    try:
        lines = _task(call).log
    except PVEError as error:
        if (error.errors or {}).get("upid") != "no such task":
            raise
        call.need(f"/nodes/{call.params['node']}", "Sys.Audit")
        lines = ("unable to open file - No such file or directory",)
    start, limit = call.params.get("start", 0), call.params.get("limit", 50) or len(lines)
    call.extra["total"] = len(lines)
    shown = [{"n": n + 1, "t": line} for n, line in enumerate(lines)][start : start + limit]
    return shown if lines else [{"n": 1, "t": "no content"}]


@api("DELETE", "/nodes/{node}/tasks/{upid}")
def stop(call: Call) -> None:
    """Interrupt a task."""
    record = _task(call, "Sys.Modify")
    call.lab.tasks.stop(record.upid)
