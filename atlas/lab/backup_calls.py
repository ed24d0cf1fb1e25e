"""Backups of guests: taken by vzdump, kept as volumes with the guest's configuration, and read again."""

from __future__ import annotations

import time
from typing import Any

from atlas.lab import volume_ids
from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Guest, Storage, Volume
from atlas.lab.guest_config import split_list
from atlas.lab.guest_devices import drives, is_cdrom, mount_type, mounts
from atlas.lab.guests import check_lock, failure, flock, load
from atlas.lab.records import plain
from atlas.lab.tasks import Task
from atlas.lab.volume_access import check_access
from atlas.lab.volumes import copy_seconds
from atlas.lab.world import Lab

Data = dict[str, Any]
_ENDINGS = {"0": "", "1": ".lzo", "lzo": ".lzo", "gzip": ".gz", "zstd": ".zst"}
_WORDS = {"qemu": "VM", "lxc": "CT"}
_NEVER = ("lock", "parent", "snaptime", "vmstate")


def _check(params: Data) -> None:
    for other in ("all", "exclude", "pool"):
        if params.get(other) and params.get("vmid"):
            raise PVEError(400, errors={other: "option conflicts with option 'vmid'"})
    if not any(params.get(key) for key in ("all", "exclude", "pool", "stop", "vmid")):
        raise PVEError(400, errors={"vmid": "property is missing"})


def _vmids(call: Call) -> list[int]:
    """Return the guests of this node that a backup is of; also those that are nowhere, which fails later."""
    params, lab = call.params, call.lab
    if params.get("vmid"):
        chosen = set(split_list(params["vmid"]))
    elif params.get("pool"):
        chosen = set(lab.pools[params["pool"]].vms) if params["pool"] in lab.pools else set()
    elif params.get("all") or params.get("exclude"):
        chosen = set(lab.guests) - set(split_list(params.get("exclude")))
    else:
        chosen = set()
    return sorted(int(key) for key in chosen if key not in lab.guests or lab.guests[key].node == params["node"])


def _usable(call: Call, name: str) -> Storage:
    """Return the storage that backups go to.

    Raises:
        PVEError: it cannot be used; what both looks at it found is told.
    """
    try:
        storage = call.lab.storage(name, str(call.params["node"]))
    except PVEError as error:
        unknown = name not in call.lab.storages
        more = f"\ncould not get storage information for '{name}': {error.message}" if unknown else ""
        raise PVEError(500, f"could not activate storage '{name}': {error.message}{more}") from error
    if "backup" not in storage.content:
        wrong = f"can't use storage '{name}' for backups - wrong content type"
        raise PVEError(500, f"could not get storage information for '{name}': {wrong}")
    return storage


def _disks(guest: Guest) -> list[tuple[str, str]]:
    """Return the slots and volumes that a backup of the guest holds."""
    if guest.kind == "qemu":
        return [(s, d["file"]) for s, d in drives(guest.config) if not is_cdrom(d) and d.get("backup") != "0"]
    found = [(s, m) for s, m in mounts(guest.config) if mount_type(m.get("volume", "")) == "volume"]
    return [(slot, mount["volume"]) for slot, mount in found if slot == "rootfs" or mount.get("backup") == "1"]


async def _copies(lab: Lab, guest: Guest, volid: str) -> tuple[dict[str, Data], int]:
    """Copy the disks of a guest aside; return what is known of each by its slot, and the bytes."""
    kept: dict[str, Data] = {}
    total = 0
    for slot, name in _disks(guest):
        volume = volume_ids.find(lab, guest.node, name)
        path = f"backup/{volid.partition(':')[2].replace('/', '_')}/{slot}"
        await lab.backend.clone_disk(str(volume.path), path)
        kept[slot] = {"path": path, "size": volume.size, "format": volume.format, "used": volume.used}
        kept[slot] |= {"storage": volume.storage, "extra": plain(volume.extra)}
        total += volume.used or volume.size
    return kept, total


def _archive(storage: Storage, guest: Guest, now: float, compress: str) -> str:
    stamp = time.strftime("%Y_%m_%d-%H_%M_%S", time.gmtime(now))
    if storage.type == "pbs":
        kind = "vm" if guest.kind == "qemu" else "ct"
        return f"{storage.id}:backup/{kind}/{guest.vmid}/{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now))}"
    ending = "vma" if guest.kind == "qemu" else "tar"
    return f"{storage.id}:backup/vzdump-{guest.kind}-{guest.vmid}-{stamp}.{ending}{_ENDINGS[compress]}"


