"""What a node can do: processor models, machines; and its history."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, api
from atlas.lab.cpu_models import MODELS

MACHINES = ("pc-i440fx-10.1", "pc-q35-10.1", "pc-i440fx-9.2+pve1", "pc-q35-9.2+pve1")


@api("GET", "/nodes/{node}/capabilities/qemu/cpu")
def models(_: Call) -> list[dict[str, Any]]:
    """List the processor models."""
    vendors = {"EPYC": "AuthenticAMD", "Opteron": "AuthenticAMD", "athlon": "AuthenticAMD", "phenom": "AuthenticAMD"}
    rows = []
    for name in sorted(MODELS):
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
