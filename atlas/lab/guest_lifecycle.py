"""What making and destroying have in common for VMs and containers: the number, pool, HA, firewall and volumes."""

from __future__ import annotations

from typing import Any

from atlas.lab import volume_ids
from atlas.lab import volume_store as store
from atlas.lab.call import Call, PVEError
from atlas.lab.entities import Entry, Guest
from atlas.lab.guests import refuse, taken
from atlas.lab.records import plain
from atlas.lab.tasks import Task
from atlas.lab.world import Lab


def join_pool(lab: Lab, vmid: int, pool: str | None) -> None:
    """Put a guest into a pool."""
    if pool is not None and pool in lab.pools:
        lab.pools[pool].vms[str(vmid)] = 1


def new_guest(lab: Lab, node: str, vmid: int, kind: str, config: dict[str, Any], what: str) -> Guest:
    """Enter a guest, its config locked as the file that is made first.

    Args:
        lab: the world.
        node: where.
        vmid: its number.
        kind: `qemu` or `lxc`.
        config: the first content of the file.
        what: the beginning of the refusal where the number is taken.

    Raises:
        PVEError: the number is taken.
    """
    used = taken(lab, vmid)
    if used:
        raise refuse(f"{what}{used}")
    guest = Guest(vmid, kind, node, config)
    lab.guests[str(vmid)] = guest
    return guest


def add_ha(lab: Lab, sid: str, *, started: bool) -> None:
    """Let HA manage a guest."""
    lab.section("ha/resources")[sid] = Entry({"sid": sid, "state": "started" if started else "stopped"})


async def destroy_volumes(lab: Lab, guest: Guest, task: Task, volids: list[str], *, unreferenced: bool) -> None:
    """Free a guest's volumes; what cannot be freed only warns.

    Args:
        lab: the world.
        guest: the guest.
        task: its task, for warnings.
        volids: what its config names.
        unreferenced: also what no config names but bears its number.
    """
    more = [v.volid for v in volume_ids.owned(lab, guest.node, guest.vmid)] if unreferenced else []
    for volid in dict.fromkeys([*volids, *more]):
        try:
            await store.free(lab, guest.node, volid)
        except PVEError as error:
            task.warn(f"Could not remove disk '{volid}', check manually: {error.message}")


async def destroy_guest(call: Call, guest: Guest, task: Task, volids: list[str], *, managed: bool) -> None:
    """Free a guest's volumes and remove what bears its number.

    Args:
        call: the call, which says what else goes.
        guest: the guest, under its lock.
        task: its task.
        volids: the volumes that its config names.
        managed: whether HA manages it.
    """
    await task.spend(0.5)
    unreferenced = bool(call.params.get("destroy-unreferenced-disks"))
    await destroy_volumes(call.lab, guest, task, volids, unreferenced=unreferenced)
    # The volumes are gone; the number is not free before the guest's other entries are gone, too.
    guest.config, guest.pending, guest.snapshots = {"lock": "destroyed"}, {}, {}
    await task.spend(0.1)
    if call.params.get("purge"):
        _purge(call.lab, guest, task, managed=managed)
    _forget(call.lab, guest)


def copy_firewall(lab: Lab, source: int, target: int) -> None:
    """Give a clone the firewall configuration of its source."""
    entry = lab.section("firewall").get(f"vm/{source}")
    if entry is not None:
        lab.section("firewall")[f"vm/{target}"] = Entry(plain(entry.data))


def _forget(lab: Lab, guest: Guest) -> None:
    """Remove what bears a guest's number: its firewall, ACL and pool entries, in the end its config."""
    vmid = str(guest.vmid)
    for pool in lab.pools.values():
        pool.vms.pop(vmid, None)
    lab.acl.pop(f"/vms/{vmid}", None)
    lab.section("firewall").pop(f"vm/{vmid}", None)
    lab.guests.pop(vmid, None)


def _leave_backup_jobs(lab: Lab, vmid: str) -> None:
    """Take a guest out of backup jobs; a job that was for it alone goes."""
    jobs = lab.section("backup")
    for key, entry in list(jobs.items()):
        listed = [each for each in str(entry.data.get("vmid") or "").split(",") if each]
        if vmid in listed:
            listed.remove(vmid)
            if listed:
                entry.data["vmid"] = ",".join(listed)
            else:
                del jobs[key]


def _purge(lab: Lab, guest: Guest, task: Task, *, managed: bool) -> None:
    """Remove a guest from backup jobs, replication and HA."""
    word, kind = ("VM", "vm") if guest.kind == "qemu" else ("CT", "ct")
    task.log(f"purging {word} {guest.vmid} from related configurations..")
    _leave_backup_jobs(lab, str(guest.vmid))
    for key in [k for k, e in lab.section("replication").items() if str(e.data.get("guest")) == str(guest.vmid)]:
        del lab.section("replication")[key]
    if managed:
        lab.section("ha/resources").pop(f"{kind}:{guest.vmid}", None)
        task.log(f"NOTE: removed {word} {guest.vmid} from HA resource configuration.")
