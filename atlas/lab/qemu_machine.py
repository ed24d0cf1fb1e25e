"""From a VM's config to the machine that the backend runs."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab import cloudinit, guest_config
from atlas.lab.backend import Disk, Machine, Nic
from atlas.lab.entities import NODE_DNS, Guest
from atlas.lab.guest_devices import (
    DRIVES,
    boot_order,
    cloudinit_slot,
    drives,
    is_cdrom,
    is_cloudinit,
    parse_drive,
    parse_net,
    split,
)
from atlas.lab.qemu_options import memory_mib
from atlas.lab.world import Lab


def resolver(lab: Lab, node: str) -> cloudinit.Resolver:
    """Give a node's own resolver, which cloud-init uses for what a VM's config leaves open."""
    dns = {**NODE_DNS, **(lab.nodes[node].settings.get("dns") or {})}
    servers = tuple(str(dns[key]) for key in ("dns1", "dns2", "dns3") if dns.get(key))
    return cloudinit.Resolver(str(dns.get("search", "")), servers)


def agent_enabled(config: dict[str, Any]) -> bool:
    """Tell whether a VM's config enables the guest agent."""
    return guest_config.truth(split(str(config.get("agent", "0")), "enabled").get("enabled", "0"))


def _has_system(lab: Lab, guest: Guest) -> bool:
    """Tell whether any disk of a guest was made from an image, so that something can boot and answer."""
    for _, drive in drives(guest.config):
        volume = lab.volume(drive.get("file", ""), guest.node)
        if volume is not None and volume.extra.get("image"):
            return True
    return False


def disk(lab: Lab, node: str, slot: str, text: str) -> Disk | None:
    """Give the backend's disk for a drive, or None for an empty CD and the cloud-init drive."""
    drive = parse_drive(text)
    volume = lab.volume(drive.get("file", ""), node)
    if volume is None or not volume.path or is_cloudinit(drive):
        return None
    return Disk(slot, volume.path, is_cdrom(drive))


def nic(slot: str, text: str) -> Nic:
    """Give the backend's network card."""
    net = parse_net(text)
    vlan = int(net["tag"]) if net.get("tag") else None
    link = not guest_config.truth(net.get("link_down"))
    return Nic(slot, net.get("macaddr", ""), net.get("bridge", ""), vlan, net.get("model", "virtio"), link)


def machine(lab: Lab, guest: Guest) -> Machine:
    """Describe a VM for the backend, with the cloud-init data that its config gives now."""
    config = guest.config
    found = [disk(lab, guest.node, slot, str(config[slot])) for slot in DRIVES if slot in config]
    nets = sorted((key for key in config if re.fullmatch(r"net\d+", key)), key=lambda key: int(key[3:]))
    has_cloudinit = cloudinit_slot(config) is not None
    return Machine(
        vmid=guest.vmid,
        name=str(config.get("name", f"VM{guest.vmid}")),
        uuid=split(str(config.get("smbios1", ""))).get("uuid", ""),
        cores=int(config.get("cores", 1)),
        sockets=int(config.get("sockets", 1)),
        cpu=split(str(config.get("cpu", "kvm64")), "cputype").get("cputype", "kvm64"),
        memory=memory_mib(config.get("memory")),
        disks=[each for each in found if each is not None],
        nics=[nic(key, str(config[key])) for key in nets],
        cloudinit=cloudinit.files(config, guest.vmid, resolver(lab, guest.node)) if has_cloudinit else None,
        boot=boot_order(config),
        agent=agent_enabled(config) and _has_system(lab, guest),
    )


def wake(lab: Lab, guest: Guest) -> None:
    """Note that a guest runs."""
    guest.status = "running"
    guest.started_at = lab.clock.now()
    guest.pid = lab.tasks.new_pid()
    guest.extra.pop("paused", None)


def rest(guest: Guest) -> None:
    """Note that a guest stands still."""
    guest.status = "stopped"
    guest.started_at = None
    guest.pid = None
    guest.extra.pop("paused", None)
