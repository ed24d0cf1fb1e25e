"""What a node can do: processor models, machines; its history; and backups, which the lab refuses."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.formats import cpu_models, split_list

MACHINES = ("pc-i440fx-10.1", "pc-q35-10.1", "pc-i440fx-9.2+pve1", "pc-q35-9.2+pve1")


@api("GET", "/nodes/{node}/capabilities/qemu/cpu")
def models(_: Call) -> list[dict[str, Any]]:
    """List the processor models."""
    vendors = {"EPYC": "AuthenticAMD", "Opteron": "AuthenticAMD", "athlon": "AuthenticAMD", "phenom": "AuthenticAMD"}
    rows = []
    for name in sorted(cpu_models()):
        vendor = next((v for start, v in vendors.items() if name.startswith(start)), "GenuineIntel")
        generic = name in ("host", "max") or name.startswith(("qemu", "kvm", "x86-64"))
        rows.append({"name": name, "vendor": "default" if generic else vendor, "custom": 0})
    return rows


@api("GET", "/nodes/{node}/capabilities/qemu/machines")
def machines(_: Call) -> list[dict[str, str]]:
    """List the machine types."""
    return [
        {"id": name, "type": "q35" if "q35" in name else "i440fx", "version": name.rpartition("-")[2]}
        for name in MACHINES
    ]


@api("POST", "/nodes/{node}/vzdump")
def backup(call: Call) -> str:
    """Refuse to back up, after looking at the rights as PVE does."""
    params = call.params
    storage = params.get("storage", "local")
    call.need(f"/storage/{storage}", "Datastore.AllocateSpace")
    for vmid in split_list(params.get("vmid", "")):
        call.need(f"/vms/{vmid}", "VM.Backup")
    if "backup" not in call.lab.storage(storage, params["node"]).content:
        raise PVEError(500, f"storage '{storage}' does not support backups")
    raise PVEError(501, "backups are not modelled by this lab")


_LENGTH = {"hour": 3600, "day": 86400, "week": 604800, "month": 2592000, "year": 31536000, "decade": 315360000}


@api("GET", "/nodes/{node}/rrddata")
def history(call: Call) -> list[dict[str, Any]]:
    """Return points of time without measurements: the lab keeps none."""
    end = int(call.lab.clock.now())
    step = max(60, _LENGTH[call.params["timeframe"]] // 70)
    node = call.lab.node(call.params["node"])
    return [
        {"time": time, "maxcpu": node.cores, "memtotal": node.memory}
        for time in range(end - 70 * step - end % step, end, step)
    ]
