"""version, cluster/nextid, cluster/status and cluster/tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.quorum import quorate
from atlas.lab.tasks import TaskRecord, entry

if TYPE_CHECKING:
    from atlas.lab.world import Lab

DAEMON_PID = 1042  # the API daemon's, in the cluster's log
VERSION = {"version": "9.2.11", "release": "9.2", "repoid": "6d2e8a1f4c9b7035"}


@api("GET", "/version")
def version(_: Call) -> dict[str, str]:
    """Return the version that the lab speaks."""
    return dict(VERSION)


@api("GET", "/cluster/nextid")
def nextid(call: Call) -> str:
    """Return the lowest free VMID, or say whether a given one is free."""
    taken = call.lab.guests
    wanted = call.params.get("vmid")
    if wanted is not None:
        if str(wanted) in taken:
            raise PVEError(400, errors={"vmid": f"VM {wanted} already exists"})
        return str(wanted)
    bounds = dict(
        part.split("=", 1) for part in str(call.lab.options("datacenter").get("next-id", "")).split(",") if "=" in part
    )
    lower, upper = int(bounds.get("lower", 100)), int(bounds.get("upper", 1_000_000))
    for vmid in range(lower, upper):
        if str(vmid) not in taken:
            return str(vmid)
    raise PVEError(500, f"unable to get any free VMID in range [{lower}, {upper}]")


def clustered(lab: Lab) -> bool:
    """Say whether the nodes form a cluster; one alone may be of its own."""
    return lab.options("cluster").get("name") is not None or len(lab.nodes) > 1


@api("GET", "/cluster/status")
def status(call: Call) -> list[dict[str, Any]]:
    """List the cluster and its nodes with their addresses."""
    call.need("/", "Sys.Audit")
    nodes = call.lab.nodes
    rows: list[dict[str, Any]] = []
    name = call.lab.options("cluster").get("name")
    if clustered(call.lab):
        rows.append(
            {
                "type": "cluster",
                "id": "cluster",
                "name": name or "atlas-lab",
                "nodes": len(nodes),
                "quorate": int(quorate(call.lab)),
                "version": len(nodes),
            }
        )
    for node_name, node in nodes.items():
        rows.append(
            {
                "type": "node",
                "id": f"node/{node_name}",
                "name": node_name,
                "ip": node.ip,
                "local": int(node_name == call.lab.local_node),
                "nodeid": node.number if clustered(call.lab) else 0,
                "online": int(call.lab.online(node_name)),
                "level": "",
            }
        )
    return rows


@api("GET", "/cluster/log")
def log(call: Call) -> list[dict[str, Any]]:
    """List what happened, the last first: tasks that began and ended, everybody's with Sys.Syslog."""
    happened: list[tuple[int, int, int, TaskRecord]] = []
    for order, record in enumerate(call.lab.tasks.records.values()):
        if call.may("/", "Sys.Syslog") or record.user == call.user:
            happened.append((record.starttime, order, 0, record))
            if record.endtime is not None:
                happened.append((record.endtime, order, 1, record))
    rows = []
    for number, (time, _, ended, record) in enumerate(sorted(happened, key=lambda entry: entry[:3]), 1):
        text = f"end task {record.upid} {record.exitstatus}" if ended else f"starting task {record.upid}"
        failed = ended and record.exitstatus != "OK" and not str(record.exitstatus).startswith("WARNINGS")
        row = {"uid": str(number), "time": time, "node": record.node, "user": record.user, "msg": text}
        row |= {"pid": DAEMON_PID, "pri": 3 if failed else 6, "tag": "pvedaemon", "id": f"{number}:{record.node}"}
        rows.append(row)
    return rows[::-1][: call.params.get("max", 50)]


@api("GET", "/cluster/tasks")
def tasks(call: Call) -> list[dict[str, Any]]:
    """List recent tasks: everybody's with Sys.Audit, else the user's own (a token sees none)."""
    all_users = call.may("/", "Sys.Audit")
    rows = []
    for record in reversed(list(call.lab.tasks.records.values())):
        if not all_users and record.user != call.user:
            continue
        if "!" in call.user and not all_users:
            continue
        row = entry(record)
        if record.endtime is not None:  # as the node's list of finished tasks has it: without its process
            row |= {"endtime": record.endtime, "status": record.exitstatus, "saved": "1"}
            del row["pid"], row["pstart"]
        rows.append(row)
    return rows[:25]
