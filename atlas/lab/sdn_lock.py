"""cluster/sdn/lock, rollback and dry-run: the one lock over the configuration, and its return to what was applied."""

from __future__ import annotations

import uuid
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Entry
from atlas.lab.sdn import APPLIED, LOCK, check_token, configured, release_token, running
from atlas.lab.world import Lab


def _pending(lab: Lab) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind in APPLIED:
        now, applied = configured(lab, kind), running(lab, kind)
        names = [n for n in {**now, **applied} if n not in now or n not in applied or now[n].data != applied[n].data]
        if names:
            found[kind] = names
    return found


@api("POST", "/cluster/sdn/lock")
def lock(call: Call) -> str:
    """Lock the configuration and return the token that opens it."""
    check_token(call, "could not acquire lock for SDN config: ")
    if _pending(call.lab) and not call.params.get("allow-pending"):
        where = " at /usr/share/perl5/PVE/API2/Network/SDN.pm line 140."
        raise PVEError(500, f"could not acquire lock for SDN config: configuration has pending changes{where}")
    token = str(uuid.uuid4())
    call.lab.options(LOCK)["token"] = token
    return token


@api("DELETE", "/cluster/sdn/lock")
def unlock(call: Call) -> None:
    """Give the lock back; with `force` somebody else's."""
    if not call.params.get("force"):
        check_token(call, "could not release lock: ")
    call.lab.options(LOCK).clear()


@api("POST", "/cluster/sdn/rollback")
def rollback(call: Call) -> None:
    """Make the configuration what was last applied."""
    check_token(call, "could not rollback SDN configuration: ")
    for kind in APPLIED:
        now, applied = configured(call.lab, kind), running(call.lab, kind)
        for name in set(now) - set(applied):
            del now[name]
        for name, entry in applied.items():
            now[name] = Entry(dict(entry.data))
    release_token(call)


@api("GET", "/cluster/sdn/dry-run")
def dry_run(call: Call) -> dict[str, Any]:
    """Return what applying would change, as the difference of two files."""
    lines = [f"+# {kind[:-1]} {name}" for kind, names in _pending(call.lab).items() for name in names]
    return {"interfaces-diff": "\n".join([*lines, ""]) if lines else None, "frr-diff": None}
