"""One guest in the words of Terraform's provider; pure.

Source: bpg/proxmox 0.111.1, `proxmox_virtual_environment_vm` and `proxmox_virtual_environment_container`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atlas.compare import Subject
from atlas.errors import GenerateError
from atlas.generators.target import items, model, source, target
from atlas.ownership import Owner
from atlas.plan import Value
from atlas.ports.cluster import Work
from atlas.pveconfig import disk_slots
from atlas.spec import interface
from atlas.state import Stamp
from atlas.units import GIB

_MOST = {"vm": 8, "container": 10}
"""Network interfaces that the provider can give an address to."""

_SYSTEMS = ("alpine", "archlinux", "centos", "debian", "devuan", "fedora", "gentoo", "nixos", "opensuse", "ubuntu")
_LIKE = {"almalinux": "centos", "rockylinux": "centos"}


def exists(subject: Subject) -> bool:
    """Tell whether the guest is there and ours."""
    return subject.observed is not None and subject.owner in (Owner.OURS, Owner.UNRECORDED)


def _common(subject: Subject, values: Mapping[str, Value]) -> dict[str, Any]:
    networks = items(values, "networks")
    if len(networks) > _MOST[subject.lease.kind]:
        raise GenerateError(
            f"{subject.key} has {len(networks)} networks; Terraform's provider takes {_MOST[subject.lease.kind]}",
            "have fewer, or use --engine api",
        )
    dns = {"search": values.get("dns.search"), "servers": values.get("dns.servers")}
    return {
        "vmid": subject.lease.vmid,
        "node": values.get("node") or subject.lease.node,
        "description": _notes(subject, values),
        "tags": values.get("tags") or (),
        "pool": values.get("pool"),
        "protection": bool(values.get("protection")),
        "on_boot": bool(values.get("start.on_boot")),
        "start_order": values.get("start.order"),
        "cores": values.get("cpu.cores", 1),
        "memory": values.get("memory", 512),
        "addresses": [_address(network) for _, network in networks],
        "dns": dns if dns["search"] or dns["servers"] else None,
        "ssh_keys": values.get("user.ssh_keys") or (),
    }


def _notes(subject: Subject, values: Mapping[str, Value]) -> str:
    """Return the guest's notes with our stamp; what people wrote beside it stays."""
    stamp, notes = str(values.get("description")), subject.observed.description if subject.observed else ""
    others = [line for line in notes.splitlines() if Stamp.read(line) is None]
    return notes if stamp in notes.splitlines() else "\n".join([stamp, *others])


def _address(network: Mapping[str, Any]) -> dict[str, Any]:
    address = network.get("address")
    static = interface(address) if address else None
    family = f"ipv{static.version}" if static else "ipv4" if address else None
    return {"family": family, "address": address, "gateway": network.get("gateway")}


def _left_behind(config: Mapping[str, Any], cards: int) -> list[dict[str, Any]]:
    """Return the addresses of network cards that are gone: the provider never takes them away, so they are stated."""
    found: list[dict[str, Any]] = []
    while f"ipconfig{cards + len(found)}" in config:
        parts = dict(p.partition("=")[::2] for p in str(config[f"ipconfig{cards + len(found)}"]).split(","))
        address, gateway = parts.get("ip") or parts.get("ip6"), parts.get("gw") or parts.get("gw6")
        family = "ipv4" if "ip" in parts else "ipv6"
        found.append({"family": family, "address": address, "gateway": gateway})
    return found


def vm(subject: Subject, work: Work) -> dict[str, Any]:
    """Return all that the bundle says of a VM."""
    values, config, template = target(subject, work), model(subject, work), source(subject, work)
    disks = _disks(subject, values, config)
    common = _common(subject, values)
    storage = disks[0]["storage"] if disks else None
    linked = subject.instance is not None and subject.instance.guest.clone == "linked"
    proven = template is not None and bool(template.attributes.get("agent"))
    return {
        **common,
        "addresses": [*common["addresses"], *_left_behind(config, len(common["addresses"]))],
        "node": _node(subject),
        "migrate": "node" in subject.wanted,
        "sockets": values.get("cpu.sockets", 1),
        "cpu_type": values.get("cpu.type", "kvm64"),
        "balloon": values.get("balloon") or 0,
        "bios": "ovmf" if values.get("efi") else "seabios",
        "machine": values.get("machine"),
        "scsi_hardware": str(config.get("scsihw", "lsi")),
        "agent": bool(values.get("agent")),
        "stop_on_destroy": not proven,
        "disks": disks,
        "efi": _efi(values, config, storage),
        "tpm": {"storage": values.get("tpm.storage", storage)} if values.get("tpm") else None,
        "networks": [
            {
                "bridge": network.get("bridge"),
                "model": _nic_model(config, i),
                "mac": network.get("mac"),
                "vlan": network.get("vlan"),
                "mtu": network.get("mtu"),
                "firewall": "firewall=1" in str(config.get(f"net{i}", "")) and subject.observed is not None,
            }
            for i, network in items(values, "networks")
        ],
        "user": values.get("user.name"),
        "cloud_init_storage": _cloud_init(subject) or storage,
        "clone": {
            "vm_id": int(subject.lease.source) if subject.lease.source.isdigit() else 0,
            "node": subject.lease.source_node,
            "full": not linked,
            "storage": None if linked else _clone_storage(subject, work, disks),
        },
    }


