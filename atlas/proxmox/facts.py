"""What a cluster shows, as facts: the API's answers -> State."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from atlas.errors import ApiRefused
from atlas.plan import Value
from atlas.proxmox import tasks, words
from atlas.proxmox.client import Client
from atlas.proxmox.refusals import missing
from atlas.state import Archive, Attributes, Kind, Node, Observed, State, Storage

READERS = 8
MIB = 1024 * 1024


class PveCluster:
    """Reads a Proxmox VE cluster; implements `ports.Cluster`.

    Args:
        name: The profile's name.
        client: The API.
    """

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self.client = client

    def look(self, vmids: Iterable[int] = (), *, neighbours: bool = False, offers: bool = True) -> State:
        """Return the state; the guests with these VMIDs, and all templates, are read in full.

        Args:
            vmids: The guests.
            neighbours: Whether the configuration of all others is read too, which tells their addresses; a call each.
            offers: Whether the nodes' bridges and the storages' archives are read too, which only planning needs.
        """
        wanted = set(vmids)
        with ThreadPoolExecutor(READERS) as pool:
            first = [("version",), ("cluster", "status"), ("cluster", "resources")]
            version, status, resources = pool.map(lambda path: self.client.get(*path), first)
            rows = [r for r in resources if r.get("type") in ("qemu", "lxc")]
            full = [r for r in rows if int(r["vmid"]) in wanted or words.flag(r.get("template", 0))]
            rest = [r for r in rows if r not in full]
            storages = tuple(_storage(r) for r in resources if r.get("type") == "storage")
            read = pool.map(lambda row: self.guest(int(row["vmid"]), row, snapshots=True), full)
            others = pool.map(self._neighbour, rest) if neighbours else map(_brief, rest)
            nodes = pool.map(partial(self._node, bridged=offers), [r for r in resources if r.get("type") == "node"])
            archives = pool.map(self._archives, _libraries(storages) if offers else ())
        guests = {g.vmid: g for g in [*others, *read] if g is not None}
        return State(
            identity=_identity(status),
            version=str(version.get("version", "")),
            nodes={n.name: n for n in sorted(nodes, key=lambda n: n.name)},
            storages=storages,
            guests=dict(sorted(guests.items())),
            archives=_everywhere([a for found in archives for a in found], storages),
        )

    def vmid_free(self, vmid: int) -> bool:
        """Tell whether nobody has this VMID, guests that the token does not see included."""
        try:
            self.client.get("cluster", "nextid", vmid=vmid)
        except ApiRefused as refused:
            if refused.status == 400 and "vmid" in refused.errors:
                return False
            raise
        return True

    def busy(self, vmids: Iterable[int]) -> dict[int, str]:
        """Return what tasks of ours still do to these guests, by VMID, in PVE's word (`qmdestroy`)."""
        wanted = set(vmids)
        rows = self.client.get("cluster", "resources", type="vm")
        nodes = sorted({str(r["node"]) for r in rows if int(r["vmid"]) in wanted})
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(partial(tasks.at_work, self.client), nodes)
            return {vmid: kind for each in found for vmid, kind in each if vmid in wanted}

    def addresses(self, kind: str, vmid: int) -> tuple[str, ...]:
        """Return the addresses (without prefix) that a running guest reports; empty if it does not say.

        Raises:
            ApiRefused: The token may not ask, which waiting does not change.
        """
        row = self.row(vmid)
        if row is None:
            return ()
        tail = ("interfaces",) if kind == "container" else ("agent", "network-get-interfaces")
        try:
            answer = self.client.get(*place(row["node"], _kind(row), vmid), *tail)
        except ApiRefused as refused:
            if refused.status == 403:
                raise
            return ()  # not running, no agent, or the agent is not up yet: it does not say
        cards = answer.get("result", ()) if isinstance(answer, dict) else answer or ()
        return tuple(dict.fromkeys(a for card in cards for a in _reported(card)))

    def row(self, vmid: int) -> dict[str, Any] | None:
        """Return a guest's row of the cluster's resources; see `row_of`."""
        return row_of(self.client, vmid)

    def guest(self, vmid: int, row: Mapping[str, Any] | None = None, *, snapshots: bool = False) -> Observed | None:
        """Read one guest in full; None if there is none.

        Args:
            vmid: The guest.
            row: Its row of the cluster's resources, where it was just read.
            snapshots: Whether to ask for these too; a template has none.
        """
        row = row or self.row(vmid)
        while row is not None:
            try:
                return self._read(vmid, row, snapshots=snapshots)
            except ApiRefused as refused:
                if not missing(refused):
                    raise
                # It left between the two looks, or it moved: a clone for another node does as its last step.
                former, row = row["node"], self.row(vmid)
                if row is not None and row["node"] == former:
                    return None
        return None

    def _read(self, vmid: int, row: Mapping[str, Any], *, snapshots: bool) -> Observed:
        kind, node = _kind(row), str(row["node"])
        at = place(node, kind, vmid)
        config = self.client.get(*at, "config", current=1)
        template = words.flag(config.get("template", 0))
        # A template never runs, so nothing of it waits for a reboot.
        pending = [] if template else self.client.get(*at, "pending")
        status = {} if template else self.client.get(*at, "status", "current")
        # A guest with snapshots has a `parent`, the one that it goes on from; most need no further look.
        taken = self.client.get(*at, "snapshot") if snapshots and "parent" in config else ()
        running = status.get("status") == "running"
        own: dict[str, Value] = {"kind": kind, "node": node, "pool": row.get("pool"), "running": running}
        return Observed(
            vmid=vmid,
            kind=kind,
            name=str(config.get("hostname" if kind == "container" else "name", row.get("name", ""))),
            node=node,
            running=running,
            template=template,
            lock=config.get("lock") or status.get("lock"),
            pool=row.get("pool"),
            tags=frozenset(words.tags(str(config.get("tags", ""))) or ()),
            config=config,
            attributes=_with(words.attributes(config, kind), own),
            pending=words.waiting(config, pending, kind),
            uuid=words.identity(config, kind),
            snapshots=tuple(s["name"] for s in taken if s.get("name") != "current"),
            digest=config.get("digest"),
        )

    def _neighbour(self, row: Mapping[str, Any]) -> Observed:
        brief = _brief(row)
        try:
            config = self.client.get(*place(brief.node, brief.kind, brief.vmid), "config")
        except ApiRefused:
            return brief  # it left, or the token may not read it
        return replace(brief, config=config, attributes=words.attributes(config, brief.kind))

    def _node(self, row: Mapping[str, Any], *, bridged: bool) -> Node:
        name, online = str(row["node"]), row.get("status") == "online"
        bridges: frozenset[str] | None = None
        if online and bridged:
            try:
                bridges = frozenset(
                    str(n["iface"]) for n in self.client.get("nodes", name, "network", type="any_bridge")
                )
            except ApiRefused:
                bridges = None  # the token may not read it; validation then does not judge bridges
        return Node(
            name,
            online,
            int(row.get("maxcpu", 0)),
            int(row.get("maxmem", 0)) // MIB,
            int(row.get("mem", 0)) // MIB,
            bridges,
        )

    def _archives(self, storage: Storage) -> list[Archive]:
        try:
            rows = self.client.get("nodes", storage.node, "storage", storage.name, "content", content="vztmpl")
        except ApiRefused:
            return []  # a storage that is not available just now has nothing to offer
        return [Archive(str(r["volid"]), storage.node) for r in rows]


