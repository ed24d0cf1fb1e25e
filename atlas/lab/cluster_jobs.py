"""cluster/backup and cluster/mapping: definitions of jobs and devices; none of the jobs runs by itself."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from atlas.lab.calendar_events import DAYS, parse
from atlas.lab.call import Call, PVEError, api
from atlas.lab.formats import split_list, taken_apart
from atlas.lab.property_formats import PROPERTIES
from atlas.lab.sections import change, check_digest, settings, table_digest
from atlas.lab.world import Entry

# Property strings that are shown taken apart.
_PARSED = {"prune-backups": "prune-backups", "fleecing": "backup-fleecing", "performance": "backup-performance"}


def _inner(name: str, text: str) -> PVEError:
    """A parameter error that was raised under a lock reaches the client as 500 with its text."""
    return PVEError(500, f"400 Parameter verification failed.\n{name}: {text}\n")


def _job(name: str, entry: Entry) -> dict[str, Any]:
    shown = {"id": name, "type": "vzdump", **entry.data}
    for key, form in _PARSED.items():
        if isinstance(shown.get(key), str):
            shown[key] = taken_apart(PROPERTIES[form], shown[key])
    return shown


def _scheduled(params: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    """Return parameters whose schedule is one text, whether it was named so or by days and a time."""
    rest = {key: value for key, value in params.items() if key not in ("starttime", "dow")}
    if "starttime" not in params:
        if required and "schedule" not in params:
            raise PVEError(400, errors={"schedule": "neither 'starttime' nor 'schedule' were set"})
        return rest
    if "schedule" in params:
        raise PVEError(400, errors={"starttime": "'starttime' and 'schedule' cannot both be set"})
    days = split_list(params.get("dow", ""))
    everyday = not days or days == list(DAYS)
    return rest | {"schedule": params["starttime"] if everyday else f"{','.join(days)} {params['starttime']}"}


@api("GET", "/cluster/backup")
def jobs(call: Call) -> list[dict[str, Any]]:
    """List the backup jobs, each with the time of its next run, also if it is not enabled."""
    rows = []
    for name, entry in call.lab.section("backup").items():
        due = parse(entry.data["schedule"]).after(call.lab.clock.now()) if "schedule" in entry.data else None
        rows.append(_job(name, entry) | ({} if due is None else {"next-run": due}))
    return rows


@api("GET", "/cluster/jobs/schedule-analyze")
def schedule_analyze(call: Call) -> list[dict[str, Any]]:
    """List the next times of a calendar event."""
    event, last = parse(call.params["schedule"]), call.params.get("starttime", call.lab.clock.now())
    rows: list[dict[str, Any]] = []
    for _ in range(call.params.get("iterations", 10)):
        due = event.after(last)
        if due is None:
            break
        rows.append({"timestamp": due, "utc": time.asctime(time.gmtime(due))})
        last = due
    return rows


@api("POST", "/cluster/backup")
def create_job(call: Call) -> None:
    """Make a backup job."""
    params, table = _scheduled(call.params, required=True), call.lab.section("backup")
    name = params.get("id") or str(uuid.uuid4())
    if name in table:
        raise PVEError(500, f"Job '{name}' already exists")
    chosen = [key for key in ("all", "vmid", "pool") if params.get(key)]
    if not chosen:
        raise _inner("vmid", "property is missing")
    if len(chosen) > 1:
        raise _inner(chosen[0], f"option conflicts with option '{chosen[1]}'")
    table[name] = Entry({"enabled": 1, **settings(params, "id")})


@api("GET", "/cluster/backup/{id}")
def read_job(call: Call) -> dict[str, Any]:
    """Return a backup job."""
    table, name = call.lab.section("backup"), call.params["id"]
    if name not in table:
        raise PVEError(400, errors={"id": f"No such job '{name}'"})
    return _job(name, table[name])


@api("PUT", "/cluster/backup/{id}")
def update_job(call: Call) -> None:
    """Change a backup job."""
    table, name = call.lab.section("backup"), call.params["id"]
    if name not in table:
        raise PVEError(500, "no such vzdump job")
    change(table[name].data, _scheduled(call.params), "id")


@api("DELETE", "/cluster/backup/{id}")
def delete_job(call: Call) -> None:
    """Remove a backup job."""
    table, name = call.lab.section("backup"), call.params["id"]
    if name not in table:
        raise _inner("id", f"No such job '{name}'")
    del table[name]


def _included(call: Call, data: dict[str, Any]) -> set[str]:
    lab = call.lab
    if data.get("vmid"):
        return set(split_list(data["vmid"])) & set(lab.guests)
    if data.get("pool"):
        pool = lab.pools.get(data["pool"])
        return set(pool.vms) & set(lab.guests) if pool else set()
    return set(lab.guests) - set(split_list(data.get("exclude", "")))


@api("GET", "/cluster/backup/{id}/included_volumes")
def included_volumes(call: Call) -> dict[str, Any]:
    """Return the guests of a backup job with their disks."""
    table, name = call.lab.section("backup"), call.params["id"]
    if name not in table:
        raise PVEError(400, errors={"id": f"No such job '{name}'"})
    children = []
    for vmid in sorted(_included(call, table[name].data), key=int):
        guest = call.lab.guests[vmid]
        disks = [
            {
                "id": f"{vmid}:{key}",
                "name": str(value).partition(",")[0],
                "included": int("backup=0" not in str(value)),
                "leaf": 1,
                "reason": "enabled",
            }
            for key, value in guest.config.items()
            if key[:-1] in ("scsi", "virtio", "sata", "ide", "mp") and "media=cdrom" not in str(value)
        ]
        row = {
            "id": guest.vmid,
            "name": guest.config.get("name") or guest.config.get("hostname") or "",
            "type": guest.kind,
        }
        children.append(row | {"children": disks} | ({} if disks else {"leaf": 1}))
    return {"children": children}


@api("GET", "/cluster/backup-info/not-backed-up")
def not_backed_up(call: Call) -> list[dict[str, Any]]:
    """List the guests that no backup job includes."""
    covered: set[str] = set()
    for entry in call.lab.section("backup").values():
        covered |= _included(call, entry.data)
    return [
        {"vmid": guest.vmid, "type": guest.kind, "name": guest.config.get("name") or guest.config.get("hostname") or ""}
        for vmid, guest in call.lab.guests.items()
        if vmid not in covered and call.may(f"/vms/{vmid}", "VM.Audit")
    ]


def _mapping(kind: str, word: str) -> None:
    """Register the calls of one kind of mapping."""
    base, item = f"/cluster/mapping/{kind}", f"/cluster/mapping/{kind}/{{id}}"

    def found(call: Call) -> Entry:
        table, name = call.lab.section(f"mapping/{kind}"), call.params["id"]
        if name not in table:
            raise PVEError(500, f"mapping '{name}' not found")
        return table[name]

    @api("GET", base)
    def index(call: Call) -> list[dict[str, Any]]:
        table = call.lab.section(f"mapping/{kind}")
        sum_ = table_digest(table)
        rows = []
        for name, entry in table.items():
            if call.may(f"/mapping/{kind}/{name}", "Mapping.Audit", "Mapping.Use", "Mapping.Modify", any=True):
                rows.append({"id": name, "type": kind, "digest": sum_, **entry.data})
        return rows

    @api("GET", item)
    def read(call: Call) -> dict[str, Any]:
        return {
            **found(call).data,
            "digest": table_digest(call.lab.section(f"mapping/{kind}")),
            **({"type": kind} if kind == "dir" else {}),
        }

    @api("POST", base)
    def create(call: Call) -> None:
        table, name = call.lab.section(f"mapping/{kind}"), call.params["id"]
        if name in table:
            raise PVEError(500, f"create {word} mapping failed: {kind} ID '{name}' already defined")
        table[name] = Entry(settings(call.params, "id"))

    @api("PUT", item)
    def update(call: Call) -> None:
        if "map" not in call.params:
            raise PVEError(500, f"update {word} mapping failed: missing value for required option 'map'")
        entry = found(call)
        check_digest(call.params, table_digest(call.lab.section(f"mapping/{kind}")), f"update {word} mapping failed: ")
        change(entry.data, call.params, "id")

    @api("DELETE", item)
    def delete(call: Call) -> None:
        call.lab.section(f"mapping/{kind}").pop(call.params["id"], None)

    _: list[Callable[..., object]] = [index, read, create, update, delete]


for _kind, _word in (("dir", "directory"), ("pci", "hardware"), ("usb", "hardware")):
    _mapping(_kind, _word)
