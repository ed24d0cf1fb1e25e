"""nodes and nodes/{node}: the list and the status of each."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, api
from atlas.lab.cluster import VERSION
from atlas.lab.cluster_resources import node_load

FINGERPRINT = ":".join(["00"] * 32)


@api("GET", "/nodes")
def nodes(call: Call) -> list[dict[str, Any]]:
    """List the nodes."""
    rows = []
    for name in call.lab.nodes:
        row: dict[str, Any] = {"node": name, "id": f"node/{name}", "type": "node", "level": ""}
        row["status"] = "online" if call.lab.online(name) else "offline"
        row["ssl_fingerprint"] = FINGERPRINT
        if call.lab.online(name) and call.may(f"/nodes/{name}", "Sys.Audit"):
            row |= node_load(call, name)
        rows.append(row)
    return rows


@api("GET", "/nodes/{node}/version")
def version(_: Call) -> dict[str, str]:
    """Return the node's version."""
    return dict(VERSION)


@api("GET", "/nodes/{node}/status")
def status(call: Call) -> dict[str, Any]:
    """Return a node's load, memory, processors and versions."""
    name = call.params["node"]
    node = call.lab.node(name)
    load = node_load(call, name)
    return {
        "uptime": load["uptime"],
        "idle": 0,
        "wait": 0.001,
        "cpu": load["cpu"],
        "loadavg": ["0.10", "0.08", "0.05"],
        "kversion": "Linux 6.17.2-1-pve #1 SMP PREEMPT_DYNAMIC PMX 6.17.2-1",
        "current-kernel": {
            "sysname": "Linux",
            "release": "6.17.2-1-pve",
            "version": "#1 SMP PREEMPT_DYNAMIC PMX 6.17.2-1",
            "machine": "x86_64",
        },
        "boot-info": {"mode": "efi", "secureboot": 0},
        "pveversion": f"pve-manager/{VERSION['version']}/{VERSION['repoid']}",
        "cpuinfo": {
            "cpus": node.cores,
            "cores": node.cores // 2 or 1,
            "sockets": 1,
            "model": "ATLAS lab processor",
            "mhz": "3000.000",
            "user_hz": 100,
            "hvm": "1",
            "flags": "fpu vme de pse tsc msr pae mce cx8 apic sep sse sse2 ssse3 sse4_1 sse4_2 popcnt aes avx avx2",
        },
        "memory": {
            "total": node.memory,
            "used": load["mem"],
            "free": node.memory - load["mem"],
            "available": node.memory - load["mem"],
        },
        "swap": {"total": 8 * 1024**3, "used": 0, "free": 8 * 1024**3},
        "rootfs": {
            "total": load["maxdisk"],
            "used": load["disk"],
            **dict.fromkeys(("free", "avail"), load["maxdisk"] - load["disk"]),
        },
        "ksm": {"shared": 0},
    }
