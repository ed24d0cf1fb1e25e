"""Work for engines and generators out of a spec as data: leases chosen, a cluster with templates, nothing made yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from atlas import attributes
from atlas.instances import Instance, instances
from atlas.plan import Value
from atlas.ports.cluster import Work
from atlas.spec import Stack
from atlas.state import Lease, Node, Observed, Stamp, State, Storage

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f atlas"
ARCHIVE = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
VM, CT = frozenset({"images"}), frozenset({"rootdir", "images"})
STORAGES = (
    Storage("local", "pve1", "dir", False, VM, 100_000, 50_000),
    Storage("local-lvm", "pve1", "lvmthin", False, CT, 100_000, 50_000),
    Storage("shared-nfs", "pve1", "nfs", True, CT, 100_000, 50_000),
)
TEMPLATE = Observed(
    9000,
    "vm",
    "debian-12",
    "pve1",
    template=True,
    config={
        "scsihw": "virtio-scsi-single",
        "boot": "order=scsi0;net0",
        "scsi0": "shared-nfs:9000/base-9000-disk-0.qcow2,size=3G",
        "ide2": "shared-nfs:9000/vm-9000-cloudinit.qcow2,media=cdrom",
        "net0": "virtio=BC:24:11:00:90:00,bridge=vmbr0",
        "agent": "1",
    },
    attributes={
        "agent": True,
        "disks[0].size": 3072,
        "disks[0].storage": "shared-nfs",
        "disks[0].bus": "scsi",
        "disks[0].ssd": False,
        "disks[0].discard": False,
        "disks[0].iothread": False,
        "disks[0].backup": True,
    },
)


def work(*guests: Mapping[str, Any], folder: Path = Path("/nowhere"), **fields: Any) -> Work:
    """Return the work of a stack whose guests do not exist yet, each with a lease."""
    stack = Stack.model_validate(
        {"metadata": {"name": "farm"}, "guests": [{"name": "web", "image": "debian-12", **g} for g in guests]}
    )
    wanted = instances(stack)
    leases = {one.key: lease(one, n) for n, one in enumerate(wanted)}
    nodes = {name: Node(name, True, 16, 65_536) for name in ("pve1", "pve2")}
    state = State("id", "9.2", nodes, STORAGES, {9000: TEMPLATE})
    return replace(Work("farm", "a1b2c3", KEY, wanted, leases, {}, state, folder), **fields)


def lease(one: Instance, number: int) -> Lease:
    """Return a lease for the guest of this number."""
    nics = one.guest.networks
    vm = one.guest.kind == "vm"
    return Lease(
        "farm",
        one.group,
        one.index,
        one.guest.kind,
        one.guest.vmid or 10_000 + number,
        "pve1" if one.guest.node == "auto" else one.guest.node,
        "9000" if vm else ARCHIVE,
        "pve1",
        tuple(f"10.42.{number // 250}.{number % 250 + 2}/16" if x.address == "auto" else x.address for x in nics),
        tuple(x.gateway for x in nics),
        tuple(f"BC:24:11:{i:02X}:{number // 256:02X}:{number % 256:02X}" for i, _ in enumerate(nics)),
    )


def made(before: Work) -> Work:
    """Return the work after its guests were made exactly as wanted."""
    applied, leases, guests = {}, {}, dict(before.state.guests)
    for one in before.instances:
        mine = replace(before.leases[one.key], uuid=f"u{before.leases[one.key].vmid}", made=True)
        leases[one.key] = mine
        applied[one.key] = attributes.wanted(one, mine, before)
        guests[mine.vmid] = observed(mine, applied[one.key], before)
    return replace(before, applied=applied, leases=leases, state=replace(before.state, guests=guests))


def observed(mine: Lease, values: Mapping[str, Value], before: Work) -> Observed:
    """Return a running guest that shows these values."""
    shown: dict[str, Value] = {p: v for p, v in values.items() if p not in attributes.UNSEEN}
    config: dict[str, Any] = {"description": str(Stamp(before.installation, before.stack, mine.vmid))}
    if mine.kind == "vm":
        config |= {"scsihw": "virtio-scsi-single", "boot": "order=scsi0", "ide2": "shared-nfs:cloudinit,media=cdrom"}
    for i in attributes.items(values, "disks"):
        shown = {f"disks[{i}].storage": "shared-nfs", f"disks[{i}].bus": "scsi", **shown}
        config[f"scsi{i}" if mine.kind == "vm" else "rootfs"] = f"shared-nfs:vm-{mine.vmid}-disk-{i}"
    for i in attributes.items(values, "networks"):
        config[f"net{i}"] = f"virtio={values[f'networks[{i}].mac']},bridge=vmbr0"
    return Observed(
        mine.vmid,
        mine.kind,
        str(values["name"]),
        mine.node,
        running=True,
        config=config,
        attributes=shown,
        uuid=mine.uuid,
    )
