"""What graphs of guests are drawn from: rows that are true to the shape, with a load that never changes."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.guest_view import fixed_row
from atlas.lab.guests import this_guest

# Seconds between two rows. Source: the round-robin archives of pve-cluster.
_STEPS = {"hour": 60, "day": 60, "week": 1800, "month": 1800, "year": 21600, "decade": 604800}
_ROWS = 70
_FIELDS = ("cpu", "maxcpu", "mem", "maxmem", "disk", "maxdisk", "netin", "netout", "diskread", "diskwrite")


def rows(call: Call) -> object:
    """List a guest's figures over a time; before its start there are none."""
    if str(call.params["vmid"]) not in call.lab.guests:
        path = f"/var/lib/rrdcached/db/pve-vm-9.0/{call.params['vmid']}"
        raise PVEError(500, f"RRD error: opening '{path}': No such file or directory")
    guest = this_guest(call)
    step = _STEPS[str(call.params["timeframe"])]
    last = int(call.lab.clock.now()) // step * step
    figures = fixed_row(guest)
    shown: list[dict[str, Any]] = []
    for time in range(last - (_ROWS - 1) * step, last + 1, step):
        runs = guest.started_at is not None and time >= guest.started_at
        shown.append({"time": time, **({key: figures[key] for key in _FIELDS if key in figures} if runs else {})})
    return shown


for _kind in ("qemu", "lxc"):
    api("GET", f"/nodes/{{node}}/{_kind}/{{vmid}}/rrddata")(rows)
