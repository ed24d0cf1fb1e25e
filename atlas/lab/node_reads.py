"""What clients read of a node without changing it: services, certificates, logs, hardware, replication."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from atlas.lab.call import Call, PVEError, api

_SERVICES = {
    "chrony": "chrony, an NTP client/server",
    "corosync": "Corosync Cluster Engine",
    "cron": "Regular background program processing daemon",
    "pve-cluster": "The Proxmox VE cluster filesystem",
    "pve-firewall": "Proxmox VE firewall",
    "pve-ha-crm": "PVE Cluster HA Resource Manager Daemon",
    "pve-ha-lrm": "PVE Local HA Resource Manager Daemon",
    "pvedaemon": "PVE API Daemon",
    "pveproxy": "PVE API Proxy Server",
    "pvescheduler": "Proxmox VE scheduler",
    "pvestatd": "PVE Status Daemon",
    "sshd": "OpenBSD Secure Shell server",
}
_RUNNING = {"active-state": "active", "state": "running", "unit-state": "enabled"}


def _service(name: str) -> dict[str, str]:
    return {"service": name, "name": name, "desc": _SERVICES[name], **_RUNNING}


@api("GET", "/nodes/{node}/services")
def services(_: Call) -> list[dict[str, str]]:
    """List the services, which all run."""
    return [_service(name) for name in _SERVICES]


@api("GET", "/nodes/{node}/services/{service}/state")
def service(call: Call) -> dict[str, str]:
    """Return one service's state."""
    name = call.params["service"]
    if name not in _SERVICES:
        raise PVEError(500, f"service '{name}' is not known to this lab")
    return _service(name)


@api("GET", "/nodes/{node}/certificates/info")
def certificates(call: Call) -> list[dict[str, Any]]:
    """Describe the certificate that the lab serves with."""
    import hashlib

    from cryptography import x509

    if call.lab.directory is None:
        return []
    pem = (call.lab.directory / "server.pem").read_text(encoding="utf-8")
    known = x509.load_pem_x509_certificate(pem.encode())
    digits = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    return [
        {
            "filename": "pve-ssl.pem",
            "fingerprint": ":".join(digits[i : i + 2] for i in range(0, 64, 2)),
            "subject": "/" + known.subject.rfc4514_string(),
            "issuer": "/" + known.issuer.rfc4514_string(),
            "notbefore": int(known.not_valid_before_utc.timestamp()),
            "notafter": int(known.not_valid_after_utc.timestamp()),
            "public-key-type": "id-ecPublicKey",
            "public-key-bits": 256,
            "pem": pem,
            "san": ["localhost", "127.0.0.1", "::1"],
        }
    ]


@api("GET", "/nodes/{node}/syslog")
def syslog(call: Call) -> list[dict[str, Any]]:
    """Return the ends of the node's tasks as log lines."""
    lines = _lines(call)
    start, limit = call.params.get("start", 0), call.params.get("limit", 50)
    call.extra["total"] = len(lines)
    return [{"n": number + 1, "t": line} for number, line in enumerate(lines)][start : start + limit]


@api("GET", "/nodes/{node}/journal")
def journal(call: Call) -> list[str]:
    """Return the ends of the node's tasks as log lines."""
    return _lines(call)[-call.params.get("lastentries", 500) :]


def _lines(call: Call) -> list[str]:
    node = call.params["node"]
    records = call.lab.tasks.records.values()
    return [
        f"{node} pvedaemon: <{r.user}> end task {r.upid} {r.exitstatus}"
        for r in records
        if r.node == node and r.endtime
    ]


@api("GET", "/nodes/{node}/replication")
def replication(call: Call) -> list[dict[str, Any]]:
    """List the replication jobs of the node's guests; none has run."""
    rows = []
    for name, entry in call.lab.section("replication").items():
        guest = call.lab.guests.get(str(entry.data["guest"]))
        if guest is not None and guest.node == call.params["node"] and call.may(f"/vms/{guest.vmid}", "VM.Audit"):
            rows.append({"id": name, **entry.data, "fail_count": 0, "last_sync": 0, "vmtype": guest.kind})
    return rows


@api("GET", "/cluster/config/nodes")
def members(call: Call) -> list[dict[str, Any]]:
    """List the cluster's members."""
    return [
        {"node": name, "name": name, "nodeid": str(node.number), "quorum_votes": "1"}
        for name, node in call.lab.nodes.items()
    ]


def _nothing(_: Call) -> list[object]:
    return []


# A lab's node has no devices of its own, and nothing to update.
for _path in ("hardware/pci", "hardware/usb", "disks/list", "disks/lvm", "disks/zfs", "apt/update", "netstat"):
    api("GET", f"/nodes/{{node}}/{_path}")(_nothing)


def _history(path: str) -> Callable[[Call], object]:
    """Make the history of guests or storages: points of time without measurements, since the lab keeps none."""

    def history(call: Call) -> list[dict[str, int]]:
        if "vmid" in call.params:
            call.lab.guest(call.params["vmid"], call.params["node"], "lxc" if "/lxc/" in path else "qemu")
        else:
            call.lab.storage(call.params["storage"], call.params["node"])
        end = int(call.lab.clock.now())
        return [{"time": end - end % 60 - 60 * ago} for ago in range(70, 0, -1)]

    return history


for _path in ("qemu/{vmid}", "lxc/{vmid}", "storage/{storage}"):
    _template = f"/nodes/{{node}}/{_path}/rrddata"
    api("GET", _template)(_history(_template))
