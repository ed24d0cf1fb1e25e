"""What a node can do: processor models, machines; and its history."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, api
from atlas.lab.cluster_resources import node_load
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
    """Return a node's load over time: as it is now since the node came up, for the lab keeps no measurements."""
    end = int(call.lab.clock.now())
    step = max(60, _LENGTH[call.params["timeframe"]] // 70)
    node = call.lab.node(call.params["node"])
    load = node_load(call, node.name)
    fixed: dict[str, Any] = {"maxcpu": node.cores, "memtotal": node.memory, "swaptotal": 0, "swapused": 0}
    fixed |= {"cpu": load["cpu"], "memused": load["mem"], "memavailable": node.memory - load["mem"], "arcsize": 0}
    fixed |= {"roottotal": load["maxdisk"], "rootused": load["disk"], "iowait": 0, "netin": 0, "netout": 0}
    fixed |= {"loadavg": round(load["cpu"] * node.cores, 2), "pressurecpusome": 0}
    fixed |= {f"pressure{what}{how}": 0 for what in ("io", "memory") for how in ("some", "full")}
    times = range(end - 70 * step - end % step, end, step)
    return [{"time": time, **(fixed if time >= node.booted_at else {})} for time in times]
