"""nodes/{node}/disks: a node's disks, and the directories, volume groups and pools that are made on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import GIB, Storage
from atlas.lab.formats import split_list
from atlas.lab.tasks import Task

Data = dict[str, Any]
_BASE = "/nodes/{node}/disks"
_SIZE = 1024 * GIB
_BARE = {"used": None, "gpt": 0}
_DISKS: Data = {"/dev/sda": {"used": "LVM", "gpt": 1}, "/dev/sdb": _BARE, "/dev/sdc": _BARE, "/dev/sdd": _BARE}
_MADE: Data = {"directory": {}, "lvm": {"pve": ["/dev/sda"]}, "lvmthin": {"pve/data": ["/dev/sda"]}, "zfs": {}}
# kind -> what a disk is then used for, the storage's type
_KINDS = {
    "directory": ("mounted", "dir"),
    "lvm": ("LVM", "lvm"),
    "lvmthin": ("LVM", "lvmthin"),
    "zfs": ("ZFS", "zfspool"),
}


def _kept(call: Call, name: str, default: Data) -> Data:
    settings = call.lab.node(call.params["node"]).settings
    if name not in settings:
        settings[name] = default
    found: Data = settings[name]
    return found


def _disks(call: Call) -> Data:
    return _kept(call, "disks", _DISKS)


def _made(call: Call, kind: str) -> Data:
    found: Data = _kept(call, "disk-pools", _MADE)[kind]
    return found


def _row(device: str, state: Data) -> Data:
    letter = device[-1]
    row = {"devpath": device, "size": _SIZE, "gpt": state["gpt"], "type": "ssd", "health": "PASSED", "model": "LAB_SSD"}
    row |= {"serial": f"LAB00{ord(letter)}", "vendor": "ATLAS", "wwn": "unknown", "wearout": 0, "rpm": 0}
    row |= {"osdid": -1, "osdid-list": None, "mounted": int(state["used"] == "mounted")}
    row["by_id_link"] = f"/dev/disk/by-id/ata-LAB_SSD_LAB00{ord(letter)}"
    return row | ({"used": state["used"]} if state["used"] else {})


@api("GET", f"{_BASE}/list")
def disks(call: Call) -> list[Data]:
    """List the disks, with `type=unused` those that hold nothing."""
    rows = [_row(device, state) for device, state in _disks(call).items()]
    return [row for row in rows if call.params.get("type") is None or "used" not in row]


@api("GET", f"{_BASE}/smart")
def smart(call: Call) -> Data:
    """Return a disk's health."""
    if call.params["disk"] not in _disks(call):
        raise PVEError(500, f"can't get information about disk '{call.params['disk']}'")
    return {"health": "PASSED", **({} if call.params.get("healthonly") else {"type": "ata", "attributes": []})}


def _existing(call: Call, device: str) -> Data:
    if device not in _disks(call):
        raise PVEError(500, f"unable to get device partition scheme for {device} - no such disk")
    found: Data = _disks(call)[device]
    return found


def _unused(call: Call, device: str) -> None:
    if _existing(call, device)["used"]:
        raise PVEError(500, f"device '{device}' is already in use")


@api("POST", f"{_BASE}/initgpt")
def initialise(call: Call) -> str:
    """Write an empty partition table."""
    device = call.params["disk"]
    _unused(call, device)

    async def work(task: Task) -> None:
        await task.spend(0.5)
        _existing(call, device)["gpt"] = 1

    return call.task("diskinit", device, work)


@api("PUT", f"{_BASE}/wipedisk")
def wipe(call: Call) -> str:
    """Make a disk bare."""
    device = call.params["disk"]
    if _existing(call, device)["used"] == "mounted" or device == "/dev/sda":
        raise PVEError(500, f"disk/partition '{device}' has a holder")

    async def work(task: Task) -> None:
        await task.spend(1)
        _disks(call)[device] = dict(_BARE)

    return call.task("wipedisk", device, work)


def _options(kind: str, name: str) -> Data:
    if kind == "directory":
        return {
            "path": f"/mnt/pve/{name}",
            "is_mountpoint": "1",
            "content": "backup,images,iso,rootdir,snippets,vztmpl",
        }
    if kind == "lvm":
        return {"vgname": name, "content": "images,rootdir"}
    if kind == "lvmthin":
        return {"vgname": name, "thinpool": name, "content": "images,rootdir"}
    return {"pool": name, "content": "images,rootdir"}


def _key(kind: str, name: str, group: str | None = None) -> str:
    return f"{group or name}/{name}" if kind == "lvmthin" else name


