"""Starting and stopping containers. They are records: nothing runs in them."""

from __future__ import annotations

import ipaddress
from typing import Any

from atlas.lab.call import Call, api
from atlas.lab.entities import Guest
from atlas.lab.guest_config import truth
from atlas.lab.guest_devices import split
from atlas.lab.guests import check_lock, find, flock, load, refuse, root_only
from atlas.lab.lxc_pending import apply_stopped
from atlas.lab.qemu_machine import rest, wake
from atlas.lab.qemu_power import ha_request
from atlas.lab.tasks import Task
from atlas.lab.world import Lab

POWER = "/nodes/{node}/lxc/{vmid}/status"
START_SECONDS, STOP_SECONDS, SHUTDOWN_SECONDS = 0.8, 0.4, 1.5
LEASES_FROM = 200


def _here(call: Call) -> tuple[str, int]:
    return str(call.params["node"]), int(call.params["vmid"])


def _runs(call: Call) -> bool:
    guest = find(call.lab, *_here(call), "lxc")
    return guest is not None and guest.status == "running"


async def start_container(lab: Lab, node: str, vmid: int, task: Task, *, skiplock: bool = False) -> None:
    """Start a container: apply what is pending and note it as running.

    Raises:
        PVEError: not there, a template, locked or running.
    """
    async with flock(lab, vmid, "lxc"):
        guest = load(lab, node, vmid, "lxc")
        if truth(guest.config.get("template")):
            raise refuse("you can't start a CT if it's a template")
        if not skiplock:
            check_lock(guest, "mounted")
        if guest.status == "running":
            raise refuse(f"CT {vmid} already running")
        await apply_stopped(lab, guest)
        await task.spend(START_SECONDS)
        wake(lab, guest)


@api("POST", f"{POWER}/start")
def start(call: Call) -> object:
    """Start a container."""
    root_only(call, "skiplock")
    node, vmid = _here(call)
    if _runs(call):
        raise refuse(f"CT {vmid} already running")
    skiplock = bool(call.params.get("skiplock"))

    async def work(task: Task) -> None:
        await start_container(call.lab, node, vmid, task, skiplock=skiplock)

    return ha_request(call, "hastart", "started", f"ct:{vmid}") or call.task("vzstart", vmid, work)


def _ending(call: Call, kind: str, seconds: float, *, again: bool = False) -> object:
    """Stop a container in a task, and start it again where that is asked for."""
    node, vmid = _here(call)
    if not _runs(call):
        raise refuse(f"{'VM' if again else 'CT'} {vmid} not running")

    async def work(task: Task) -> None:
        async with flock(call.lab, vmid, "lxc"):
            guest = load(call.lab, node, vmid, "lxc")
            if not call.params.get("skiplock"):
                check_lock(guest, "mounted")
            await task.spend(seconds)
            rest(guest)
        if again:
            await start_container(call.lab, node, vmid, task)

    requested = None if again else ha_request(call, "hastop", "stopped", f"ct:{vmid}")
    return requested or call.task(kind, vmid, work)


@api("POST", f"{POWER}/stop")
def stop(call: Call) -> object:
    """Stop a container at once."""
    root_only(call, "skiplock")
    return _ending(call, "vzstop", STOP_SECONDS)


@api("POST", f"{POWER}/shutdown")
def shutdown(call: Call) -> object:
    """Let the system in a container shut down."""
    return _ending(call, "vzshutdown", SHUTDOWN_SECONDS)


@api("POST", f"{POWER}/reboot")
def reboot(call: Call) -> object:
    """Stop a container and start it with what was pending."""
    return _ending(call, "vzreboot", SHUTDOWN_SECONDS, again=True)


@api("POST", f"{POWER}/suspend")
def suspend(call: Call) -> object:
    """Refuse to freeze a container, as the experimental feature of a real node mostly does."""
    node, vmid = _here(call)
    if not _runs(call):
        raise refuse(f"CT {vmid} not running")

    async def work(task: Task) -> None:
        del task
        check_lock(load(call.lab, node, vmid, "lxc"))
        raise refuse(f"command 'lxc-checkpoint -n {vmid} -s -D /var/lib/vz/dump' failed: exit code 1")

    return call.task("vzsuspend", vmid, work)


@api("POST", f"{POWER}/resume")
def resume(call: Call) -> object:
    """Fail to thaw a container: there is never a checkpoint."""
    _, vmid = _here(call)
    if _runs(call):
        raise refuse(f"CT {vmid} already running")

    async def work(task: Task) -> None:
        del task
        raise refuse(f"command 'lxc-checkpoint -n {vmid} -r --foreground -D /var/lib/vz/dump' failed: exit code 1")

    return call.task("vzresume", vmid, work)


def _lease(lab: Lab, guest: Guest, mac: str) -> str:
    """Give a card the address that DHCP gives it, always the same while the container is there."""
    leases = dict(guest.extra.get("leases") or {})
    if mac not in leases:
        used = {ip for other in lab.guests.values() for ip in (other.extra.get("leases") or {}).values()}
        lan = ipaddress.IPv4Network("10.42.0.0/24")
        leases[mac] = next(f"{lan[n]}/24" for n in range(LEASES_FROM, 254) if f"{lan[n]}/24" not in used)
        guest.extra["leases"] = leases
    return str(leases[mac])


def _interface(name: str, mac: str, addresses: list[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": name, "hwaddr": mac, "hardware-address": mac}
    rows = []
    for address in addresses:
        ip, _, prefix = address.partition("/")
        family = "inet6" if ":" in ip else "inet"
        shown[family] = address
        rows.append({"ip-address-type": family, "ip-address": ip, "prefix": int(prefix)})
    return {**shown, "ip-addresses": rows}


@api("GET", "/nodes/{node}/lxc/{vmid}/interfaces")
def interfaces(call: Call) -> object:
    """List the network interfaces of a running container with their addresses."""
    guest = find(call.lab, *_here(call), "lxc")
    if guest is None or guest.status != "running":
        return None
    rows = [_interface("lo", "00:00:00:00:00:00", ["127.0.0.1/8", "::1/128"])]
    for key in sorted((k for k in guest.config if k.startswith("net")), key=lambda k: int(k[3:])):
        net = split(str(guest.config[key]))
        mac = net.get("hwaddr", "").lower()
        addresses = (
            [_lease(call.lab, guest, mac)]
            if net.get("ip") == "dhcp"
            else [net["ip"]]
            if "/" in net.get("ip", "")
            else []
        )
        addresses += [net["ip6"]] if "/" in net.get("ip6", "") else []
        rows.append(_interface(net.get("name", f"eth{key[3:]}"), mac, addresses))
    return rows
