"""What VMs look like from outside: lists, current status, config, pending, features, indexes."""

from __future__ import annotations

from typing import Any

from atlas.lab import guest_config, volume_ids
from atlas.lab.call import Call, PVEError, api
from atlas.lab.entities import Guest
from atlas.lab.guest_devices import boot_disk_size, drives, is_cdrom, split
from atlas.lab.guests import digest, find, read_config, snapshot_of, this_guest
from atlas.lab.qemu_machine import agent_enabled
from atlas.lab.qemu_options import MACHINE_VERSION, QEMU_VERSION, memory_mib
from atlas.lab.world import Lab

VM = "/nodes/{node}/qemu/{vmid}"
MIB = 1024**2


def cpu_count(config: dict[str, Any], most: int) -> int:
    """Give the processors of a VM, no more than its node has."""
    count = min(int(config.get("sockets", 1)) * int(config.get("cores", 1)), most)
    return int(config.get("vcpus") or count)


def vm_status(lab: Lab, guest: Guest, *, full: bool = False) -> dict[str, Any]:
    """Describe a VM as lists and `status/current` do.

    Args:
        lab: the world.
        guest: the VM.
        full: with what the running process itself tells.

    Returns:
        The fields that the API shows.
    """
    config = guest.config
    shown: dict[str, Any] = {
        "vmid": guest.vmid,
        "status": guest.status,
        "name": str(config.get("name") or f"VM {guest.vmid}"),
        "cpus": cpu_count(config, lab.nodes[guest.node].cores),
        "maxmem": memory_mib(config.get("memory")) * MIB,
        "maxdisk": boot_disk_size(config),
        **dict.fromkeys(("cpu", "disk", "mem", "memhost", "netin", "netout", "uptime"), 0),
    }
    if guest_config.truth(config.get("balloon")):
        shown["balloon_min"] = int(config["balloon"]) * MIB
        shown["shares"] = int(config.get("shares", 1000))
    if any(f"serial{n}" in config for n in range(4)):
        shown["serial"] = 1
    shown |= {key: config[key] for key in ("lock", "tags") if key in config}
    if guest_config.truth(config.get("template")):
        shown["template"] = 1
    if guest.status == "running":
        shown |= _running(lab, guest, shown["maxmem"], full=full)
    if full:
        shown["qmpstatus"] = ("paused" if guest.extra.get("paused") else "running") if guest.pid else "stopped"
    return shown


def _running(lab: Lab, guest: Guest, memory: int, *, full: bool) -> dict[str, Any]:
    """Give what only a running VM has; a simulated one uses half of its memory and little else."""
    seconds = int(lab.clock.now() - (guest.started_at or lab.clock.now()))
    used = memory // 2
    shown: dict[str, Any] = {"pid": guest.pid, "uptime": seconds, "cpu": 0.01, "mem": used, "memhost": used}
    kinds = [f"pressure{what}{how}" for what in ("cpu", "io", "memory") for how in ("some", "full")]
    shown |= dict.fromkeys(kinds, 0)
    if not full:
        return shown
    shown |= {"diskread": 0, "diskwrite": 0, "running-qemu": QEMU_VERSION}
    shown |= {"running-machine": f"pc-i440fx-{MACHINE_VERSION}+pve0", "proxmox-support": {}, "blockstat": {}}
    if str(guest.config.get("balloon", "")) != "0":
        shown |= {"balloon": memory, "ballooninfo": {"actual": memory, "max_mem": memory}}
    return shown


def ha_status(lab: Lab, sid: str) -> dict[str, Any]:
    """Tell whether a guest is managed by HA."""
    entry = lab.section("ha/resources").get(sid)
    if entry is None:
        return {"managed": 0}
    return {"managed": 1, "state": entry.data.get("state", "started")}


@api("GET", "/nodes/{node}/qemu")
def list_vms(call: Call) -> object:
    """List the VMs of a node that the caller may see."""
    mine = [g for g in call.lab.guests.values() if g.kind == "qemu" and g.node == call.params["node"]]
    full = bool(call.params.get("full"))
    return [vm_status(call.lab, g, full=full) for g in mine if call.may(f"/vms/{g.vmid}", "VM.Audit")]


@api("GET", f"{VM}/status")
def status_index(call: Call) -> object:
    """List the commands below `status`."""
    this_guest(call)
    return [{"subdir": n} for n in ("current", "start", "stop", "reset", "shutdown", "suspend", "reboot")]


@api("GET", f"{VM}/status/current")
def current(call: Call) -> object:
    """Tell how a VM is now."""
    guest = this_guest(call)
    shown = vm_status(call.lab, guest, full=True)
    shown["ha"] = ha_status(call.lab, f"vm:{guest.vmid}")
    if "vga" in guest.config:
        vga = split(str(guest.config["vga"]), "type")
        if vga.get("type", "").startswith(("qxl", "virtio")):
            shown["spice"] = 1
        shown["clipboard"] = vga.get("clipboard")
    if agent_enabled(guest.config):
        shown["agent"] = 1
    return shown


def visible(config: dict[str, Any]) -> dict[str, Any]:
    """Hide the cloud-init password of a config."""
    return {**config, "cipassword": "**********"} if config.get("cipassword") else dict(config)


@api("GET", f"{VM}/config")
def config(call: Call) -> object:
    """Give a VM's config with what is pending, as it is now, or as a snapshot has it."""
    guest, shown = read_config(call)
    return {**visible(shown), "digest": digest(guest)}


@api("GET", f"{VM}/pending")
def pending(call: Call) -> object:
    """List a VM's options with current and pending values."""
    guest = this_guest(call)
    rows = guest_config.pending_list({**visible(guest.config), "digest": digest(guest)}, guest.pending)
    for row in rows:
        if row["key"] == "cipassword" and "pending" in row:
            row["pending"] = "********** "
    return rows


def common_nodes(lab: Lab, guest: Guest, config: dict[str, Any]) -> list[str]:
    """List the nodes that see every volume of a config."""
    nodes = set(lab.nodes)
    for _, drive in drives(config):
        parts = volume_ids.split_volid(drive.get("file", ""))
        storage = lab.storages.get(parts[0]) if parts else None
        if storage is not None:
            nodes &= {n for n in nodes if storage.on(n) and storage.enabled and (storage.shared or n == guest.node)}
    return sorted(nodes)


@api("GET", f"{VM}/feature")
def feature(call: Call) -> object:
    """Tell whether a VM can be snapshotted, cloned or copied."""
    params = call.params
    guest = find(call.lab, str(params["node"]), int(params["vmid"]), "qemu")
    if guest is None:
        raise PVEError(500, f"unable to find configuration file for VM {params['vmid']} on node '{params['node']}'")
    config, snapshot = guest.config, params.get("snapname")
    if snapshot:
        config = snapshot_of(guest, snapshot)
    name = str(params["feature"])
    disks = [drive.get("file", "") for _, drive in drives(config) if not is_cdrom(drive)]
    able = all(volume_ids.able(call.lab, name, volid, snapshot=bool(snapshot)) for volid in disks)
    return {"hasFeature": int(able), "nodes": common_nodes(call.lab, guest, config)}
