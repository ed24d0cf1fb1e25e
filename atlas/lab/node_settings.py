"""nodes/{node}: config, dns, hosts, time, and the calls on all of its guests."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, api
from atlas.lab.formats import split_list
from atlas.lab.sections import check_digest, digest
from atlas.lab.tasks import Task
from atlas.lab.world import NODE_DNS, Guest


def _kept(call: Call, name: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = call.lab.node(call.params["node"]).settings.setdefault(name, default or {})
    return found


@api("GET", "/nodes/{node}/config")
def config(call: Call) -> dict[str, Any]:
    """Return the node's settings."""
    data = _kept(call, "config")
    shown = {**data, "digest": digest(data)}
    wanted = call.params.get("property")
    return {key: shown[key] for key in (wanted, "digest") if key in shown} if wanted else shown


@api("PUT", "/nodes/{node}/config")
def update_config(call: Call) -> None:
    """Change the node's settings."""
    data = _kept(call, "config")
    check_digest(call.params, digest(data))
    for key in split_list(call.params.get("delete", "")):
        data.pop(key, None)
    data.update({k: str(v) for k, v in call.params.items() if k not in ("node", "delete", "digest")})


@api("GET", "/nodes/{node}/dns")
def dns(call: Call) -> dict[str, Any]:
    """Return the node's resolver."""
    return {**NODE_DNS, **_kept(call, "dns")}


@api("PUT", "/nodes/{node}/dns")
def update_dns(call: Call) -> None:
    """Change the node's resolver."""
    data = _kept(call, "dns")
    data.clear()
    data.update({key: call.params[key] for key in ("search", "dns1", "dns2", "dns3") if key in call.params})


@api("GET", "/nodes/{node}/hosts")
def hosts(call: Call) -> dict[str, str]:
    """Return the node's hosts file."""
    name = call.params["node"]
    address = call.lab.node(name).network.get("vmbr0", {}).get("address", "127.0.1.1")
    text = "127.0.0.1 localhost.localdomain localhost\n" + f"{address} {name}.lab.example {name}\n"
    data = _kept(call, "hosts")
    return {"data": data.get("data", text), "digest": digest(data)}


@api("POST", "/nodes/{node}/hosts")
def update_hosts(call: Call) -> None:
    """Replace the node's hosts file."""
    data = _kept(call, "hosts")
    check_digest(call.params, digest(data))
    data["data"] = call.params["data"]


@api("GET", "/nodes/{node}/time")
def time(call: Call) -> dict[str, Any]:
    """Return the node's time and zone."""
    now = int(call.lab.clock.now())
    return {"time": now, "localtime": now, "timezone": _kept(call, "time").get("timezone", "UTC")}


@api("PUT", "/nodes/{node}/time")
def update_time(call: Call) -> None:
    """Change the node's zone."""
    _kept(call, "time")["timezone"] = call.params["timezone"]


@api("GET", "/nodes/{node}/subscription")
def subscription(_: Call) -> dict[str, str]:
    """Say that there is no subscription."""
    return {
        "status": "notfound",
        "message": "There is no subscription key",
        "url": "https://www.proxmox.com/proxmox-ve/pricing",
    }


@api("POST", "/nodes/{node}/wakeonlan")
def wake(call: Call) -> str:
    """Wake another node."""
    name = call.params["node"]
    if name == call.lab.local_node:
        raise PVEError(500, f"'{name}' is local node, cannot wake my self!")
    raise PVEError(500, f"No wake on LAN MAC address defined for '{name}'!")


@api("POST", "/nodes/{node}/migrateall")
def migrate_all(call: Call) -> str:
    """Refuse what cannot be: the lab migrates guests one by one."""
    if call.params["target"] == call.params["node"]:
        raise PVEError(400, errors={"target": "target is local node."})
    raise PVEError(501, "migrating all guests of a node is not modelled by this lab")


def _chosen(call: Call) -> list[Guest]:
    """Return the guests that the caller named, or all of the node's, in the order of their start."""
    named = set(split_list(call.params.get("vms", "")))
    node = call.params["node"]
    if not call.may("/", "VM.PowerMgmt"):
        if not named:
            call.need("/", "VM.PowerMgmt")
        for vmid in named:
            call.need(f"/vms/{vmid}", "VM.PowerMgmt")
    found = [g for key, g in call.lab.guests.items() if g.node == node and (not named or key in named)]

    def order(guest: Guest) -> tuple[int, int]:
        parts = dict(p.split("=", 1) for p in split_list(guest.config.get("startup", "")) if "=" in p)
        return int(parts.get("order", 2**30)), guest.vmid

    return sorted(found, key=order)


async def _power(call: Call, task: Task, guest: Guest, *, on: bool) -> None:
    from atlas.lab.lxc_power import start_container
    from atlas.lab.qemu_machine import rest
    from atlas.lab.qemu_power import start_vm, stop_vm

    try:
        if on:
            start = start_vm if guest.kind == "qemu" else start_container
            await start(call.lab, guest.node, guest.vmid, task)
        elif guest.kind == "qemu":
            await stop_vm(call.lab, guest, task, shutdown=True, timeout=180, force=True)
        else:
            await task.spend(1)
            rest(guest)
    except PVEError as error:
        task.warn(error.message)


@api("POST", "/nodes/{node}/startall")
def start_all(call: Call) -> str:
    """Start the guests that start on boot; with `force` every one."""
    guests = [g for g in _chosen(call) if call.params.get("force") or int(g.config.get("onboot") or 0)]

    async def work(task: Task) -> None:
        for guest in guests:
            if guest.status != "running" and not guest.config.get("template"):
                task.log(f"Starting {'VM' if guest.kind == 'qemu' else 'CT'} {guest.vmid}")
                await _power(call, task, guest, on=True)

    return call.task("startall", "", work)


@api("POST", "/nodes/{node}/stopall")
def stop_all(call: Call) -> str:
    """Stop the running guests, the last started first."""
    guests = [g for g in reversed(_chosen(call)) if g.status == "running"]

    async def work(task: Task) -> None:
        for guest in guests:
            task.log(f"Stopping {'VM' if guest.kind == 'qemu' else 'CT'} {guest.vmid}")
            await _power(call, task, guest, on=False)

    return call.task("stopall", "", work)
