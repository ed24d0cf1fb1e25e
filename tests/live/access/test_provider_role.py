"""The role that the Terraform provider documents: it is enough, and without a privilege its call is refused.

Each privilege has a call that needs it. Where another privilege of the role allows the same, that one is taken away,
too; where PVE names neither path nor privilege, neither does the lab.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakes import role
from fakes.polling import until

from atlas.errors import ApiRefused, TaskFailed
from atlas.events import Emitter
from atlas.proxmox import tasks
from atlas.proxmox.client import Client

VM, RUNS = 8100, 8101
Holder = Callable[[frozenset[str]], Client]


@dataclass(frozen=True)
class Call:
    """A call that needs a privilege, and what PVE says in brackets where that is missing."""

    words: str
    refused: str
    params: dict[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    task: bool = False
    """Whether its task is what is refused, not the call."""


def _config(key: str, value: object, privilege: str, refused: str = "") -> Call:
    return Call(f"put nodes/pve1/qemu/{VM}/config", refused or f"/vms/{VM}, {privilege}", {key: value})


def _agent(words: str, privilege: str, **params: object) -> Call:
    method, name = words.split()
    any_ = f"/vms/{RUNS}, {privilege}|VM.GuestAgent.Unrestricted"
    return Call(f"{method} nodes/pve1/qemu/{RUNS}/agent/{name}", any_, params, ("VM.GuestAgent.Unrestricted",))


AT = f"nodes/pve1/qemu/{VM}"
FILE = {"content": "iso", "filename": "x.iso", "url": "http://127.0.0.1:1/x.iso"}
NEEDS: dict[str, Call] = {
    "Datastore.Allocate": Call(
        "post storage", "/storage, Datastore.Allocate", {"storage": "made", "type": "dir", "path": "/s"}
    ),
    "Datastore.AllocateSpace": _config("scsi3", "tank:1", "", "/storage/tank, Datastore.AllocateSpace"),
    "Datastore.AllocateTemplate": Call(
        "post nodes/pve1/storage/local/download-url", "/storage/local, Datastore.AllocateTemplate", FILE
    ),
    "Datastore.Audit": Call(
        "get nodes/pve1/storage/local/status",
        "/storage/local, Datastore.Audit|Datastore.AllocateSpace",
        also=("Datastore.AllocateSpace",),
    ),
    "Group.Allocate": Call("post access/groups", "/access/groups, Group.Allocate", {"groupid": "made"}),
    "Mapping.Audit": Call("get cluster/notifications/endpoints/gotify", "/mapping/notifications, Mapping.Audit"),
    "Mapping.Modify": Call(
        "post cluster/mapping/dir", "/mapping/dir, Mapping.Modify", {"id": "made", "map": ["node=pve1,path=/srv"]}
    ),
    "Mapping.Use": _config("hostpci0", "mapping=card", "", "/mapping/pci/card, Mapping.Use"),
    "Permissions.Modify": Call(
        "put access/acl",
        "/nodes/pve1, Permissions.Modify",
        {"path": "/nodes/pve1", "roles": "PVEAuditor", "users": "ann@pve"},
    ),
    "Pool.Allocate": Call("post pools", "/pool/made, Pool.Allocate", {"poolid": "made"}),
    "Pool.Audit": Call("get pools/there", "/pool/there, Pool.Audit"),
    "Realm.Allocate": Call(
        "post access/domains",
        "/access/realm, Realm.Allocate",
        {"realm": "made", "type": "openid", "issuer-url": "https://10.42.0.9", "client-id": "x"},
    ),
    "Realm.AllocateUser": Call("post access/users", "/access/realm/pve, Realm.AllocateUser", {"userid": "made@pve"}),
    "SDN.Allocate": Call("post cluster/sdn/zones", "/sdn/zones, SDN.Allocate", {"zone": "made", "type": "simple"}),
    "SDN.Audit": Call("get cluster/sdn", "/sdn, SDN.Audit"),
    "SDN.Use": _config("net1", "virtio,bridge=vmbr0", "", "/sdn/zones/localnetwork/vmbr0, SDN.Use"),
    "Sys.AccessNetwork": Call("post nodes/pve1/storage/local/download-url", "", FILE, ("Sys.Modify",)),
    "Sys.Audit": Call("get nodes/pve1/status", "/nodes/pve1, Sys.Audit"),
    "Sys.Console": Call("post cluster/ha/resources", "/, Sys.Console", {"sid": f"vm:{VM}", "state": "ignored"}),
    "Sys.Modify": Call("put cluster/options", "/, Sys.Modify", {"keyboard": "de"}),
    "Sys.PowerMgmt": Call("post nodes/pve3/status", "/nodes/pve3, Sys.PowerMgmt", {"command": "reboot"}),
    "Sys.Syslog": Call("get nodes/pve1/journal", "/nodes/pve1, Sys.Syslog"),
    "User.Modify": Call("put access/users/ann@pve", "/access/groups, User.Modify", {"comment": "x"}),
    "VM.Allocate": Call("post nodes/pve1/qemu", "", {"vmid": 8110}),
    "VM.Audit": Call(f"get {AT}/config", f"/vms/{VM}, VM.Audit"),
    "VM.Backup": Call("post nodes/pve1/vzdump", f"/vms/{VM}, VM.Backup", {"vmid": VM, "storage": "local"}, task=True),
    "VM.Clone": Call("post nodes/pve1/qemu/9000/clone", "/vms/9000, VM.Clone", {"newid": 8111}),
    "VM.Config.CDROM": _config("ide0", "none,media=cdrom", "VM.Config.CDROM"),
    "VM.Config.CPU": _config("cores", 2, "VM.Config.CPU"),
    "VM.Config.Cloudinit": Call(f"put {AT}/cloudinit", f"/vms/{VM}, VM.Config.Cloudinit"),
    "VM.Config.Disk": Call(f"put {AT}/resize", f"/vms/{VM}, VM.Config.Disk", {"disk": "scsi0", "size": "+1G"}),
    "VM.Config.HWType": _config("vga", "std", "VM.Config.HWType"),
    "VM.Config.Memory": _config("memory", 1024, "VM.Config.Memory"),
    "VM.Config.Network": _config("net0", "virtio,bridge=vmbr0", "VM.Config.Network"),
    "VM.Config.Options": _config("name", "other", "VM.Config.Options"),
    "VM.Console": Call(f"get {AT}/firewall/log", f"/vms/{VM}, VM.Console"),
    "VM.GuestAgent.Audit": _agent("get get-host-name", "VM.GuestAgent.Audit"),
    "VM.GuestAgent.FileRead": _agent("get file-read", "VM.GuestAgent.FileRead", file="/etc/hostname"),
    "VM.GuestAgent.FileSystemMgmt": _agent("post fstrim", "VM.GuestAgent.FileSystemMgmt"),
    "VM.GuestAgent.FileWrite": _agent("post file-write", "VM.GuestAgent.FileWrite", file="/tmp/x", content="x"),
    "VM.GuestAgent.Unrestricted": Call(
        f"post nodes/pve1/qemu/{RUNS}/agent/exec", f"/vms/{RUNS}, VM.GuestAgent.Unrestricted", {"command": ["true"]}
    ),
    "VM.Migrate": Call(f"get {AT}/migrate", f"/vms/{VM}, VM.Migrate"),
    "VM.PowerMgmt": Call(f"post {AT}/status/start", f"/vms/{VM}, VM.PowerMgmt"),
    "VM.Replicate": Call(
        "post cluster/replication",
        f"/vms/{VM}, VM.Replicate",
        {"id": f"{VM}-1", "type": "local", "target": "pve2"},
    ),
    "VM.Snapshot.Rollback": Call(
        f"post {AT}/snapshot/there/rollback",
        f"/vms/{VM}, VM.Snapshot|VM.Snapshot.Rollback",
        also=("VM.Snapshot",),
    ),
    "VM.Snapshot": Call(f"delete {AT}/snapshot/there", f"/vms/{VM}, VM.Snapshot"),
}
ONLY_REFUSED = {"Sys.Incoming": "migration from other clusters is not modelled"}
ROLE = frozenset({*NEEDS, *ONLY_REFUSED})


@pytest.fixture(scope="module")
def holder(lab: dict[str, Any], root: Client) -> Holder:
    """Return a function that makes a token with privileges on everything, as the documentation says."""
    root.post("storage", storage="tank", type="zfspool", pool="tank", content="images")  # the one kind that replicates
    for vmid in (VM, RUNS):
        tasks.wait(
            root, root.post("nodes", "pve1", "qemu", 9000, "clone", newid=vmid, full=1, storage="tank"), Emitter()
        )
    tasks.wait(root, root.post("nodes", "pve1", "qemu", RUNS, "status", "start"), Emitter())
    tasks.wait(root, root.post("nodes", "pve1", "qemu", VM, "snapshot", snapname="there"), Emitter())
    root.post("pools", poolid="there")
    root.post("access", "users", userid="ann@pve")
    root.post("cluster", "mapping", "pci", id="card", map=["node=pve1,path=0000:01:00.0,id=8086:1234"])
    made = iter(range(1000))

    def make(privileges: frozenset[str]) -> Client:
        name = f"holder{next(made)}"
        return Client(lab["url"], role.token(root, name, {"/": privileges}), ca_file=Path(lab["ca_file"]))

    return make


def ask(client: Client, call: Call) -> Any:
    method, path = call.words.split()
    return getattr(client, method)(*path.split("/"), **call.params)


def done(client: Client, answer: Any) -> None:
    if isinstance(answer, str) and answer.startswith("UPID:"):
        tasks.wait(client, answer, Emitter())


@pytest.mark.parametrize("privilege", NEEDS)
def test_without_a_privilege_its_call_is_refused(holder: Holder, privilege: str) -> None:
    call = NEEDS[privilege]
    with pytest.raises((ApiRefused, TaskFailed)) as refused:
        done(client := holder(ROLE - {privilege, *call.also}), ask(client, call))
    said = f"Permission check failed ({call.refused})" if call.refused else "Permission check failed"
    assert isinstance(refused.value, TaskFailed) is call.task
    assert call.task or getattr(refused.value, "status", None) == 403
    assert re.search(re.escape(said) + r"(?! \()", str(refused.value)), str(refused.value)


def test_the_role_is_enough_for_all_of_them(holder: Holder, root: Client) -> None:
    client = holder(ROLE)
    until(lambda: _answers(root))
    for call in NEEDS.values():
        answer = ask(client, call)
        if "download" not in call.words:  # from where nobody answers
            done(client, answer)


def _answers(root: Client) -> bool:
    try:
        root.post("nodes", "pve1", "qemu", RUNS, "agent", "ping")
    except ApiRefused:
        return False
    return True
