"""Commands to the HA manager, what it says of itself, and the groups that rules have taken the place of."""

from __future__ import annotations

from typing import Any

from atlas.lab.bulk import on_guest
from atlas.lab.call import Call, PVEError, api, refuse
from atlas.lab.formats import split_list
from atlas.lab.ha import ARMED, MIGRATED, resource_of
from atlas.lab.tasks import Task


def _resource(call: Call) -> str:
    sid = resource_of(call)
    if sid not in call.lab.section("ha/resources"):
        raise PVEError(500, f"resource '{sid}' is not HA managed")
    return sid


def _companions(call: Call, sid: str, affinity: str) -> list[str]:
    """Return the resources that a rule keeps with this one, or apart from it."""
    found: list[str] = []
    for entry in call.lab.section("ha/rules").values():
        members = split_list(entry.data["resources"])
        if entry.data.get("affinity") == affinity and sid in members and not entry.data.get("disable"):
            found += [name for name in members if name != sid]
    return found


def _move(call: Call, *, online: bool) -> dict[str, Any]:
    """Ask the manager to bring a resource to a node."""
    sid, target, lab = _resource(call), call.params["node"], call.lab
    if target not in lab.nodes:  # the manager, which is only asked, does not go there
        return {"sid": sid, "requested-node": target}
    together = _companions(call, sid, "positive")
    apart = [name for name in _companions(call, sid, "negative") if lab.guest(name.partition(":")[2]).node == target]

    async def work(task: Task) -> None:
        for name in [sid, *together]:
            guest = lab.guest(name.partition(":")[2])
            if guest.node == target:
                continue
            options: dict[str, Any] = {"target": target}
            if guest.kind == "qemu":
                options |= {"online": 1, "with-local-disks": 1}
            elif guest.status == "running":
                options["restart"] = 1
            task.log(f"{'migrate' if online else 'relocate'} {name} to node {target}")
            managed = lab.section("ha/resources").pop(name)  # else the guest's own call would hand it back to HA
            try:
                await on_guest(call, guest, "migrate", **options)
            finally:
                lab.section("ha/resources")[name] = managed

    if not apart:
        guest = lab.guest(sid.partition(":")[2])
        call.task("hamigrate" if online else "harelocate", guest.vmid, work, node=guest.node)
    answer: dict[str, Any] = {"sid": sid, "requested-node": target}
    if together:
        answer["comigrated-resources"] = together
    if apart:
        answer["blocking-resources"] = [{"sid": name, "cause": "resource-affinity"} for name in apart]
    return answer


@api("POST", "/cluster/ha/resources/{sid}/migrate")
def migrate(call: Call) -> dict[str, Any]:
    """Migrate a managed guest."""
    return _move(call, online=True)


@api("POST", "/cluster/ha/resources/{sid}/relocate")
def relocate(call: Call) -> dict[str, Any]:
    """Move a managed guest, stopping it for the way."""
    return _move(call, online=False)


@api("POST", "/cluster/ha/status/disarm-ha")
def disarm(call: Call) -> None:
    """Let the manager stand still."""
    state = call.lab.options(ARMED)
    state.update({"state": "disarmed", "mode": call.params["resource-mode"]})


@api("POST", "/cluster/ha/status/arm-ha")
def arm(call: Call) -> None:
    """Let the manager go on."""
    call.lab.options(ARMED).clear()


@api("GET", "/cluster/ha/status/manager_status")
def manager_status(call: Call) -> dict[str, Any]:
    """Return what the manager knows: its master, the nodes, the services and where they are."""
    lab = call.lab
    services = {}
    for sid, entry in lab.section("ha/resources").items():
        guest = lab.guests.get(sid.partition(":")[2])
        if guest is not None:
            services[sid] = {
                "node": guest.node,
                "state": entry.data.get("state", "started"),
                "uid": f"{guest.vmid:016}",
            }
    manager = {
        "master_node": lab.local_node,
        "timestamp": int(lab.clock.now()),
        "node_status": {name: "online" if lab.online(name) else "fence" for name in lab.nodes},
        "service_status": services,
    }
    if lab.options(ARMED):
        manager["disarm"] = dict(lab.options(ARMED))
    lrm = {name: {"mode": "active", "state": "active" if services else "wait_for_agent_lock"} for name in lab.nodes}
    return {"manager_status": manager, "quorum": {"node": lab.local_node, "quorate": "1"}, "lrm_status": lrm}


for _verb, _doing, _item in (
    *(("GET", "index groups", ""), ("POST", "create group", ""), ("GET", "read group", "/{group}")),
    *(("PUT", "update group", "/{group}"), ("DELETE", "delete group", "/{group}")),
):
    refuse(_verb, f"/cluster/ha/groups{_item}", f"cannot {_doing}: {MIGRATED}", 500)
