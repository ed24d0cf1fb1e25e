"""Making a guest: a clone of a template, or a container from an archive; safe to be called again."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from atlas import pveconfig
from atlas.attributes import ssh_keys
from atlas.errors import ApiRefused, EngineError, TaskFailed
from atlas.events import Stage
from atlas.instances import Instance
from atlas.ownership import removal, unlock
from atlas.plan import AttributeChange
from atlas.proxmox import guests, words
from atlas.proxmox.devices import gib
from atlas.proxmox.facts import PveCluster
from atlas.proxmox.guests import At
from atlas.proxmox.hands import Hands, Stuck, Watch
from atlas.proxmox.refusals import taken
from atlas.proxmox.writes import writes
from atlas.state import Attributes, Lease, Observed, State

CLONES_AT_ONCE = 10


class Limits:
    """How many clones of one template may be under way, for each target storage."""

    def __init__(self, clones: int = CLONES_AT_ONCE) -> None:
        self._lock = threading.Lock()
        self._gates: dict[tuple[str, str], threading.Semaphore] = defaultdict(lambda: threading.Semaphore(clones))

    def gate(self, source: str, storage: str) -> threading.Semaphore:
        """Return the gate for clones of a template to a storage."""
        with self._lock:
            return self._gates[source, storage]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made.

    Args:
        instance: The guest as the spec wants it.
        lease: Its VMID, node and source.
        wanted: All that it shall be.
        state: One look at the cluster, for storages and templates.
    """

    instance: Instance
    lease: Lease
    wanted: Attributes
    state: State


def make(hands: Hands, cluster: PveCluster, order: Order, limits: Limits) -> Observed:
    """Make a guest, or find the one that an earlier call of this run made; its identity is then recorded.

    Raises:
        Stuck: It was left half made, and only an administrator can clear it.
        EngineError: Somebody else's guest has its VMID.
        ProxmoxError: PVE refused, or the task failed.
    """
    lease = order.lease
    observed = cluster.guest(lease.vmid) if hands.entries() else None  # a run that begins with it has just looked
    if observed is None:
        _begin(hands, order, limits)
        observed = cluster.guest(lease.vmid)
    if observed is None:
        raise EngineError(f"{lease.key} ({lease.vmid}) was made, but is not there", "look into the node's task log")
    if observed.lock is not None:
        raise stale(observed)
    if not _ours(hands, observed):
        raise EngineError(
            f"VMID {lease.vmid} was taken by another guest ({observed.name}) meanwhile",
            "plan again: the guest gets another VMID",
        )
    record(hands, observed)
    if observed.node != lease.node:
        _bring(hands, order, observed)
        observed = cluster.guest(lease.vmid) or observed
        record(hands, observed)
    return observed


def stale(observed: Observed) -> Stuck:
    """Return the error for a lock that no task of ours holds any more."""
    vmid, half = observed.vmid, observed.lock in ("clone", "create")
    command = removal(observed.kind, vmid) if half else unlock(observed.kind, vmid)
    return Stuck(
        f"{observed.name or observed.kind} ({vmid}) on {observed.node} is locked ({observed.lock}), "
        f"and no task of ours holds the lock{': it was left half made' if half else ''}",
        f"no API token can clear a lock: run `{command}` on {observed.node} as root, then resume",
    )


def _ours(hands: Hands, observed: Observed) -> bool:
    """Tell whether a call of this run made it: by the marker, or by the identity that was recorded."""
    made = {e.intent.get("uuid") for e in hands.entries("made")}
    markers = {str(e.intent["marker"]) for e in hands.entries("create") if "marker" in e.intent}
    return observed.uuid in made or any(f"{words.MARKER}{m}" in observed.description for m in markers)


def record(hands: Hands, observed: Observed) -> None:
    """Write down that a guest was made by us, with its identity."""
    if observed.uuid is None:
        raise EngineError(
            f"{observed.kind} {observed.vmid} has nothing that identifies it", "has it been tampered with?"
        )
    hands.journal.made(hands.key, uuid=observed.uuid, node=observed.node)


def _begin(hands: Hands, order: Order, limits: Limits) -> None:
    marker = uuid.uuid4().hex[:16]
    notes = f"{order.wanted['description']}\n{words.MARKER}{marker}"
    try:
        if order.lease.kind == "container":
            _container(hands, order, notes, marker)
        else:
            _clone(hands, order, notes, marker, limits)
    except ApiRefused as refused:
        if not taken(refused):
            raise
        # Another call of this run may have come through after all: the marker tells.
    except TaskFailed as failed:
        if "File exists" not in failed.exitstatus and "already exists" not in failed.exitstatus:
            raise


