"""nodes/{node}/services, and the power of the node itself."""

from __future__ import annotations

from atlas.lab.call import Call, Handler, PVEError, api
from atlas.lab.qemu_machine import rest
from atlas.lab.tasks import Task

_SERVICES = {
    "chrony": "chrony, an NTP client/server",
    "corosync": "Corosync Cluster Engine",
    "cron": "Regular background program processing daemon",
    "ksmtuned": "Kernel Samepage Merging (KSM) Tuning Daemon",
    "lxcfs": "FUSE filesystem for LXC",
    "postfix": "Postfix Mail Transport Agent",
    "proxmox-firewall": "Proxmox nftables firewall",
    "pve-cluster": "The Proxmox VE cluster filesystem",
    "pve-firewall": "Proxmox VE firewall",
    "pve-ha-crm": "PVE Cluster HA Resource Manager Daemon",
    "pve-ha-lrm": "PVE Local HA Resource Manager Daemon",
    "pve-lxc-syscalld": "Proxmox VE LXC Syscall Daemon",
    "pvedaemon": "PVE API Daemon",
    "pvefw-logger": "Proxmox VE firewall logger",
    "pveproxy": "PVE API Proxy Server",
    "pvescheduler": "Proxmox VE scheduler",
    "pvestatd": "PVE Status Daemon",
    "qmeventd": "PVE Qemu Event Daemon",
    "spiceproxy": "PVE SPICE Proxy Server",
    "sshd": "OpenBSD Secure Shell server",
    "systemd-journald": "Journal Service",
    "systemd-timesyncd": "Network Time Synchronization",
}
_ESSENTIAL = ("pveproxy", "pvedaemon", "pve-cluster")
_ABSENT = ("systemd-timesyncd",)  # chrony takes its place
_BASE = "/nodes/{node}/services"


def _shown(call: Call, name: str) -> dict[str, str]:
    states = call.lab.node(call.params["node"]).settings.get("services", {})
    running = states.get(name, "running") == "running" and name not in _ABSENT
    return {
        "service": name,
        "name": name,
        "desc": _SERVICES[name],
        "state": "running" if running else "dead",
        "active-state": "active" if running else "inactive",
        "unit-state": "not-found" if name in _ABSENT else "enabled",
    }


@api("GET", _BASE)
def services(call: Call) -> list[dict[str, str]]:
    """List the services."""
    return [_shown(call, name) for name in _SERVICES]


@api("GET", f"{_BASE}/{{service}}/state")
def service(call: Call) -> dict[str, str]:
    """Return one service's state."""
    name = call.params["service"]
    if name not in _SERVICES:
        return {"service": name, "name": name, "desc": name, "state": "dead", "active-state": "inactive"} | {
            "unit-state": "not-found"
        }
    return _shown(call, name)


def _command(word: str) -> Handler:
    def handler(call: Call) -> object:
        name, node = call.params["service"], call.lab.node(call.params["node"])

        async def work(task: Task) -> None:
            task.log(f"{'starting' if word == 'start' else word} service {name}: /bin/systemctl {word} {name}")
            if word == "stop" and name in _ESSENTIAL:
                raise PVEError(500, f"invalid service cmd '{name} stop': refusing to stop essential service!")
            if name not in _SERVICES or name in _ABSENT:
                raise PVEError(500, f"command '/bin/systemctl {word} {name}' failed: exit code 5")
            await task.spend(0.5)
            states = node.settings.setdefault("services", {})
            if word != "reload":
                states[name] = "dead" if word == "stop" else "running"

        return call.task(f"srv{word}", name, work)

    return handler


for _word in ("start", "stop", "restart", "reload"):
    api("POST", f"{_BASE}/{{service}}/{_word}")(_command(_word))


@api("POST", "/nodes/{node}/status")
async def power(call: Call) -> None:
    """Reboot the node or power it off, and its guests with it."""
    lab, name = call.lab, call.params["node"]
    node = lab.node(name)
    if name == lab.local_node:
        raise PVEError(501, "this node serves the API: the lab ends it by `atlas lab stop` alone")
    for guest in lab.guests.values():
        if guest.node == name and guest.status == "running":
            if guest.kind == "qemu":
                await lab.backend.stop(guest.vmid)
            rest(guest)
    node.online = call.params["command"] == "reboot"
    node.booted_at = lab.clock.now()