async def _back_up(call: Call, task: Task, guest: Guest, storage: Storage) -> None:
    """Write one guest's backup."""
    lab, params = call.lab, call.params
    word = _WORDS[guest.kind]
    task.log(f"INFO: Starting Backup of {word} {guest.vmid} ({guest.kind})")
    async with flock(lab, guest.vmid, guest.kind):
        guest = load(lab, guest.node, guest.vmid, guest.kind)
        check_lock(guest)
        config = {key: value for key, value in plain(guest.config).items() if key not in _NEVER}
        guest.config["lock"] = "backup"
    now = lab.clock.now()
    volid = _archive(storage, guest, now, str(params.get("compress", "0")))
    while lab.volume(volid, guest.node):
        now += 1
        volid = _archive(storage, guest, now, str(params.get("compress", "0")))
    try:
        held, size = await _copies(lab, guest, volid)
        task.log(f"INFO: backup mode: {params.get('mode', 'snapshot')}")
        task.log(f"INFO: creating archive '{volume_ids.file_path(lab, volid)}'")
        await task.spend(copy_seconds(size))
    except BaseException as error:
        if failure(lab, task, error) is not None:  # else the process is killed, and the lock stays
            guest.config.pop("lock", None)
        raise
    guest.config.pop("lock", None)
    lab.volumes[lab.volume_key(volid, guest.node)] = Volume(
        *(volid, storage.id, "backup", volid.rpartition(".")[2], max(size // 3, 1024)),
        node=None if storage.shared else guest.node,
        used=max(size // 3, 1024),
        vmid=guest.vmid,
        ctime=now,
        notes=_notes(call, guest),
        protected=bool(params.get("protected")),
        extra={"subtype": guest.kind, "config": config, "disks": held},
    )
    task.log(f"INFO: Finished Backup of {word} {guest.vmid} (00:00:01)")


def _notes(call: Call, guest: Guest) -> str | None:
    template = call.params.get("notes-template")
    if template is None:
        return None
    name = str(guest.config.get("name") or guest.config.get("hostname") or "")
    known = {"guestname": name, "vmid": str(guest.vmid), "node": guest.node, "cluster": "atlas-lab"}
    text = str(template).replace("\\n", "\n")
    for key, value in known.items():
        text = text.replace("{{" + key + "}}", value)
    return text


@api("POST", "/nodes/{node}/vzdump")
def vzdump(call: Call) -> object:
    """Back guests up; nothing is done, and no task started, where all that are named are on other nodes."""
    params, lab = call.params, call.lab
    storage_id = str(params.get("storage") or "local")
    if params.get("dumpdir"):
        raise PVEError(501, "backups to a directory are not modelled by this lab: name a storage")
    _check(params)
    vmids = _vmids(call)
    if params.get("stop"):
        call.need(f"/nodes/{params['node']}", "Sys.Modify")
    if not vmids and not params.get("all"):
        return "OK"
    call.need(f"/storage/{storage_id}", "Datastore.AllocateSpace")

    async def work(task: Task) -> None:
        storage = _usable(call, storage_id)
        task.log(f"INFO: starting new backup job: vzdump {' '.join(map(str, vmids))}")
        failed = False
        for vmid in _allowed(call, vmids):
            try:
                if str(vmid) not in lab.guests:
                    raise PVEError(500, f"unable to find VM '{vmid}'")
                await _back_up(call, task, lab.guest(vmid), storage)
            except PVEError as error:
                failed = True
                task.log(f"ERROR: Backup of VM {vmid} failed - {error.message}")
        task.log(f"INFO: Backup job finished {'with errors' if failed else 'successfully'}")
        if failed:
            raise PVEError(500, "job errors")

    return call.task("vzdump", vmids[0] if len(vmids) == 1 else "", work)


def _allowed(call: Call, vmids: list[int]) -> list[int]:
    """Return the guests that the caller may back up: of `all` others are left out, else they are refused."""
    found = []
    for vmid in vmids:
        if str(vmid) not in call.lab.guests or call.may(f"/vms/{vmid}", "VM.Backup"):
            found.append(vmid)
        elif not call.params.get("all"):  # an exception's text begins with its status
            raise PVEError(500, f"403 Permission check failed (/vms/{vmid}, VM.Backup)")
    return found


@api("GET", "/nodes/{node}/vzdump/defaults")
def defaults(call: Call) -> Data:
    """Return what a backup does where the call says nothing, by the storage that is named."""
    name = call.params.get("storage")
    storage = call.lab.storage(name, call.params["node"]) if name else None
    if name:
        call.need(f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace", any=True)
    shown: Data = {"mode": "snapshot", "compress": "0", "bwlimit": 0, "ionice": 7, "lockwait": 180, "stopwait": 10}
    shown |= {"all": 0, "quiet": 0, "remove": 1, "stdexcludes": 1, "zstd": 1, "pigz": 0, "mailnotification": "always"}
    shown |= {"fleecing": {"enabled": 0}, "performance": {"max-workers": 16, "pbs-entries-max": 1048576}}
    shown |= {"dumpdir": "/var/lib/vz/dump", "storage": name or "local", "stop": 0, "notification-mode": "auto"}
    shown["prune-backups"] = "keep-all=1"
    if storage is not None and "prune-backups" in storage.options:
        kept = str(storage.options["prune-backups"])
        shown["prune-backups"] = dict(part.split("=", 1) for part in kept.split(",") if "=" in part)
    return shown


def backup(call: Call, volid: str) -> Volume:
    """Return a backup that the caller may read.

    Raises:
        PVEError: there is none of that name, or the caller may not.
    """
    check_access(call, 0, volid, "backup")
    found = call.lab.volume(volid, str(call.params["node"]))
    if found is None:
        raise PVEError(500, f"volume '{volid}' does not exist")
    return found


@api("GET", "/nodes/{node}/vzdump/extractconfig")
def extract(call: Call) -> str:
    """Return the configuration that a backup holds, as its file is written."""
    config = backup(call, call.params["volume"]).extra.get("config", {})
    return "".join(f"{key}: {value}\n" for key, value in sorted(config.items()))


async def forget(lab: Lab, node: str, volid: str) -> None:
    """Remove a backup with the disks that were copied for it."""
    gone = lab.volumes.pop(lab.volume_key(volid, node), None)
    for disk in (gone.extra.get("disks", {}) if gone else {}).values():
        await lab.backend.delete_disk(disk["path"])
