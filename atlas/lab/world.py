"""The world of a lab: the tables of everything that has state, and how a call finds its node, guest or volume."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas.lab.call import PVEError
from atlas.lab.clock import Clock
from atlas.lab.entities import Acl, Entry, Group, Guest, Node, Pool, Role, Storage, User, Volume
from atlas.lab.records import Store, Table
from atlas.lab.rights import Rights
from atlas.lab.tasks import Tasks

if TYPE_CHECKING:
    from atlas.lab.backend import Backend

_HOST = re.compile(r"[\w.-]+")


class Lab:
    """The state of a lab and what moves it.

    Args:
        backend: What carries the guests.
        clock: Its time.
        directory: Where the state is kept; None keeps it in memory only.
    """

    def __init__(self, backend: Backend, clock: Clock, directory: Path | None = None) -> None:
        self.backend = backend
        self.clock = clock
        self.directory = directory
        self.store = Store(directory / "state.sqlite" if directory else None)
        self.nodes: Table[Node] = self.store.table("nodes", Node)
        self.storages: Table[Storage] = self.store.table("storages", Storage)
        self.volumes: Table[Volume] = self.store.table("volumes", Volume)
        self.guests: Table[Guest] = self.store.table("guests", Guest)
        self.pools: Table[Pool] = self.store.table("pools", Pool)
        self.users: Table[User] = self.store.table("users", User)
        self.groups: Table[Group] = self.store.table("groups", Group)
        self.roles: Table[Role] = self.store.table("roles", Role)
        self.acl: Table[Acl] = self.store.table("acl", Acl)
        # What faults do to the world; none of it outlives the lab's process.
        self.down: set[str] = set()  # nodes that cannot be reached
        self.full: set[str] = set()  # storages on which there is no more space, whatever their size
        self.silent: set[int] = set()  # guests whose agent does not answer, whatever the backend says
        self.tasks = Tasks(self.store, self.clock)
        self.rights = Rights(self)

    def section(self, name: str) -> Table[Entry]:
        """Return a table of plain entries, such as `ha-resources` or `firewall/cluster/rules`."""
        return self.store.table(f"section/{name}", Entry)

    def options(self, name: str) -> dict[str, Any]:
        """Return one set of options that is kept under a name, such as the datacenter's."""
        entries = self.store.table("options", Entry)
        if name not in entries:
            entries[name] = Entry({})
        return entries[name].data

    @property
    def local_node(self) -> str:
        """The node that answers: the first one."""
        return next(iter(self.nodes))

    def node(self, name: str) -> Node:
        """Return a node.

        Raises:
            PVEError: 500 where there is no such node.
        """
        if name not in self.nodes:
            # No name server is asked from here; what cannot be a name is known not to be one.
            known = "Temporary failure in name resolution" if _HOST.fullmatch(name) else "Name or service not known"
            why = f"failed to get address info for: {name}: {known}"
            raise PVEError(500, f"hostname lookup '{name}' failed - {why}")
        return self.nodes[name]

    def online(self, name: str) -> bool:
        """Say whether a node is a member of the cluster that the others reach."""
        return self.nodes[name].online and name not in self.down

    def guest(self, vmid: int | str, node: str | None = None, kind: str | None = None) -> Guest:
        """Return a guest.

        Args:
            vmid: Its number.
            node: The node that a call named; another one's guests do not exist there.
            kind: `qemu` or `lxc`, where only that will do.

        Raises:
            PVEError: 500 where there is no such guest.
        """
        found = self.guests.get(str(vmid))
        if found is None or (node is not None and found.node != node) or (kind is not None and found.kind != kind):
            folder = "lxc" if (kind or (found.kind if found else "qemu")) == "lxc" else "qemu-server"
            where = node or (found.node if found else self.local_node)
            raise PVEError(500, f"Configuration file 'nodes/{where}/{folder}/{vmid}.conf' does not exist")
        return found

    def storage(self, storage: str, node: str | None = None) -> Storage:
        """Return a storage, enabled and on the node where one is given.

        Raises:
            PVEError: 500 where it does not exist, is disabled, or is not on that node.
        """
        found = self.storages.get(storage)
        if found is None:
            raise PVEError(500, f"storage '{storage}' does not exist")
        if node is not None:
            if not found.enabled:
                raise PVEError(500, f"storage '{storage}' is disabled")
            if not found.on(node):
                raise PVEError(500, f"storage '{storage}' is not available on node '{node}'")
        return found

    def volume_key(self, volid: str, node: str) -> str:
        """Return the key of a volume in `volumes`: local storages of two nodes may hold the same volid."""
        storage = self.storages.get(volid.partition(":")[0])
        return volid if storage is None or storage.shared else f"{node}/{volid}"

    def volume(self, volid: str, node: str) -> Volume | None:
        """Return a volume as a node sees it, or None."""
        return self.volumes.get(self.volume_key(volid, node))

    def local_volumes(self, storage: str, node: str) -> list[Volume]:
        """Return the volumes of a storage that a node sees."""
        return [v for v in self.volumes.values() if v.storage == storage and v.node in (None, node)]