def row_of(client: Client, vmid: int) -> dict[str, Any] | None:
    """Return a guest's row of the cluster's resources, None if there is none; its node, lock and tags are live."""
    rows = client.get("cluster", "resources", type="vm")
    return next((r for r in rows if int(r.get("vmid", 0)) == vmid), None)


def place(node: str, kind: Kind, vmid: int) -> tuple[object, ...]:
    """Return the path of a guest."""
    return ("nodes", node, "lxc" if kind == "container" else "qemu", vmid)


def _kind(row: Mapping[str, Any]) -> Kind:
    return "container" if row.get("type") == "lxc" else "vm"


def _with(values: Attributes, own: Mapping[str, Value]) -> Attributes:
    return {**values, **{p: v for p, v in own.items() if v is not None}}


def _brief(row: Mapping[str, Any]) -> Observed:
    return Observed(
        vmid=int(row["vmid"]),
        kind=_kind(row),
        name=str(row.get("name", "")),
        node=str(row["node"]),
        running=row.get("status") == "running",
        template=words.flag(row.get("template", 0)),
        lock=row.get("lock"),
        pool=row.get("pool"),
        tags=frozenset(words.tags(str(row.get("tags", ""))) or ()),
    )


def _storage(row: Mapping[str, Any]) -> Storage:
    total, used = int(row.get("maxdisk", 0)), int(row.get("disk", 0))
    return Storage(
        name=str(row["storage"]),
        node=str(row["node"]),
        type=str(row.get("plugintype", "")),
        shared=words.flag(row.get("shared", 0)),
        content=frozenset(str(row.get("content", "")).split(",")) - {""},
        total=total // MIB,
        free=max(total - used, 0) // MIB,
        active=row.get("status") == "available",
    )


def _libraries(storages: Sequence[Storage]) -> list[Storage]:
    """Return the storages to look for archives in; a shared one only once."""
    found: dict[str, Storage] = {}
    for s in storages:
        if "vztmpl" in s.content and s.active:
            found.setdefault(s.name if s.shared else f"{s.node}/{s.name}", s)
    return list(found.values())


def _everywhere(archives: Sequence[Archive], storages: Sequence[Storage]) -> tuple[Archive, ...]:
    """Return the archives once for each node that has them."""
    shared: dict[str, list[str]] = {}
    for s in storages:
        if s.shared:
            shared.setdefault(s.name, []).append(s.node)
    found = {(a.volid, n) for a in archives for n in shared.get(a.volid.partition(":")[0], [a.node])}
    return tuple(Archive(volid, node) for volid, node in sorted(found))


def _identity(status: Sequence[Mapping[str, Any]]) -> str:
    """Return the cluster's name, or that of the lone node; nodes may join without making it another cluster."""
    cluster = next((r for r in status if r.get("type") == "cluster"), None)
    if cluster is not None:
        return f"cluster:{cluster['name']}"
    return f"node:{next((r['name'] for r in status if r.get('type') == 'node'), '')}"


def _reported(card: Mapping[str, Any]) -> Iterable[str]:
    """Yield a network card's addresses that others can reach, as a VM's agent or a container's node gives them."""
    if card.get("name") == "lo":
        return
    given = [str(entry.get("ip-address", "")) for entry in card.get("ip-addresses") or ()]
    given += [str(card.get(family) or "").partition("/")[0] for family in ("inet", "inet6")]
    for address in given:
        if address and not address.lower().startswith(("fe80:", "127.")) and address != "::1":
            yield address
