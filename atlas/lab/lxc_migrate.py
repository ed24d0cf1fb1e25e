"""Migrating containers; a running one is stopped, moved and started again."""

from __future__ import annotations

from atlas.lab import volume_ids
from atlas.lab.call import Call, api
from atlas.lab.entities import Guest, Volume
from atlas.lab.guests import check_lock, load, refuse
from atlas.lab.lxc_power import start_container
from atlas.lab.migration import by_ha, carry_out, check_target, check_targets, local_references
from atlas.lab.qemu_machine import rest
from atlas.lab.tasks import Task


@api("POST", "/nodes/{node}/lxc/{vmid}/migrate")
def migrate_container(call: Call) -> object:
    """Migrate a container; a running one is stopped, moved and started again."""
    params, lab = call.params, call.lab
    target = check_target(call)
    guest = load(lab, str(params["node"]), int(params["vmid"]), "lxc")
    if guest.status == "running" and not params.get("online") and not params.get("restart"):
        raise refuse("can't migrate running container without --online or --restart")
    to = check_targets(call, guest, target, params.get("target-storage"))
    again = False

    async def prepare(guest: Guest, task: Task) -> list[Volume]:
        nonlocal again
        if guest.status == "running":
            if params.get("online"):
                raise refuse("lxc live migration is currently not implemented")
            again = True
        local = local_references(lab, guest)
        for volid in local:
            lab.storage(to(volid.partition(":")[0]), target)
            if volume_ids.is_used_base(lab, guest.node, volid):
                raise refuse(f"can't migrate volume '{volid}': referenced by linked clone(s)")
        if again:
            task.log(f"shutdown CT {guest.vmid}")
            rest(guest)
        return [volume_ids.find(lab, guest.node, volid) for volid in local]

    async def work(task: Task) -> None:
        await carry_out(call, task, prepare, to)
        if again:
            task.log("start container on target node")
            await start_container(lab, target, guest.vmid, task)

    return by_ha(call, f"ct:{guest.vmid}", target) or call.task("vzmigrate", guest.vmid, work)


@api("GET", "/nodes/{node}/lxc/{vmid}/migrate")
def container_precondition(call: Call) -> object:
    """Tell where a container could go."""
    guest = load(call.lab, str(call.params["node"]), int(call.params["vmid"]), "lxc")
    check_lock(guest)
    others = [name for name in call.lab.nodes if name != guest.node]
    return {"running": int(guest.status == "running"), "allowed-nodes": others, "not-allowed-nodes": {}}