def _create(kind: str) -> Callable[[Call], object]:
    used, storage_type = _KINDS[kind]

    def create(call: Call) -> object:
        params, name = call.params, call.params["name"]
        devices = split_list(params["devices"] if "devices" in params else params["device"])
        for device in devices:
            _unused(call, device)
        if params.get("add_storage") and name in call.lab.storages:
            raise PVEError(500, f"storage ID '{name}' already defined")
        if _key(kind, name) in _made(call, kind):
            raise PVEError(500, f"{kind} '{name}' already exists")

        async def work(task: Task) -> None:
            await task.spend(2, f"# {kind} on {', '.join(devices)}")
            for device in devices:
                _disks(call)[device] = {"used": used, "gpt": 1}
            _made(call, kind)[_key(kind, name)] = devices
            if kind == "lvmthin":
                _made(call, "lvm")[name] = devices
            if params.get("add_storage"):
                options = {**_options(kind, name), "nodes": params["node"]}
                call.lab.storages[name] = Storage(name, storage_type, options, _SIZE)

        return call.task({"directory": "dircreate", "zfs": "zfscreate"}.get(kind, f"{kind}create"), name, work)

    return create


def _delete(kind: str) -> Callable[[Call], object]:
    def delete(call: Call) -> object:
        params, name = call.params, call.params["name"]
        key = _key(kind, name, params.get("volume-group"))
        if key not in _made(call, kind):
            raise PVEError(500, f"{kind} '{name}' does not exist")

        async def work(task: Task) -> None:
            await task.spend(1)
            devices = _made(call, kind).pop(key)
            if kind == "lvmthin" and params.get("cleanup-disks"):
                _made(call, "lvm").pop(key.partition("/")[0], None)
            storage = call.lab.storages.get(name)
            if params.get("cleanup-config") and storage is not None and storage.options.get("nodes") == params["node"]:
                del call.lab.storages[name]
            for device in devices if params.get("cleanup-disks") else ():
                _disks(call)[device] = dict(_BARE)

        return call.task({"directory": "dirremove", "zfs": "zfsremove"}.get(kind, f"{kind}remove"), name, work)

    return delete


for _kind in _KINDS:
    api("POST", f"{_BASE}/{_kind}")(_create(_kind))
    api("DELETE", f"{_BASE}/{_kind}/{{name}}")(_delete(_kind))


def _room(call: Call, devices: list[str]) -> int:
    del call
    return _SIZE * len(devices)


@api("GET", f"{_BASE}/directory")
def directories(call: Call) -> list[Data]:
    """List the mounted directories."""
    return [
        {
            "path": f"/mnt/pve/{name}",
            "device": devices[0],
            "type": "ext4",
            "options": "defaults",
            "unitfile": f"/etc/systemd/system/mnt-pve-{name}.mount",
        }
        for name, devices in _made(call, "directory").items()
    ]


@api("GET", f"{_BASE}/lvm")
def groups(call: Call) -> Data:
    """Return the volume groups with their physical volumes."""
    rows = []
    for name, devices in _made(call, "lvm").items():
        parts = [{"name": device, "size": _SIZE, "free": 0, "leaf": 1} for device in devices]
        rows.append({"name": name, "size": _room(call, devices), "free": 0, "leaf": 0, "lvcount": 1, "children": parts})
    return {"leaf": 0, "children": rows}


@api("GET", f"{_BASE}/lvmthin")
def thin_pools(call: Call) -> list[Data]:
    """List the thin pools."""
    return [
        {
            "vg": key.partition("/")[0],
            "lv": key.partition("/")[2],
            "lv_size": _room(call, devices),
            "used": 0,
            "metadata_size": GIB,
            "metadata_used": 0,
        }
        for key, devices in _made(call, "lvmthin").items()
    ]


def _pool(call: Call, name: str) -> Data:
    size = _room(call, _made(call, "zfs")[name])
    return {"name": name, "size": size, "alloc": 0, "free": size, "frag": 0, "dedup": 1, "health": "ONLINE"}


@api("GET", f"{_BASE}/zfs")
def pools(call: Call) -> list[Data]:
    """List the ZFS pools."""
    return [_pool(call, name) for name in _made(call, "zfs")]


@api("GET", f"{_BASE}/zfs/{{name}}")
def pool(call: Call) -> Data:
    """Return a ZFS pool with its devices."""
    name = call.params["name"]
    if name not in _made(call, "zfs"):
        raise PVEError(500, f"cannot open '{name}': no such pool")
    counters = {"read": 0, "write": 0, "cksum": 0, "state": "ONLINE", "msg": ""}
    leaves = [{"name": device, "leaf": 1, **counters} for device in _made(call, "zfs")[name]]
    top = {"name": name, "leaf": 0, **counters, "children": leaves}
    return {"name": name, "state": "ONLINE", "errors": "No known data errors", "leaf": 0, "children": [top]}


@api("GET", "/nodes/{node}/scan/lvm")
def scan_groups(call: Call) -> list[Data]:
    """List the volume groups that a storage could use."""
    return [{"vg": name} for name in _made(call, "lvm")]


@api("GET", "/nodes/{node}/scan/lvmthin")
def scan_thin(call: Call) -> list[Data]:
    """List the thin pools of a volume group."""
    wanted = call.params["vg"]
    return [{"lv": lv} for vg, _, lv in (key.partition("/") for key in _made(call, "lvmthin")) if vg == wanted]


@api("GET", "/nodes/{node}/scan/zfs")
def scan_pools(call: Call) -> list[Data]:
    """List the ZFS pools that a storage could use."""
    return [{"pool": name} for name in _made(call, "zfs")]
