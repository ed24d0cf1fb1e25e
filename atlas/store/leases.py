"""Leases and applied attributes of stacks, inside a transaction of the caller's."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from atlas.errors import NotFound, StateError
from atlas.spec import interface
from atlas.state import Attributes, Lease

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables

_MINE = '"cluster" = ? AND stack = ?'
_ONE = f'{_MINE} AND "group" = ? AND "index" = ?'


def read(tables: Tables, cluster: str, stack: str | None = None) -> tuple[Lease, ...]:
    """Return the leases of a cluster, or of one stack, by stack, group and index."""
    where, args = (_MINE, [cluster, stack]) if stack is not None else ('"cluster" = ?', [cluster])
    rows = tables.table("leases").rows_where(where, args, order_by='stack, "group", "index"')
    return tuple(_lease(json.loads(row["data"])) for row in rows)


def replace_all(tables: Tables, cluster: str, stack: str, wanted: Sequence[Lease]) -> None:
    """Make the stack's leases the wanted ones; leases of guests that were made stay.

    Raises:
        StateError: A VMID or a static address belongs to another guest.
    """
    keys, vmids = {(lease.group, lease.index) for lease in wanted}, {lease.vmid for lease in wanted}
    for lease in read(tables, cluster, stack):
        if (lease.group, lease.index) in keys or lease.vmid in vmids or not lease.made:
            remove(tables, cluster, lease)
    for lease in wanted:
        if lease.stack != stack:
            raise StateError(f"a lease for stack {lease.stack} was chosen for stack {stack}")
        add(tables, cluster, lease)


def add(tables: Tables, cluster: str, lease: Lease) -> None:
    """Store a lease with its static addresses."""
    who = {"cluster": cluster, "stack": lease.stack, "group": lease.group, "index": lease.index}
    row = {**who, "vmid": lease.vmid, "made": int(lease.made), "data": json.dumps(asdict(lease))}
    try:
        tables.table("leases").insert(row)
    except sqlite3.IntegrityError as problem:
        raise StateError(f"VMID {lease.vmid} is leased to another guest", "plan again") from problem
    for address in lease.addresses:
        static = interface(address)
        if static is None:
            continue
        try:
            tables.table("lease_addresses").insert({**who, "address": str(static.ip)})
        except sqlite3.IntegrityError as problem:
            raise StateError(
                f"address {static.ip} is leased to another guest", "choose another one, or plan again"
            ) from problem


def remove(tables: Tables, cluster: str, lease: Lease) -> None:
    """Release a lease with its addresses."""
    key = [cluster, lease.stack, lease.group, lease.index]
    tables.table("lease_addresses").delete_where(_ONE, key)
    tables.table("leases").delete_where(_ONE, key)


def change(tables: Tables, cluster: str, stack: str, key: str, **fields: Any) -> None:
    """Change fields of the lease of one guest.

    Raises:
        NotFound: The guest has none.
    """
    lease = find(tables, cluster, stack, key)
    if lease is None:
        raise NotFound(f"guest {key} of stack {stack} has no lease")
    remove(tables, cluster, lease)
    add(tables, cluster, replace(lease, **fields))


def find(tables: Tables, cluster: str, stack: str, key: str) -> Lease | None:
    """Return the lease of one guest by its key."""
    return next((lease for lease in read(tables, cluster, stack) if lease.key == key), None)


def rename(tables: Tables, cluster: str, stack: str, renames: Mapping[str, tuple[str, int]]) -> None:
    """Move leases and applied attributes to new identities, all at once, so that names may be swapped."""
    moved = [(lease, *renames[lease.key]) for lease in read(tables, cluster, stack) if lease.key in renames]
    sets = {key: attributes for key, attributes in applied(tables, cluster, stack).items() if key in renames}
    for lease, _, _ in moved:
        remove(tables, cluster, lease)
    for key in sets:
        forget(tables, cluster, stack, key)
    for lease, group, index in moved:
        add(tables, cluster, new := replace(lease, group=group, index=index))
        if lease.key in sets:
            store_applied(tables, cluster, stack, new.key, sets[lease.key])


def applied(tables: Tables, cluster: str, stack: str) -> dict[str, Attributes]:
    """Return what ATLAS last set, by guest."""
    rows = tables.table("applied").rows_where(_MINE, [cluster, stack], order_by="guest")
    return {row["guest"]: _attributes(json.loads(row["attributes"])) for row in rows}


def store_applied(tables: Tables, cluster: str, stack: str, guest: str, attributes: Attributes) -> None:
    """Store all attributes of a guest."""
    row = {"cluster": cluster, "stack": stack, "guest": guest, "attributes": json.dumps(dict(attributes))}
    tables.table("applied").upsert(row, pk=("cluster", "stack", "guest"))


def merge_applied(
    tables: Tables, cluster: str, stack: str, guest: str, attributes: Attributes, removed: Iterable[str]
) -> None:
    """Merge attributes into those of a guest, and drop the removed ones."""
    gone = set(removed)
    before = applied(tables, cluster, stack).get(guest, {})
    merged = {path: value for path, value in {**before, **attributes}.items() if path not in gone}
    store_applied(tables, cluster, stack, guest, merged)


def forget(tables: Tables, cluster: str, stack: str, guest: str) -> None:
    """Forget what was applied to a guest."""
    tables.table("applied").delete_where(f"{_MINE} AND guest = ?", [cluster, stack, guest])


def forget_empty(tables: Tables, cluster: str, stack: str) -> None:
    """Forget a stack of which nothing is leased or applied any more."""
    if not read(tables, cluster, stack) and not applied(tables, cluster, stack):
        tables.table("stacks").delete_where(_MINE, [cluster, stack])


def _attributes(data: Mapping[str, Any]) -> Attributes:
    return {path: tuple(value) if isinstance(value, list) else value for path, value in data.items()}


def _lease(data: Mapping[str, Any]) -> Lease:
    return Lease(**{**data, **{field: tuple(data[field]) for field in ("addresses", "gateways", "macs")}})
