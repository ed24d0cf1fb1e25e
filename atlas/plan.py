"""A plan: the changes to each guest, what each does to a running one, and the hash that an approval binds to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from atlas.state import Kind, Lease, Scalar


class Action(StrEnum):
    """What happens to a guest."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


class Effect(StrEnum):
    """What changing an attribute does to a running guest."""

    NOTHING = "nothing"  # taken at once
    PENDING = "pending"  # stored; waits for a reboot that is not part of this plan
    REBOOT = "reboot"  # this plan reboots the guest for it
    REPLACE = "replace"  # the guest is made anew


Value = Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """One attribute of a guest before and after; None means absent."""

    path: str
    before: Value
    after: Value
    effect: Effect = Effect.NOTHING


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one guest.

    Args:
        action: Create, update, replace or delete.
        key: The guest's key in its stack (its name).
        vmid: Its VMID.
        node: The node it is on, or will be made on.
        attributes: In the order of their paths; for a create the wanted values, for a delete empty.
        notes: What a person must know before approving (snapshots that go with it, disks kept …).
        renamed_from: Its former key, if the spec renames it.
    """

    action: Action
    key: str
    vmid: int
    kind: Kind
    node: str
    attributes: tuple[AttributeChange, ...] = ()
    notes: tuple[str, ...] = ()
    renamed_from: str | None = None

    @property
    def reboots(self) -> bool:
        """Whether a running guest is rebooted for it."""
        return any(a.effect is Effect.REBOOT for a in self.attributes)


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes with everything that the approval covers.

    Args:
        stack: The stack's name.
        cluster: The profile's name; `identity` tells the cluster itself.
        engine: `terraform` or `api`.
        changes: By key.
        leases: By key, as plain data in the hash.
        bundle: SHA-256 of each bundle file by its path.
        versions: Of everything that the engine uses (atlas, terraform, provider, ansible).
        destroy: Whether it removes the whole stack.
        spec: The normalised spec as data.
    """

    stack: str
    cluster: str
    identity: str
    engine: str
    changes: tuple[Change, ...]
    leases: tuple[Lease, ...]
    bundle: Mapping[str, str]
    versions: Mapping[str, str]
    destroy: bool
    spec: Mapping[str, Any]

    @property
    def hash(self) -> str:
        """SHA-256 over all of it, as hex."""
        return digest(self.as_data())

    def as_data(self) -> dict[str, Any]:
        """Return the plan as plain data, changes and leases by key."""
        data = asdict(self)
        data["changes"] = sorted(data["changes"], key=lambda c: (c["key"], c["vmid"]))
        data["leases"] = sorted(data["leases"], key=lambda x: (x["group"], x["index"]))
        plain: dict[str, Any] = json.loads(json.dumps(data))
        return plain

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Plan:
        """Return the plan that `as_data` wrote down."""
        return cls(
            **{
                **data,
                "changes": tuple(_change(c) for c in data["changes"]),
                "leases": tuple(_lease(x) for x in data["leases"]),
            }
        )

    def count(self, action: Action) -> int:
        """Return how many guests the plan creates, updates, replaces or deletes."""
        return sum(1 for c in self.changes if c.action is action)


def digest(data: Any) -> str:
    """Return the SHA-256 of plain data in its one canonical form."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _value(value: Any) -> Value:
    return tuple(value) if isinstance(value, list) else value


def _change(data: Mapping[str, Any]) -> Change:
    attributes = tuple(
        AttributeChange(a["path"], _value(a["before"]), _value(a["after"]), Effect(a["effect"]))
        for a in data["attributes"]
    )
    return Change(
        **{
            **data,
            "action": Action(data["action"]),
            "attributes": attributes,
            "notes": tuple(data["notes"]),
        }
    )


def _lease(data: Mapping[str, Any]) -> Lease:
    lists = {f: tuple(data[f]) for f in ("addresses", "gateways", "macs")}
    return Lease(**{**data, **lists})


def bundle_hashes(files: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 of each file of a bundle by its path; bytes that are no text come as `surrogateescape`."""
    return {
        path: hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest() for path, text in sorted(files.items())
    }


def by_key(changes: Sequence[Change]) -> dict[str, Change]:
    """Return the changes by the guest's key."""
    return {c.key: c for c in changes}