def _clone_storage(subject: Subject, work: Work, disks: Sequence[Mapping[str, Any]]) -> str | None:
    """Return where a clone's disks are written at once; None where they have to be moved there afterwards.

    Source: qemu-server clone_vm: a clone that goes to another node takes shared storages alone.
    """
    lease, storage = subject.lease, str(disks[0]["storage"]) if disks else None
    if storage is None or lease.node == lease.source_node:
        return storage
    template, there = source(subject, work), work.state.storage(storage, lease.node)
    origin = str(template.attributes.get("disks[0].storage")) if template else ""
    shared = work.state.storage(origin, lease.source_node)
    return None if shared and shared.shared and not (there and there.shared) else storage


def _node(subject: Subject) -> str:
    """Return the node to state: an explicit one migrates, else the guest is where it is."""
    explicit = subject.wanted.get("node")
    if isinstance(explicit, str):
        return explicit
    return subject.observed.node if subject.observed and exists(subject) else subject.lease.node


def _disks(subject: Subject, values: Mapping[str, Value], config: Mapping[str, Any]) -> list[dict[str, Any]]:
    slots = disk_slots(config)
    found: list[dict[str, Any]] = []
    for i, disk in items(values, "disks"):
        slot = slots.get(i) or f"{disk.get('bus') or 'scsi'}{i}"
        storage = disk.get("storage") or (found[0]["storage"] if found else None)
        if storage is None:
            raise GenerateError(
                f"the storage of {subject.key}'s disk is not known", "name one: `disks: [{storage: …}]`"
            )
        found.append(
            {
                "interface": slot,
                "storage": storage,
                "size": _gib(disk.get("size", 0)),
                "ssd": bool(disk.get("ssd")),
                "discard": bool(disk.get("discard")),
                "iothread": bool(disk.get("iothread")),
                "backup": disk.get("backup") is not False,
            }
        )
    return found


def _gib(mib: int) -> int:
    return -(-mib // GIB)


def _efi(values: Mapping[str, Value], config: Mapping[str, Any], storage: str | None) -> dict[str, Any] | None:
    if not values.get("efi"):
        return None
    kind = "2m" if "efidisk0" in config and "efitype=4m" not in str(config["efidisk0"]) else "4m"
    keys = bool(values.get("efi.secure_boot"))
    return {"storage": values.get("efi.storage", storage), "type": kind, "secure_boot": keys}


def _nic_model(config: Mapping[str, Any], index: int) -> str:
    return str(config.get(f"net{index}", "virtio")).partition("=")[0].partition(",")[0]


def _cloud_init(subject: Subject) -> str | None:
    """Return the storage of the guest's own cloud-init drive, which is where it stays."""
    config = subject.observed.config if subject.observed else {}
    drives = (str(v) for v in config.values() if "cloudinit" in str(v) and ":" in str(v))
    return next((v.partition(":")[0] for v in drives), None)


def container(subject: Subject, work: Work) -> dict[str, Any]:
    """Return all that the bundle says of a container."""
    values, config = target(subject, work), model(subject, work)
    features: Sequence[Any] = values.get("features") or ()  # type: ignore[assignment]  # a tuple by its path
    disks = items(values, "disks")
    storage = disks[0][1].get("storage") or _root_storage(subject, work)
    return {
        **_common(subject, values),
        "node": _node(subject),
        "unprivileged": values.get("unprivileged") is not False,
        "archive": subject.lease.source,
        "os_type": _system(subject.lease.source),
        "swap": values.get("swap", 512),
        "disk": {"storage": storage, "size": _gib(disks[0][1].get("size", 0))},
        "mounts": [
            {
                "path": mount.get("path"),
                "volume": mount.get("volume") or mount.get("storage") or storage,
                "size": f"{_gib(mount.get('size', 0))}G",
                "backup": bool(mount.get("backup")),
            }
            for _, mount in items(values, "mounts")
        ],
        "features": {name: name in features for name in ("nesting", "keyctl", "fuse")} if features else None,
        "networks": [
            {
                "name": f"eth{i}",
                "bridge": network.get("bridge"),
                "mac": network.get("mac"),
                "vlan": network.get("vlan"),
                "mtu": network.get("mtu"),
                "firewall": "firewall=1" in str(config.get(f"net{i}", "")),
            }
            for i, network in items(values, "networks")
        ],
    }


def _root_storage(subject: Subject, work: Work) -> str:
    """Return where a container's disk goes if nobody says: the node's storage for containers with the most room."""
    node = subject.lease.node
    found = work.state.roomiest(node, "rootdir")
    if found is None:
        raise GenerateError(
            f"no storage of {node} takes the disk of {subject.key}", "name one: `disks: [{storage: …}]`"
        )
    return found


def _system(archive: str) -> str:
    """Return the type of system in an archive; without it PVE would not set up the network in the container."""
    name = archive.rpartition("/")[2].lower()
    like = next((to for prefix, to in _LIKE.items() if name.startswith(prefix)), None)
    return like or next((s for s in _SYSTEMS if name.startswith(s)), "unmanaged")
