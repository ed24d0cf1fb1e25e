"""What is observed (nodes, storages, guests) and what is reserved (leases); plain facts, no wire."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from atlas.instances import key_of

Kind = Literal["vm", "container"]

Scalar = str | int | bool | None
Attributes = Mapping[str, Scalar | tuple[Scalar, ...]]
"""A guest as flat values under paths of the spec (`memory`, `disks[0].size`); see `atlas.compare`."""


@dataclass(frozen=True, slots=True)
class Node:
    """A hypervisor; memory in MiB. `bridges` is None where the token may not read the node's network."""

    name: str
    online: bool
    cpus: int
    memory: int
    memory_used: int = 0
    bridges: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage as one node sees it; sizes in MiB. `content` holds PVE's words (images, rootdir, vztmpl …)."""

    name: str
    node: str
    type: str
    shared: bool
    content: frozenset[str]
    total: int
    free: int
    active: bool = True


@dataclass(frozen=True, slots=True)
class Observed:
    """A guest on the cluster.

    All from `config` on is empty unless the guest was read in full (ours, and templates): `config` holds the running
    values (`GET config?current=1`) in PVE's words, `attributes` the same in the spec's, and `pending` those attributes
    that wait for a reboot, with the value they will have.
    """

    vmid: int
    kind: Kind
    name: str
    node: str
    running: bool = False
    template: bool = False
    lock: str | None = None
    pool: str | None = None
    tags: frozenset[str] = frozenset()
    config: Mapping[str, Any] = field(default_factory=dict)
    attributes: Attributes = field(default_factory=dict)
    pending: Attributes = field(default_factory=dict)
    uuid: str | None = None
    snapshots: tuple[str, ...] = ()
    digest: str | None = None

    @property
    def description(self) -> str:
        """The guest's notes, in which the stamp stands."""
        return str(self.config.get("description", ""))


@dataclass(frozen=True, slots=True)
class Archive:
    """A container template on a storage, such as `local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst`."""

    volid: str
    node: str


@dataclass(frozen=True, slots=True)
class State:
    """One look at a cluster.

    Args:
        identity: What tells this cluster from every other; part of a plan's hash.
        version: PVE's version, such as `9.2.11`.
        nodes: By name.
        storages: One entry for each storage and node.
        guests: By VMID; guests of others too, as far as the token sees them.
        archives: Container templates.
    """

    identity: str
    version: str
    nodes: Mapping[str, Node]
    storages: tuple[Storage, ...]
    guests: Mapping[int, Observed]
    archives: tuple[Archive, ...] = ()

    def storage(self, name: str, node: str) -> Storage | None:
        """Return the storage as a node sees it, None if that node does not have it."""
        return next((s for s in self.storages if s.name == name and s.node == node), None)

    def roomiest(self, node: str, content: str) -> str | None:
        """Return the name of the storage with the most room that a node has for a kind of content, if it has one."""
        fits = [s for s in self.storages if s.node == node and s.active and content in s.content]
        return max(fits, key=lambda s: (s.free, s.name)).name if fits else None

    def templates(self) -> tuple[Observed, ...]:
        """Return the templates, lowest VMID first."""
        return tuple(g for _, g in sorted(self.guests.items()) if g.template)


@dataclass(frozen=True, slots=True)
class Lease:
    """What is reserved for one guest before anyone approves; holds its identity from then on.

    Args:
        stack: The stack, with `group` and `index` the identity of a guest.
        index: 0 where the group has no count.
        vmid: Chosen by ATLAS, unique on (cluster, vmid).
        node: Where it is made, and where it is as far as known.
        source: VMID of the template (a VM), volid of the archive (a container).
        source_node: The node of the template.
        addresses: CIDR or `dhcp`, one for each network interface.
        gateways: One for each interface.
        macs: One for each interface, upper case.
        uuid: The recorded identity (SMBIOS uuid; a container's root volume); None until it was made.
        made: False until the guest was made by us.
    """

    stack: str
    group: str
    index: int
    kind: Kind
    vmid: int
    node: str
    source: str
    source_node: str
    addresses: tuple[str, ...] = ()
    gateways: tuple[str | None, ...] = ()
    macs: tuple[str, ...] = ()
    uuid: str | None = None
    made: bool = False

    @property
    def key(self) -> str:
        """The guest's key within its stack."""
        return key_of(self.group, self.index)


_STAMP = re.compile(r"atlas:([^:]+):([^:]+):([0-9]{3,9})")


@dataclass(frozen=True, slots=True)
class Stamp:
    """The line in a guest's notes by which ATLAS recognises what it made."""

    installation: str
    stack: str
    vmid: int

    def __str__(self) -> str:
        return f"atlas:{self.installation}:{self.stack}:{self.vmid}"

    @classmethod
    def read(cls, description: str) -> Stamp | None:
        """Return the stamp in a guest's notes, None where there is none."""
        for line in description.splitlines():
            if match := _STAMP.fullmatch(line.strip()):
                return cls(match[1], match[2], int(match[3]))
        return None
