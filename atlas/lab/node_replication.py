"""nodes/{node}/replication: what becomes of replication jobs; they run when they are told to."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, Forbidden, PVEError, api
from atlas.lab.entities import Entry

Data = dict[str, Any]
_BASE = "/nodes/{node}/replication"


def _found(call: Call) -> Entry:
    name, table = call.params["id"], call.lab.section("replication")
    if name not in table:
        raise PVEError(500, f"no such replication job '{name}'")
    return table[name]


def _state(call: Call, name: str) -> Data:
    found: Data = call.lab.options(f"replication/{name}")
    return found


def _row(call: Call, name: str, entry: Entry) -> Data:
    guest = call.lab.guests.get(str(entry.data["guest"]))
    state = _state(call, name)
    shown = {"id": name, **entry.data, "vmtype": guest.kind if guest else "qemu", "fail_count": 0}
    shown |= {"last_sync": state.get("last_sync", 0), "last_try": state.get("last_sync", 0)}
    return shown | {"duration": state.get("duration", 0), "next_sync": int(call.lab.clock.now()) // 900 * 900 + 900}


@api("GET", _BASE)
def replications(call: Call) -> list[Data]:
    """List the replication jobs of the node's guests."""
    rows = []
    for name, entry in call.lab.section("replication").items():
        guest = call.lab.guests.get(str(entry.data["guest"]))
        if guest is None or guest.node != call.params["node"] or call.params.get("guest") not in (None, guest.vmid):
            continue
        if call.may(f"/vms/{guest.vmid}", "VM.Audit"):
            rows.append(_row(call, name, entry))
    return rows


@api("GET", f"{_BASE}/{{id}}/status")
def status(call: Call) -> Data:
    """Return a job's state."""
    entry = _found(call)
    call.need(f"/vms/{entry.data['guest']}", "VM.Audit")
    return _row(call, call.params["id"], entry)


@api("GET", f"{_BASE}/{{id}}/log")
def log(call: Call) -> list[Data]:
    """Return what a job's last run wrote."""
    entry = _found(call)
    sees_guest = call.may(f"/vms/{entry.data['guest']}", "VM.Audit")
    if not sees_guest and not call.may(f"/nodes/{call.params['node']}", "Sys.Audit"):
        raise Forbidden
    lines = _state(call, call.params["id"]).get("log", ())
    call.extra["total"] = len(lines)
    start = call.params.get("start", 0)
    rows = [{"n": number, "t": line} for number, line in enumerate(lines, 1)]
    return rows[start : start + call.params.get("limit", 50)]


@api("POST", f"{_BASE}/{{id}}/schedule_now")
def schedule(call: Call) -> None:
    """Let a job run at once; the copies on the other node are records alone."""
    name = call.params["id"]
    call.need(f"/vms/{name.partition('-')[0]}", "VM.Replicate")
    entry = _found(call)
    if entry.data.get("disable"):
        raise PVEError(500, f"job '{name}' is disabled")
    now, guest = int(call.lab.clock.now()), entry.data["guest"]
    lines = (f"{name}: start replication job", f"{name}: guest => VM {guest}", f"{name}: end replication job")
    _state(call, name).update({"last_sync": now, "duration": 1.5, "log": lines})
