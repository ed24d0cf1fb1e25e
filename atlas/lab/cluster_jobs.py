"""cluster/backup: the definitions of backup jobs; none of them runs by itself."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from atlas.lab.calendar_events import DAYS, parse
from atlas.lab.call import Call, Forbidden, PVEError, api
from atlas.lab.entities import Entry, Guest
from atlas.lab.formats import split_list, taken_apart
from atlas.lab.property_formats import PROPERTIES
from atlas.lab.sections import settings
from atlas.lab.table import load

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


def _check_caller(call: Call, *names: str) -> None:
    """Refuse what the caller may not set, and a pool that there is not."""
    if not call.is_root:
        for key in ("tmpdir", "dumpdir", "script", "job-id"):
            if key in call.params or key in names:
                raise PVEError(400, errors={key: "Only root may set this option."})
    pool = call.params.get("pool")
    if pool:
        if pool not in call.lab.pools:
            raise Forbidden(f"pool '{pool}' does not exist")
        call.need(f"/pool/{pool}", "VM.Backup")


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
    _check_caller(call)
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


# What goes when something else chooses a job's guests.
_OTHERS = {"vmid": ("all", "exclude", "pool"), "all": ("vmid", "pool"), "pool": ("vmid", "all", "exclude")}


def _deletable() -> set[str]:
    known = set(load().description["/cluster/backup/{id}"]["PUT"]["parameters"])
    return known - {"id", "delete", "enabled", "schedule", "starttime", "dow"}


@api("PUT", "/cluster/backup/{id}")
def update_job(call: Call) -> None:
    """Change a backup job; what chooses its guests takes the place of what chose them so far."""
    gone = split_list(call.params.get("delete", ""))
    _check_caller(call, *gone)
    given = settings(_scheduled(call.params), "id", "delete")
    table, name = call.lab.section("backup"), call.params["id"]
    if not given and not gone:
        raise PVEError(500, "no options specified")
    if name not in table:
        raise PVEError(500, "no such vzdump job")
    unknown = next((key for key in gone if key not in _deletable()), None)
    if unknown is not None:
        raise _inner("delete", f"unknown option '{unknown}'")
    data = {key: value for key, value in table[name].data.items() if key not in gone} | given
    if "exclude" in data and "pool" not in data:
        data["all"] = 1
    chosen = next((key for key in ("vmid", "all", "pool") if given.get(key)), "pool" if "pool" in data else "")
    for key in _OTHERS.get(chosen, ()):
        data.pop(key, None)
    table[name].data = data


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
        return set(split_list(data["vmid"]))
    if data.get("pool"):
        pool = lab.pools.get(data["pool"])
        return set(pool.vms) & set(lab.guests) if pool else set()
    return set(lab.guests) - set(split_list(data.get("exclude", "")))


_DISK = re.compile(r"(scsi|virtio|sata|ide|mp|efidisk|tpmstate)\d+|rootfs")


def _reason(guest: Guest, key: str, value: str) -> dict[str, Any]:
    """Say whether a disk is in a backup of its guest, and why."""
    flag = re.search(r",backup=(\d)", value)
    if guest.kind == "qemu":
        if key == "efidisk0" and guest.config.get("bios") != "ovmf":
            return {"included": 0, "reason": "efidisk but no OMVF BIOS"}
        wanted = flag is None or flag[1] == "1"
        return {"included": int(wanted), "reason": f"backup={'yes' if wanted else 'no'}"}
    if key == "rootfs":
        return {"included": 1, "reason": "rootfs"}
    if value.startswith("/"):
        return {"included": 0, "reason": "not a volume"}
    wanted = flag is not None and flag[1] == "1"
    return {"included": int(wanted), "reason": "enabled" if wanted else "disabled"}


@api("GET", "/cluster/backup/{id}/included_volumes")
def included_volumes(call: Call) -> dict[str, Any]:
    """Return the guests of a backup job with their disks."""
    table, name = call.lab.section("backup"), call.params["id"]
    if name not in table:
        raise PVEError(400, errors={"id": f"No such job '{name}'"})
    children = []
    for vmid in sorted(_included(call, table[name].data), key=int):
        guest = call.lab.guests.get(vmid)
        if guest is None:  # it was removed, but not out of the job
            children.append({"id": int(vmid), "type": "unknown", "leaf": 1})
            continue
        disks = [
            {"id": f"{vmid}:{key}", "name": str(value).partition(",")[0], "leaf": 1, **_reason(guest, key, str(value))}
            for key, value in sorted(guest.config.items())
            if _DISK.fullmatch(key) and "media=cdrom" not in str(value)
        ]
        row = {
            "id": guest.vmid,
            "name": guest.config.get("name") or guest.config.get("hostname") or "",
            "type": guest.kind,
        }
        children.append(row | {"children": disks, "leaf": int(not disks)})
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
