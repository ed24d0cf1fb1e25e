"""What a lab's world consists of: nodes, storages, volumes, guests, users and the rest, each a record that is saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from atlas.lab.records import Record

GIB = 1024**3

NODE_DNS = {"search": "lab.example", "dns1": "10.42.0.1"}
"""A node's resolver until somebody sets another."""


@dataclass
class Node(Record):
    """A hypervisor.

    Args:
        cores: processor threads.
        memory: bytes.
        disk: bytes of the root file system.
        address: its own in the cluster; empty takes the first bridge's.
        network: interfaces by name, as `GET network` shows them.
    """

    name: str
    number: int = 1
    cores: int = 16
    memory: int = 64 * GIB
    disk: int = 100 * GIB
    address: str = ""
    online: bool = True
    booted_at: float = 0
    network: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def ip(self) -> str:
        """Where the other nodes find it."""
        return self.address or str(self.network.get("vmbr0", {}).get("address", "127.0.0.1"))


@dataclass
class Storage(Record):
    """An entry of the storage configuration, with the size that the lab gives it.

    Args:
        options: the entry's properties beside `type`, texts as they were given; `shared` is 1 for a shared one.
        bytes: size, on each node where it is not shared.
        space: where nodes differ: by node its size, and what of it is taken by other things than volumes, in bytes.
    """

    id: str
    type: str
    options: dict[str, Any] = field(default_factory=dict)
    bytes: int = 500 * GIB
    space: dict[str, Any] = field(default_factory=dict)

    @property
    def shared(self) -> bool:
        """Whether all nodes see the same volumes."""
        return bool(int(self.options.get("shared") or 0)) or self.type in SHARED_TYPES

    @property
    def content(self) -> set[str]:
        """The kinds of volumes that it may hold."""
        return {kind for kind in str(self.options.get("content", "images,rootdir")).split(",") if kind != "none"}

    @property
    def enabled(self) -> bool:
        """Whether it is in use."""
        return not int(self.options.get("disable") or 0)

    def on(self, node: str) -> bool:
        """Say whether a node has it."""
        nodes = self.options.get("nodes")
        return not nodes or node in str(nodes).split(",")


SHARED_TYPES = frozenset({"nfs", "cifs", "rbd", "cephfs", "pbs", "iscsi", "iscsidirect", "esxi", "zfs"})


@dataclass
class Volume(Record):
    """A volume, image or other file on a storage.

    Args:
        volid: `storage:name`.
        node: the node that has it, None on a shared storage.
        size: bytes that a guest sees.
        used: bytes that it takes on the storage.
        path: the backend's name for it, None where nothing is behind it.
        parent: volid of the volume that it is a linked clone of.
    """

    volid: str
    storage: str
    content: str
    format: str
    size: int
    node: str | None = None
    used: int = 0
    vmid: int | None = None
    parent: str | None = None
    ctime: float = 0
    path: str | None = None
    notes: str | None = None
    protected: bool = False
    snapshots: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Guest(Record):
    """A virtual machine or container; its lock lives in `config`."""

    vmid: int
    kind: str
    node: str
    config: dict[str, Any] = field(default_factory=dict)
    pending: dict[str, Any] = field(default_factory=dict)
    snapshots: dict[str, Any] = field(default_factory=dict)
    status: str = "stopped"
    started_at: float | None = None
    pid: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Pool(Record):
    """A pool; its members are guests and storages."""

    poolid: str
    comment: str | None = None
    vms: dict[str, Any] = field(default_factory=dict)
    storages: dict[str, Any] = field(default_factory=dict)


@dataclass
class User(Record):
    """A user with its tokens; `password` and a token's `value` are hashes."""

    userid: str
    enable: int = 1
    expire: int = 0
    fields: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    password: str | None = None


@dataclass
class Group(Record):
    """A group of users."""

    groupid: str
    comment: str | None = None


@dataclass
class Role(Record):
    """A role that was made by a call; the built-in ones are in rights.py."""

    roleid: str
    privs: dict[str, Any] = field(default_factory=dict)


@dataclass
class Acl(Record):
    """The entries of one path: {users|groups|tokens: {name: {role: propagate}}}."""

    path: str
    users: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)


@dataclass
class Entry(Record):
    """One object of a part of the cluster that needs no class of its own (firewall, HA, SDN, jobs, ...)."""

    data: dict[str, Any] = field(default_factory=dict)
