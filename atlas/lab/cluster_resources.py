"""cluster/resources: guests, storages, nodes, pools and zones in one list; and what other lists take from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from atlas.lab.call import Call, api
from atlas.lab.entities import Guest, Pool, Storage
from atlas.lab.formats import split_list
from atlas.lab.guest_view import fixed_row, uptime
from atlas.lab.storage_view import usage
from atlas.lab.world import Lab


@api("GET", "/cluster/resources")
def resources(call: Call) -> list[dict[str, Any]]:
    """List guests, storages, nodes, pools and SDN zones that the caller may see."""
    wanted = call.params.get("type")
    rows: list[dict[str, Any]] = []
    if wanted is None:
        rows += [_pool_row(call, name) for name in call.lab.pools if call.may(f"/pool/{name}", "Pool.Audit")]
    if wanted in (None, "vm"):
        rows += guest_rows(call, call.lab.guests)
    if wanted in (None, "node"):
        rows += _nodes(call)
    if wanted in (None, "storage"):
        rows += storage_rows(call, call.lab.storages)
    if wanted is None:  # zones are `network` since PVE 9.1, and `type` cannot name that; `sdn` finds nothing
        rows += _zones(call)
    return rows


def _pool_row(call: Call, name: str) -> dict[str, Any]:
    """Return a pool with what its running guests use together, also those that the caller does not see."""
    row: dict[str, Any] = {"id": f"/pool/{name}", "pool": name, "type": "pool"}
    lab, now = call.lab, call.lab.clock.now()
    guests = [guest for key in lab.pools[name].vms if (guest := lab.guests.get(key)) and guest.status == "running"]
    running = [(uptime(guest, now), _fixed(lab, guest)) for guest in guests if lab.online(guest.node)]
    if running := [(seconds, fixed) for seconds, fixed in running if seconds]:
        cores = sum(fixed["maxcpu"] for _, fixed in running)
        row |= {"uptime": max(seconds for seconds, _ in running), "maxcpu": cores}
        row |= {key: sum(fixed[key] for _, fixed in running) for key in ("mem", "maxmem")}
        row["cpu"] = sum(fixed["cpu"] * fixed["maxcpu"] for _, fixed in running) / cores
    return row


def members(call: Call, pool: Pool, kind: str | None) -> list[dict[str, Any]]:
    """Return a pool's members of a kind or of all kinds; a storage once, on one of its nodes, the own one first."""
    rows = [row for key in sorted(pool.vms) if (row := _member(call, key)) and kind in (None, row["type"])]
    for name in sorted(pool.storages):
        storage = call.lab.storages.get(name)
        if storage is not None and kind in (None, "storage"):
            nodes = [node for node in (call.lab.local_node, *sorted(call.lab.nodes)) if storage.on(node)]
            rows += [_storage_row(call, storage, node) for node in nodes[:1]]
    return rows


def _member(call: Call, key: str) -> dict[str, Any] | None:
    """Return what every list says of a guest, whoever asks; None where there is none."""
    guest = call.lab.guests.get(key)
    if guest is None:
        return None
    return {name: value for name, value in _guest_row(call.lab, guest).items() if name not in ("lock", "tags")}


def _guest_row(lab: Lab, guest: Guest) -> dict[str, Any]:
    if not lab.online(guest.node):
        return {**_identity(guest), "status": "unknown"}
    row = _fixed(lab, guest).copy()
    if guest.status == "running":
        row["uptime"] = uptime(guest, lab.clock.now())
    return row


def guest_rows(call: Call, vmids: Iterable[str]) -> list[dict[str, Any]]:
    """Return the guests with these numbers that exist and that the caller may see."""
    rows, lab = [], call.lab
    pools = lab.rights.pools_by_member()
    seen_pools = {name for name in lab.pools if call.may(f"/pool/{name}", "Pool.Audit")}
    managed = lab.section("ha/resources")
    for key in vmids:
        guest = lab.guests.get(key)
        if guest is None or not call.may(f"/vms/{key}", "VM.Audit"):
            continue
        row = _guest_row(lab, guest)
        pool = pools.get(("vms", key))
        if pool in seen_pools:
            row["pool"] = pool
        entry = managed.get(f"{'vm' if guest.kind == 'qemu' else 'ct'}:{key}") if managed else None
        if entry is not None:
            row["hastate"] = entry.data.get("state", "started")
        rows.append(row)
    return rows


def _identity(guest: Guest) -> dict[str, Any]:
    return {"id": f"{guest.kind}/{guest.vmid}", "vmid": guest.vmid, "node": guest.node, "type": guest.kind}


def _fixed(lab: Lab, guest: Guest) -> dict[str, Any]:
    """Return what a guest's row holds until the guest changes; kept, since thousands are listed often."""
    derived = lab.guests.derived
    kept: dict[str, Any] | None = derived.get(str(guest.vmid))
    if kept is None:
        kept = derived[str(guest.vmid)] = _identity(guest) | fixed_row(guest)
        if guest.kind == "qemu":
            kept["memhost"] = kept["mem"]
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
    rows = [_fixed(call.lab, guest) for guest in guests.values() if guest.node == name and guest.status == "running"]
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
        rows += [_storage_row(call, storage, node) for node in lab.nodes if storage.on(node)]
    return rows


def _storage_row(call: Call, storage: Storage, node: str) -> dict[str, Any]:
    row = {
        "id": f"storage/{node}/{storage.id}",
        "storage": storage.id,
        "node": node,
        "type": "storage",
        "plugintype": storage.type,
        "content": ",".join(sorted(storage.content)),
        "shared": int(storage.shared),
    }
    if not (storage.enabled and call.lab.online(node)):
        return {**row, "status": "unknown"}
    total, used = usage(call.lab, storage, node)
    return {**row, "status": "available", "maxdisk": total, "disk": used}


def _zones(call: Call) -> list[dict[str, Any]]:
    """Return the zones of each node: the one of its own bridges, and those that were applied."""
    rows, lab = [], call.lab
    zones = {name: entry.data for name, entry in lab.section("sdn/running/zones").items()}
    for name, data in {"localnetwork": {}, **zones}.items():
        if not call.may(f"/sdn/zones/{name}", "SDN.Audit"):
            continue
        on = split_list(data.get("nodes", "")) or lab.nodes
        what = {"network": name, "network-type": "zone", "type": "network"}
        what |= {"status": "available", "zone-type": data["type"]} if data else {"status": "ok"}
        rows += [{"id": f"network/{node}/zone/{name}", "node": node, **what} for node in lab.nodes if node in on]
    return rows
