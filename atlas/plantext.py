"""A plan in plain words, for a message, a terminal, or a reader without either. Pure."""

from __future__ import annotations

from atlas.plan import Action, AttributeChange, Change, Effect, Plan, Value
from atlas.state import Lease
from atlas.units import format_size

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.REPLACE: "±", Action.DELETE: "-"}
_EFFECTS = {Effect.PENDING: "pending until a reboot", Effect.REBOOT: "needs a reboot", Effect.REPLACE: "makes it anew"}
_QUIET = frozenset({"description", "kind"})
"""What a note says better, or nobody has to read: ATLAS's stamp."""

_SIZES = ("memory", "balloon", "swap", ".size")


def describe(plan: Plan) -> str:
    """Return the plan: a headline, a line for each change, and under it what changes."""
    leases = {x.key: x for x in plan.leases}
    lines = [headline(plan), ""]
    for change in plan.changes:
        lines.append(f"  {_SIGNS[change.action]} {_title(change, leases.get(change.key))}")
        if change.action is not Action.CREATE:
            lines += [f"      {attribute(a)}" for a in change.attributes if a.path not in _QUIET]
        lines += [f"      note: {note}" for note in change.notes]
        if change.reboots and change.action is Action.UPDATE:
            lines.append("      this reboots the guest")
    return "\n".join(lines).rstrip()


def headline(plan: Plan) -> str:
    """Return the plan in one line."""
    counts = [f"{n} to {a.value}" for a in Action if (n := plan.count(a))]
    what = ", ".join(counts) or "no changes"
    return f"{plan.stack} on {plan.cluster} by the {plan.engine} engine: {what}"


def attribute(change: AttributeChange) -> str:
    """Return one attribute's change, such as `memory 2GiB → 4GiB (needs a reboot)`."""
    effect = _EFFECTS.get(change.effect)
    before, after = show(change.path, change.before), show(change.path, change.after)
    return f"{change.path} {before} → {after}{f' ({effect})' if effect else ''}"


def count(number: int, noun: str) -> str:
    """Return a number of things, such as `1 guest` or `2 guests`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def show(path: str, value: Value) -> str:
    """Return a value as the spec would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and path.endswith(_SIZES):
        return format_size(value)
    if isinstance(value, tuple):
        return ", ".join(_key(str(v)) if path == "user.ssh_keys" else str(v) for v in value) or "none"
    return str(value)


def _key(text: str) -> str:
    """Return an ssh key as people tell them apart: its type, its end, and its comment."""
    kind, _, rest = text.partition(" ")
    body, _, comment = rest.partition(" ")
    return f"{kind} …{body[-8:]} {comment}".rstrip()


def _title(change: Change, lease: Lease | None) -> str:
    text = f"{change.action.value} {change.key}: {change.kind} {change.vmid} on {change.node}"
    if change.renamed_from:
        text += f" (was {change.renamed_from})"
    if change.action is not Action.CREATE:
        return text
    said = {a.path: a.after for a in change.attributes}
    parts = []
    if "cpu.cores" in said:
        parts.append(f"{said['cpu.cores']} core{'s' if said['cpu.cores'] != 1 else ''}")
    if "memory" in said:
        parts.append(show("memory", said["memory"]))
    parts += [f"disk {show(p, v)}" for p, v in said.items() if p.startswith("disks[") and p.endswith(".size")]
    parts += list(lease.addresses) if lease is not None else []
    if said.get("software"):
        parts.append(show("software", said["software"]))
    return f"{text}, {', '.join(parts)}"
