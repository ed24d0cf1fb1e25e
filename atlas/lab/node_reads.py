"""What clients read of a node without changing it: logs, hardware, history, members."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, api
from atlas.lab.cluster import clustered
from atlas.lab.storage_view import usage


@api("GET", "/nodes/{node}/syslog")
def syslog(call: Call) -> list[dict[str, Any]]:
    """Return the ends of the node's tasks as log lines."""
    lines = _lines(call)
    start, limit = call.params.get("start", 0), call.params.get("limit", 50)
    call.extra["total"] = len(lines)
    return [{"n": number + 1, "t": line} for number, line in enumerate(lines)][start : start + limit]


@api("GET", "/nodes/{node}/journal")
def journal(call: Call) -> list[str]:
    """Return the ends of the node's tasks as log lines."""
    return _lines(call)[-call.params.get("lastentries", 500) :]


def _lines(call: Call) -> list[str]:
    node = call.params["node"]
    records = call.lab.tasks.records.values()
    return [
        f"{node} pvedaemon: <{r.user}> end task {r.upid} {r.exitstatus}"
        for r in records
        if r.node == node and r.endtime
    ]


@api("GET", "/cluster/config/nodes")
def members(call: Call) -> list[dict[str, Any]]:
    """List the cluster's members; a node of its own is none."""
    if not clustered(call.lab):
        return []
    return [
        {"node": name, "name": name, "nodeid": str(node.number), "quorum_votes": "1"}
        for name, node in call.lab.nodes.items()
    ]


def _nothing(_: Call) -> list[object]:
    return []


# Nothing is plugged into a lab's node, and it counts no packets.
for _path in ("hardware/usb", "netstat"):
    api("GET", f"/nodes/{{node}}/{_path}")(_nothing)


@api("GET", "/nodes/{node}/storage/{storage}/rrddata")
def history(call: Call) -> list[dict[str, float]]:
    """Return a storage's size over time: as it is now, since the lab keeps no measurements."""
    storage = call.lab.storage(call.params["storage"], call.params["node"])
    total, used = usage(call.lab, storage, call.params["node"])
    end = int(call.lab.clock.now())
    return [{"time": end - end % 60 - 60 * ago, "total": total, "used": used} for ago in range(69, -1, -1)]
