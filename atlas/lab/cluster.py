"""version, cluster/nextid, cluster/resources, cluster/status and cluster/tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.guest_view import fixed_row, uptime
from atlas.lab.storage_view import usage
from atlas.lab.tasks import entry

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
    raise PVEError(500, f"unable to get any free VMID in range [{lower}, {upper - 1}]")


@api("GET", "/cluster/resources")
def resources(call: Call) -> list[dict[str, Any]]:
    """List guests, storages, nodes, pools and SDN zones that the caller may see."""
    wanted = call.params.get("type")
    rows: list[dict[str, Any]] = []
    if wanted is None:
        rows += _pools(call)
    if wanted in (None, "vm"):
        rows += guest_rows(call, call.lab.guests)
    if wanted in (None, "node"):
        rows += _nodes(call)
    if wanted in (None, "storage"):
        rows += storage_rows(call, call.lab.storages)
    if wanted in (None, "sdn"):
        rows += _zones(call)
    return rows


def _pools(call: Call) -> list[dict[str, Any]]:
    return [
        {"id": f"/pool/{poolid}", "pool": poolid, "type": "pool"}
        for poolid in call.lab.pools
        if call.may(f"/pool/{poolid}", "Pool.Audit")
    ]


def guest_rows(call: Call, vmids: Iterable[str]) -> list[dict[str, Any]]:
    """Return the guests with these numbers that exist and that the caller may see."""
    rows, lab = [], call.lab
    pools = lab.rights.pools_by_member()
    managed = lab.section("ha/resources")
    now = lab.clock.now()
    for key in vmids:
        guest = lab.guests.get(key)
        if guest is None or not call.may(f"/vms/{key}", "VM.Audit"):
            continue
        row = {"id": f"{guest.kind}/{key}", "vmid": guest.vmid, "node": guest.node, "type": guest.kind}
        reachable = lab.online(guest.node)
        row |= _fixed(call, key) if reachable else {"status": "unknown"}
        if guest.status == "running" and reachable:
            row["uptime"] = uptime(guest, now)
        pool = pools.get(("vms", key))
        if pool is not None and call.may(f"/pool/{pool}", "Pool.Audit"):
            row["pool"] = pool
        entry = managed.get(f"{'vm' if guest.kind == 'qemu' else 'ct'}:{key}")
        if entry is not None:
            row["hastate"] = entry.data.get("state", "started")
        rows.append(row)
    return rows


def _fixed(call: Call, key: str) -> dict[str, Any]:
    """Return what a guest's row holds until the guest changes; kept, since thousands are listed often."""
    guests = call.lab.guests
    kept: dict[str, Any] | None = guests.derived.get(key)
    if kept is None:
        kept = guests.derived[key] = fixed_row(guests[key])
    return kept


def _nodes(call: Call) -> list[dict[str, Any]]:
    rows = []
    for name in call.lab.nodes:
        row: dict[str, Any] = {"id": f"node/{name}", "node": name, "type": "node", "level": ""}
        row["status"] = "online" if call.lab.online(name) else "offline"
        if call.may(f"/nodes/{name}", "Sys.Audit") and call.lab.online(name):
            row |= {"cgroup-mode": 2, **node_load(call, name)}
        rows.append(row)
    return rows


def node_load(call: Call, name: str) -> dict[str, Any]:
    """Return a node's processors, memory and root disk with what is used of them."""
    node = call.lab.nodes[name]
    guests, now = call.lab.guests, call.lab.clock.now()
    rows = [_fixed(call, key) for key, guest in guests.items() if guest.node == name and guest.status == "running"]
    return {
        "maxcpu": node.cores,
        "cpu": min(1.0, 0.01 + sum(row["cpu"] * row["maxcpu"] for row in rows) / node.cores),
        "maxmem": node.memory,
        "mem": min(node.memory, 2 * 1024**3 + sum(row["mem"] for row in rows)),
        "maxdisk": node.disk,
        "disk": 8 * 1024**3,
        "uptime": int(now - node.booted_at),
    }


def storage_rows(call: Call, names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the entries of these storages, one for each node that has it and the caller may see."""
    rows, lab = [], call.lab
    for name in names:
        storage = lab.storages[name]
        if not storage.enabled or not call.may(f"/storage/{name}", "Datastore.Audit"):
            continue
        for node in lab.nodes:
            if not storage.on(node):
                continue
            total, used = usage(lab, storage, node)
            online = lab.online(node)
            rows.append(
                {
                    "id": f"storage/{node}/{name}",
                    "storage": name,
                    "node": node,
                    "type": "storage",
                    "plugintype": storage.type,
                    "content": ",".join(sorted(storage.content)),
                    "shared": int(storage.shared),
                    "status": "available" if online else "unknown",
                    **({"maxdisk": total, "disk": used} if online else {}),
                }
            )
    return rows


def _zones(call: Call) -> list[dict[str, Any]]:
    rows = []
    zones = ["localnetwork", *call.lab.section("sdn/running/zones")]
    for zone in zones:
        if not call.may(f"/sdn/zones/{zone}", "SDN.Audit"):
            continue
        for node in call.lab.nodes:
            row = {"id": f"sdn/{node}/{zone}", "sdn": zone, "node": node, "type": "sdn", "status": "ok"}
            rows.append(row)
    return rows


@api("GET", "/cluster/status")
def status(call: Call) -> list[dict[str, Any]]:
    """List the cluster and its nodes with their addresses."""
    call.need("/", "Sys.Audit")
    nodes = call.lab.nodes
    rows: list[dict[str, Any]] = []
    name = call.lab.options("cluster").get("name")
    clustered = name is not None or len(nodes) > 1
    if clustered:
        online = sum(map(call.lab.online, nodes))
        quorate = int(online * 2 > len(nodes))
        rows.append(
            {
                "type": "cluster",
                "id": "cluster",
                "name": name or "atlas-lab",
                "nodes": len(nodes),
                "quorate": quorate,
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
                "nodeid": node.number if clustered else 0,
                "online": int(call.lab.online(node_name)),
                "level": "",
            }
        )
    return rows


@api("GET", "/cluster/log")
def log(call: Call) -> list[dict[str, Any]]:
    """List what happened: the ends of tasks, everybody's with Sys.Syslog."""
    rows = []
    for number, record in enumerate(call.lab.tasks.records.values()):
        if record.endtime is None or not (call.may("/", "Sys.Syslog") or record.user == call.user):
            continue
        text = f"end task {record.upid} {record.exitstatus}"
        row = {"uid": number, "time": record.endtime, "node": record.node, "user": record.user, "msg": text}
        rows.append({**row, "pid": record.pid, "pri": 6, "tag": "pvedaemon", "id": f"{number}:{record.node}"})
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
        if record.endtime is not None:
            row |= {"endtime": record.endtime, "status": record.exitstatus}
        rows.append(row)
    return rows[:25]
