"""Proxmox tasks: waiting for their end, their own words when they fail, and finding those whose UPID was lost."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from atlas.errors import ApiRefused, TaskFailed, TaskTimeout
from atlas.events import Emitter, EventType
from atlas.proxmox.client import Client

FIRST_POLL, LAST_POLL = 0.03, 1.0
POLL_SHARE = 0.02  # of the time that has passed: the most that waiting adds to a task
LOG_SECONDS = 1.5  # how often a running task's log is looked at for its percentage
PATIENCE = 3600.0
SKEW = 600  # seconds by which our clock and a node's may differ

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s?%")


def wait(client: Client, upid: str, emit: Emitter, guest: str | None = None, *, patience: float = PATIENCE) -> None:
    """Wait until a task has ended well; `WARNINGS` count as well.

    The pauses grow with the time that has passed, so that waiting adds two percent at most.

    Raises:
        TaskFailed: It ended with an error, or nothing is known of it any more.
        TaskTimeout: It still runs after `patience` seconds.
    """
    began = logged = time.monotonic()
    kind = upid.split(":")[5]
    emit(EventType.TASK, guest, upid=upid, kind=kind, status="running", percent=None)
    while (exitstatus := ended(client, upid)) is None:
        passed = time.monotonic() - began
        if passed > patience:
            raise TaskTimeout(
                f"task {kind} still runs after {passed:.0f} s", "it goes on by itself; `atlas resume` later", upid=upid
            )
        if time.monotonic() - logged > LOG_SECONDS:
            logged = time.monotonic()
            if (percent := _percent(client, upid)) is not None:
                emit(EventType.TASK, guest, upid=upid, kind=kind, status="running", percent=percent)
        time.sleep(min(max(FIRST_POLL, passed * POLL_SHARE), LAST_POLL))
    emit(EventType.TASK, guest, upid=upid, kind=kind, status=exitstatus, percent=100 if good(exitstatus) else None)
    if not good(exitstatus):
        lines = log(client, upid)[-10:]
        raise TaskFailed(
            f"task {kind} failed: {exitstatus}", last_words(lines), upid=upid, exitstatus=exitstatus, log=lines
        )


def ended(client: Client, upid: str) -> str | None:
    """Return a task's exit status, None while it runs; `unknown` where the node has forgotten it."""
    try:
        status = client.get("nodes", upid.split(":")[1], "tasks", upid, "status")
    except ApiRefused as refused:
        if "upid" in refused.errors:
            return "unknown"
        raise
    return str(status.get("exitstatus", "unknown")) if status.get("status") != "running" else None


def good(exitstatus: str) -> bool:
    """Tell whether a task did its work. Source: pve-common UPID.pm."""
    return exitstatus == "OK" or exitstatus.startswith("WARNINGS")


def last_words(lines: Sequence[str]) -> str:
    """Return what a failed task's log says beside its exit status: why QEMU did not start stands only there."""
    said = [line for line in lines if line.strip() and not line.startswith("TASK ERROR") and ".pm line" not in line]
    return f"its log says: {' / '.join(said[-3:])}" if said else ""


def log(client: Client, upid: str) -> list[str]:
    """Return a task's log, empty where it cannot be read."""
    try:
        lines = client.get("nodes", upid.split(":")[1], "tasks", upid, "log", limit=500)
    except ApiRefused:
        return []
    return [str(line.get("t", "")) for line in lines or ()]


def find(client: Client, node: str, kind: str, vmid: int, since: float, *, names: int | None = None) -> list[str]:
    """Return the UPIDs of our tasks of a kind on a guest, the latest first.

    Args:
        client: The API; a token sees its own tasks only.
        node: Where it ran.
        kind: PVE's type, such as `qmclone`.
        vmid: The VMID in the UPID; of a clone that is the source's.
        since: Our time in seconds before the call was made.
        names: A VMID that the log must name, such as a clone's new one.
    """
    start = int(since) - SKEW
    found: list[dict[str, Any]] = client.get(
        "nodes", node, "tasks", source="all", typefilter=kind, vmid=vmid, since=start, limit=500
    )
    upids = [str(t["upid"]) for t in sorted(found, key=lambda t: -int(t["starttime"])) if str(t.get("type")) == kind]
    if names is None:
        return upids
    word = re.compile(rf"\b{names}\b")
    return [u for u in upids if any(word.search(line) for line in log(client, u))]


def at_work(client: Client, node: str) -> list[tuple[int, str]]:
    """Return our own tasks on a node's guests that still run, as VMID and PVE's word; consoles left out."""
    rows: list[dict[str, Any]] = client.get("nodes", node, "tasks", source="active", limit=500)
    ours = [t for t in rows if str(t["upid"]).split(":")[7] == client.token_id and str(t.get("id", "")).isdigit()]
    return [
        (int(t["id"]), str(t["type"]))
        for t in ours
        # The list has a task for up to ten seconds longer than it runs; its status asks for the process.
        if not str(t["type"]).endswith("proxy") and ended(client, str(t["upid"])) is None
    ]


def _percent(client: Client, upid: str) -> float | None:
    for line in reversed(log(client, upid)):
        if match := _PERCENT.search(line):
            return min(float(match.group(1)), 100.0)
    return None