def _clone(hands: Hands, order: Order, notes: str, marker: str, limits: Limits) -> None:
    lease, wanted = order.lease, order.wanted
    template = order.state.guests.get(int(lease.source))
    if template is None:
        raise EngineError(f"the template {lease.source} of {lease.key} is gone", "plan again")
    source = At(template.node, "vm", template.vmid)
    full = order.instance.guest.clone == "full"
    there = source.node != lease.node
    target = lease.node if there and on_shared_storage(template, order.state) else None
    if there and target is None and not full:
        raise EngineError(
            f"{lease.key} cannot be a linked clone on {lease.node}: the template's disks are local to {source.node}",
            f"write `node: {source.node}` or `clone: full`",
        )
    storage = _text(wanted.get("disks[0].storage")) if full else None
    if target is not None and storage is not None:
        seen = order.state.storage(storage, source.node)
        storage = storage if seen is not None and seen.shared else None  # PVE clones to another node by shared ones
    boot = words.storage(template.config.get(pveconfig.disk_slots(template.config).get(0, ""), ""))
    with _turn(hands, limits.gate(lease.source, storage or str(boot))):
        hands.stage(Stage.CREATING)
        hands.task(
            "create",
            Watch(source.node, source.type("clone"), source.vmid, lease.vmid),
            lambda: guests.clone(
                hands.client,
                source,
                lease.vmid,
                name=lease.key,
                description=notes,
                full=full,
                storage=storage,
                pool=_text(wanted.get("pool")),
                target=target,
            ),
            marker=marker,
            vmid=lease.vmid,
            source=source.vmid,
        )


@contextmanager
def _turn(hands: Hands, gate: threading.Semaphore) -> Iterator[None]:
    """Wait for a place at a gate, saying so only when there is something to wait for."""
    if not gate.acquire(blocking=False):
        hands.stage(Stage.WAITING, waits_for="other clones of the template")
        gate.acquire()
    try:
        yield
    finally:
        gate.release()


def on_shared_storage(template: Observed, state: State) -> bool:
    """Tell whether all volumes of a template can be reached from other nodes."""
    values = [v for k, v in template.config.items() if pveconfig.is_volume(k)]
    found = [state.storage(words.storage(v) or "", template.node) for v in values]
    return all(s is not None and s.shared for s in found)


def _container(hands: Hands, order: Order, notes: str, marker: str) -> None:
    lease, wanted = order.lease, order.wanted
    default = root_storage(order.state, lease.node)
    everything = [AttributeChange(p, None, v) for p, v in wanted.items()]
    put = dict(writes("container", {}, everything, wanted, default).put)
    put |= {
        "ostemplate": lease.source,
        "rootfs": f"{wanted.get('disks[0].storage') or default}:{gib(wanted['disks[0].size'])}",
        "unprivileged": int(bool(wanted["unprivileged"])),
        "ssh-public-keys": "\n".join(ssh_keys(str(k) for k in _list(wanted.get("user.ssh_keys")))),
        "description": notes,
    }
    if "pool" in wanted:
        put["pool"] = wanted["pool"]
    hands.stage(Stage.CREATING)
    hands.task(
        "create",
        Watch(lease.node, "vzcreate", lease.vmid),
        lambda: guests.create_container(hands.client, lease.node, lease.vmid, put),
        marker=marker,
        vmid=lease.vmid,
    )


def root_storage(state: State, node: str) -> str:
    """Return the storage for a container's volumes where none is spelled out: the one with the most room.

    Raises:
        EngineError: The node has none for containers.
    """
    found = state.roomiest(node, "rootdir")
    if found is None:
        raise EngineError(f"{node} has no storage for containers", "name one in `disks`, or allow `rootdir` on one")
    return found


def _bring(hands: Hands, order: Order, observed: Observed) -> None:
    """Take a clone that was made beside its template to the node where it belongs."""
    target = order.lease.node
    storage = _text(order.wanted.get("disks[0].storage"))
    if storage is None:
        own = words.storage(observed.config.get(pveconfig.disk_slots(observed.config).get(0, ""), ""))
        storage = own if own and order.state.storage(own, target) else None
    at = At(observed.node, observed.kind, observed.vmid)
    hands.stage(Stage.CREATING, waits_for=f"migration to {target}")
    hands.task(
        "migrate",
        Watch.of(at, "migrate"),
        lambda: guests.migrate(hands.client, at, target, running=observed.running, storage=storage),
        target=target,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _list(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()
