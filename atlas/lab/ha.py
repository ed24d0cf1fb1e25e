"""cluster/ha: resources and status of the high-availability manager."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.formats import split_list
from atlas.lab.sections import check_digest, settings, table_digest, take_away

MIGRATED = "ha groups have been migrated to rules"
ARMED = "ha-armed"
_SHOWN = ("max_restart", "max_relocate", "failback", "comment")
_OPTIONS = ("state", "group", "comment", "failback", "max_restart", "max_relocate")
_KINDS = {"vm": ("qemu", "VM"), "ct": ("lxc", "container")}


def resource_of(call: Call) -> str:
    """Return a resource's id: a bare number is the guest of that number."""
    text = str(call.params["sid"])
    if ":" in text:
        return text
    guest = call.lab.guests.get(text)
    if guest is None:
        raise PVEError(500, f"unable to detect SID from VMID - VM/CT {text} does not exist")
    return f"{'ct' if guest.kind == 'lxc' else 'vm'}:{text}"


def _shown(call: Call, sid: str) -> dict[str, Any]:
    table = call.lab.section("ha/resources")
    return {**table[sid].data, "sid": sid, "type": sid.partition(":")[0], "digest": table_digest(table)}


def _check_given(call: Call, kind: str) -> None:
    if call.params.get("type", kind) != kind:
        raise PVEError(500, "types does not match")
    if "group" in call.params:
        raise PVEError(500, f"invalid parameter 'group': {MIGRATED}")


def _existing(call: Call, doing: str = "") -> str:
    sid = resource_of(call)
    if sid not in call.lab.section("ha/resources"):
        raise PVEError(500, f"{doing}no such resource '{sid}'")
    return sid


@api("GET", "/cluster/ha/resources")
def resources(call: Call) -> list[dict[str, Any]]:
    """List the managed guests."""
    kind = call.params.get("type")
    return [_shown(call, sid) for sid in call.lab.section("ha/resources") if kind in (None, sid.partition(":")[0])]


@api("POST", "/cluster/ha/resources")
def create_resource(call: Call) -> None:
    """Let HA manage a guest."""
    sid = resource_of(call)
    kind, _, vmid = sid.partition(":")
    if kind not in _KINDS:
        raise PVEError(400, errors={"sid": "invalid format - value does not look like a valid ha resource id"})
    _check_given(call, kind)
    guest = call.lab.guests.get(vmid)
    if guest is None:
        raise PVEError(500, f"resource '{sid}' does not exist in cluster")
    wanted, word = _KINDS[kind]
    if guest.kind != wanted:
        raise PVEError(500, f"resource '{sid}' - guest with ID {vmid} is not a {word}")
    table = call.lab.section("ha/resources")
    if sid in table:
        raise PVEError(500, f"create resource failed: resource ID '{sid}' already defined")
    table[sid] = Entry({"state": "started", **settings(call.params, "sid", "type")})


@api("GET", "/cluster/ha/resources/{sid}")
def read_resource(call: Call) -> dict[str, Any]:
    """Return a managed guest's settings."""
    return _shown(call, _existing(call))


@api("PUT", "/cluster/ha/resources/{sid}")
def update_resource(call: Call) -> None:
    """Change a managed guest's settings."""
    doing, table = "update resources config failed: ", call.lab.section("ha/resources")
    _check_given(call, resource_of(call).partition(":")[0])
    check_digest(call.params, table_digest(table), doing)
    sid = _existing(call, doing)
    given, data = settings(call.params, "sid", "type", doing=doing), dict(table[sid].data)
    take_away(data := data | given, split_list(call.params.get("delete", "")), {}, known=_OPTIONS, doing=doing)
    table[sid].data = data


@api("DELETE", "/cluster/ha/resources/{sid}")
def delete_resource(call: Call) -> None:
    """Take a guest from HA, also out of its rules unless these are to keep it."""
    sid, table = resource_of(call), call.lab.section("ha/resources")
    if sid not in table:
        raise PVEError(500, f"cannot delete service '{sid}', not HA managed!")
    del table[sid]
    if not call.params.get("purge", 1):
        return
    for rule, entry in list(call.lab.section("ha/rules").items()):
        left = [name for name in split_list(entry.data["resources"]) if name != sid]
        if not left:
            del call.lab.section("ha/rules")[rule]
        elif len(left) != len(split_list(entry.data["resources"])):
            entry.data["resources"] = ",".join(left)


def _fencing(call: Call) -> dict[str, Any]:
    """Describe whether nodes are fenced: as long as anything is managed, unless that was disarmed."""
    state = call.lab.options(ARMED)
    row = {"id": "fencing", "type": "fencing", "node": call.lab.local_node}
    if state:
        text = f"disarmed, resource mode: {state['mode']} (CRM watchdog released)"
        return {**row, "armed-state": "disarmed", "resource_mode": state["mode"], "status": text}
    armed = bool(call.lab.section("ha/resources"))
    text = "armed (CRM watchdog active)" if armed else "standby (CRM watchdog standby)"
    return {**row, "armed-state": "armed" if armed else "standby", "status": text}


@api("GET", "/cluster/ha/status/current")
def status(call: Call) -> list[dict[str, Any]]:
    """Return the manager's view of the cluster and its services."""
    lab = call.lab
    rows: list[dict[str, Any]] = [
        {"id": "quorum", "type": "quorum", "node": lab.local_node, "status": "OK", "quorate": 1},
        _fencing(call),
    ]
    for sid in lab.section("ha/resources"):
        guest = lab.guests.get(sid.partition(":")[2])
        if guest is None:
            continue
        data = {"max_restart": 1, "max_relocate": 1, "failback": 1, **lab.section("ha/resources")[sid].data}
        state = data.get("state", "started")
        now = "started" if guest.status == "running" else "stopped"
        row = {"id": f"service:{sid}", "type": "service", "sid": sid, "node": guest.node, "state": now}
        row |= {
            "request_state": "started" if state == "enabled" else state,
            "status": f"{sid} ({guest.node}, {now})",
            "crm_state": now,
        }
        rows.append(row | {key: data[key] for key in _SHOWN if key in data})
    return rows
