"""The world that a new lab starts with: nodes, storages, a bridge, templates, users and tokens."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

from atlas.lab.auth import hash_secret, hash_token
from atlas.lab.entities import GIB, Acl, Guest, Node, Role, Storage, User, Volume

if TYPE_CHECKING:
    from atlas.lab.world import Lab

BRIDGE_NET = "10.42.0"
ROLE = "ATLAS"
# What provisioning needs and no more: guests, their space, their place on the network, reading the nodes.
PRIVILEGES = (
    "Datastore.AllocateSpace",
    "Datastore.AllocateTemplate",
    "Datastore.Audit",
    "Pool.Allocate",
    "Pool.Audit",
    "SDN.Audit",
    "SDN.Use",
    "Sys.Audit",
    "Sys.Modify",  # what PVE asks for setting `startup`
    "VM.Allocate",
    "VM.Audit",
    "VM.Clone",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.GuestAgent.Audit",
    "VM.GuestAgent.Unrestricted",
    "VM.Migrate",
    "VM.PowerMgmt",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
)
# VMID, name, image, node, storage
TEMPLATES = (
    (9000, "debian-12", "debian-12", 1, "shared-nfs"),
    (9001, "ubuntu-24.04", "ubuntu-24.04", 1, "shared-nfs"),
    (9002, "debian-12-local", "debian-12", 2, "local-lvm"),
)
ARCHIVE = "shared-nfs:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"


async def fill(lab: Lab, nodes: int = 3, *, bare: bool = False) -> dict[str, str]:
    """Fill an empty lab.

    Args:
        lab: The lab.
        nodes: How many nodes.
        bare: Without templates, as a cluster is when it is new.

    Returns:
        The secrets made for it: the tokens by their id, and root's password under `root@pam`.
    """
    for number in range(1, nodes + 1):
        lab.nodes[f"pve{number}"] = Node(
            f"pve{number}", number, booted_at=lab.clock.now() - 86400, network=_network(number)
        )
    _storages(lab)
    for vmid, name, image, number, storage in TEMPLATES:
        if number <= nodes and not bare:
            await _template(lab, vmid, name, image, f"pve{number}", storage)
    if not bare:
        lab.volumes[ARCHIVE] = Volume(
            ARCHIVE, "shared-nfs", "vztmpl", "tzst", 126_000_000, used=126_000_000, ctime=lab.clock.now()
        )
    return _access(lab)


def _network(number: int) -> dict[str, object]:
    address = f"{BRIDGE_NET}.{240 + number}"
    return {
        "eno1": {
            "type": "eth",
            "method": "manual",
            "method6": "manual",
            "exists": 1,
            "active": 1,
            "families": ("inet",),
            "priority": 3,
        },
        "vmbr0": {
            "type": "bridge",
            "method": "static",
            "method6": "manual",
            "address": address,
            "netmask": "24",
            "cidr": f"{address}/24",
            "gateway": f"{BRIDGE_NET}.1",
            "bridge_ports": "eno1",
            "bridge_stp": "off",
            "bridge_fd": "0",
            "autostart": 1,
            "active": 1,
            "families": ("inet",),
            "priority": 4,
        },
    }


def _storages(lab: Lab) -> None:
    lab.storages["local"] = Storage(
        "local", "dir", {"path": "/var/lib/vz", "content": "iso,vztmpl,import,backup,snippets"}, 100 * GIB
    )
    lab.storages["local-lvm"] = Storage(
        "local-lvm", "lvmthin", {"vgname": "pve", "thinpool": "data", "content": "images,rootdir"}, 500 * GIB
    )
    lab.storages["shared-nfs"] = Storage(
        "shared-nfs",
        "nfs",
        {
            "path": "/mnt/pve/shared-nfs",
            "server": f"{BRIDGE_NET}.2",
            "export": "/export/pve",
            "content": "images,rootdir,vztmpl,import,iso",
        },
        2000 * GIB,
    )


async def _template(lab: Lab, vmid: int, name: str, image: str, node: str, storage: str) -> None:
    size = 3 * GIB
    files = lab.storages[storage].shared
    disk = f"{vmid}/base-{vmid}-disk-0.qcow2" if files else f"base-{vmid}-disk-0"
    drive = f"{vmid}/vm-{vmid}-cloudinit.qcow2" if files else f"vm-{vmid}-cloudinit"
    form = "qcow2" if files else "raw"
    folder = storage if files else f"{node}/{storage}"
    for volume, space in ((disk, size), (drive, 4 * 1024**2)):
        volid = f"{storage}:{volume}"
        path = f"{folder}/images/{volume}"
        lab.volumes[lab.volume_key(volid, node)] = Volume(
            volid,
            storage,
            "images",
            form,
            space,
            node=None if files else node,
            used=min(space, GIB),
            vmid=vmid,
            ctime=lab.clock.now(),
            path=path,
            extra={"image": image} if space == size else {},
        )
        await lab.backend.create_disk(path, space, image if space == size else None)
    made = int(lab.clock.now())
    lab.guests[str(vmid)] = Guest(
        vmid,
        "qemu",
        node,
        {
            "name": name,
            "template": 1,
            "cores": 2,
            "memory": "2048",
            "cpu": "x86-64-v2-AES",
            "ostype": "l26",
            "scsihw": "virtio-scsi-single",
            "boot": "order=scsi0",
            "scsi0": f"{storage}:{disk},size=3G",
            "ide2": f"{storage}:{drive},media=cdrom,size=4M",
            "net0": "virtio=BC:24:11:{:02X}:{:02X}:{:02X},bridge=vmbr0".format(*secrets.token_bytes(3)),
            "serial0": "socket",
            "agent": "enabled=1",
            "ciupgrade": 0,
            "smbios1": f"uuid={uuid.uuid4()}",
            "vmgenid": str(uuid.uuid4()),
            "meta": f"creation-qemu=10.1.2,ctime={made}",
        },
    )


def _access(lab: Lab) -> dict[str, str]:
    made = {"root@pam": secrets.token_urlsafe(16)}
    lab.users["root@pam"] = User("root@pam", fields={"email": "root@localhost"}, password=hash_secret(made["root@pam"]))
    lab.users["atlas@pve"] = User("atlas@pve", fields={"comment": "provisioning"})
    for user, name in (("root@pam", "lab"), ("atlas@pve", "atlas")):
        value = str(uuid.uuid4())
        lab.users[user].tokens[name] = {"value": hash_token(value), "privsep": 0, "expire": 0}
        made[f"{user}!{name}"] = value
    lab.roles[ROLE] = Role(ROLE, dict.fromkeys(PRIVILEGES, 1))
    lab.acl["/"] = Acl("/", users={"atlas@pve": {ROLE: 1}})
    return made
