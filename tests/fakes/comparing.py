"""What becomes of a stack that was made: facts that others changed, a spec that changed; and changes as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fakes.stacks import work

from atlas.plan import Action, Change, Effect
from atlas.ports.cluster import Work

MARKS = {Effect.NOTHING: "", Effect.REBOOT: "!", Effect.REPLACE: "!!", Effect.PENDING: "?"}


def seen(whole: Work, key: str = "web", **fields: Any) -> Work:
    """Return the work with facts of one observed guest changed; `attributes` and `config` are merged."""
    vmid = whole.leases[key].vmid
    guest = whole.state.guests[vmid]
    for name in ("attributes", "config"):
        merged = {**getattr(guest, name), **fields.get(name, {})}
        fields[name] = {k: v for k, v in merged.items() if v is not None}
    return replace(whole, state=replace(whole.state, guests={**whole.state.guests, vmid: replace(guest, **fields)}))


def then(before: Work, *guests: Mapping[str, Any], **more: Any) -> Work:
    """Return the work when the spec changes; guests that stay keep their leases."""
    after = work(*guests, **more)
    used = {lease.vmid for lease in before.leases.values()}
    fresh = iter(v for v in range(10_100, 10_200) if v not in used)
    leases = dict(before.leases)
    for one in after.instances:
        lease, old = after.leases[one.key], before.leases.get(after.renames.get(one.key, one.key))
        if old is None:
            leases[one.key] = replace(lease, vmid=next(fresh))
            continue
        nics, had = one.guest.networks, len(old.addresses)
        kept = (i < had and x.address == "auto" for i, x in enumerate(nics))
        addresses = tuple((old if keep else lease).addresses[i] for i, keep in enumerate(kept))
        macs = (*old.macs, *lease.macs[had:])[: len(nics)]
        leases[old.key] = replace(old, kind=lease.kind, addresses=addresses, gateways=lease.gateways, macs=macs)
    return replace(after, leases=leases, applied=before.applied, state=before.state)


def text(changes: tuple[Change, ...]) -> list[str]:
    """Return changes in one line each: action, key, then each attribute with its effect unless it is nothing."""
    lines = []
    for change in changes:
        words = [change.action.value, change.key]
        if change.action in (Action.UPDATE, Action.REPLACE):
            words += [f"{a.path}:{a.before}>{a.after}{MARKS[a.effect]}" for a in change.attributes]
        lines.append(" ".join(words))
    return lines
