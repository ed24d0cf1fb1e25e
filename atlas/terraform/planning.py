"""Terraform's plan as changes on the spec's paths, held against what compare says has to change. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from atlas import attributes
from atlas.compare import Subject
from atlas.diagnostics import Diagnostic, Where
from atlas.errors import TerraformError
from atlas.generators.target import model
from atlas.ownership import Owner
from atlas.plan import Action, AttributeChange, Change, Effect, by_key
from atlas.plantext import show
from atlas.ports.cluster import Work
from atlas.pveconfig import disk_slots, options
from atlas.state import Attributes, Kind
from atlas.terraform import table

_ACTIONS = {
    ("create",): Action.CREATE,
    ("update",): Action.UPDATE,
    ("delete",): Action.DELETE,
    ("delete", "create"): Action.REPLACE,
    ("create", "delete"): Action.REPLACE,
}


@dataclass(frozen=True, slots=True)
class Planned:
    """What Terraform plans for one guest, on the spec's paths."""

    key: str
    kind: Kind
    action: Action
    before: Attributes
    after: Attributes
    because: tuple[str, ...] = ()

    def differences(self) -> Iterator[tuple[str, Any, Any]]:
        """Yield path, before and after of what differs."""
        for path in sorted({*self.before, *self.after}, key=attributes.natural):
            if self.before.get(path) != self.after.get(path):
                yield path, self.before.get(path), self.after.get(path)


def as_approved(events: Iterable[Mapping[str, Any]], expected: Iterable[Change], approved: Iterable[Change]) -> bool:
    """Tell from the events of `terraform plan` alone whether it only makes and removes guests that were approved.

    A guest that is made has the values of the approved files, and one that is removed has none, so that the saved plan
    need not be read for them, which takes another start of Terraform and of its provider.
    """
    expected = tuple(expected)
    told = [
        (str(change["resource"]["resource_key"]), _ACTIONS.get((change["action"],)))
        for change in (e["change"] for e in events if e["type"] == "planned_change")
        if change["resource"]["resource_type"] in table.KINDS
    ]
    whole = all(change.action in (Action.CREATE, Action.DELETE) for change in expected)
    return (
        whole
        and bool(told)
        and sorted(told, key=str) == sorted(((c.key, c.action) for c in expected), key=str)
        and not outside(expected, approved, resumed=False)
    )


def planned(data: Mapping[str, Any], subjects: Iterable[Subject], work: Work) -> tuple[Planned, ...]:
    """Return what `terraform show -json` says of the guests; those without a change are left out."""
    slots = {s.key: {slot: i for i, slot in disk_slots(model(s, work)).items()} for s in subjects}
    found = []
    for row in data.get("resource_changes", ()):
        kind, action = table.KINDS.get(row["type"]), _ACTIONS.get(tuple(row["change"]["actions"]))
        if kind is None or action is None:
            continue
        key, change = str(row["index"]), row["change"]
        before, after = (table.read(change[side], kind, slots.get(key, {})) for side in ("before", "after"))
        because = tuple(".".join(str(part) for part in path) for path in change.get("replace_paths", ()))
        found.append(Planned(key, kind, action, before, after, because))
    return tuple(found)


def changes(
    told: Iterable[Planned], expected: Iterable[Change], subjects: Iterable[Subject], free: frozenset[str] = frozenset()
) -> tuple[Change, ...]:
    """Return the changes that Terraform would make.

    Args:
        told: What Terraform plans.
        expected: What compare says; from it come notes, effects, and what no provider can see.
        subjects: The guests.
        free: Keys of guests that an unfinished run left half made; they are not held against compare.

    Raises:
        TerraformError: Terraform would do something else than what the spec asks; nothing is done then.
    """
    by_guest = {s.key: s for s in subjects}
    want, found, faults = by_key(tuple(expected)), [], []
    told = tuple(told)
    keys = [p.key for p in told]
    for plan in told:
        if keys.count(plan.key) > 1:
            faults.append(Diagnostic(f"{plan.key} changes between VM and container", where=Where(plan.key)))
            continue
        change = _change(plan, want.pop(plan.key, None), by_guest.get(plan.key))
        if isinstance(change, Change):
            found.append(change)
        elif plan.key not in free:
            faults.extend(change)
    for change in want.values():
        if _without_terraform(change, by_guest[change.key]):
            found.append(change)
        elif change.key not in free:
            faults.append(_unsaid(change.key, f"{change.action}", change.attributes))
    if faults:
        raise TerraformError(
            f"Terraform's provider cannot do exactly what the spec asks: {faults[0].summary}"
            + (f" ({faults[0].detail})" if faults[0].detail else "")
            + (f"; and {len(faults) - 1} more" if len(faults) > 1 else ""),
            "use --engine api for this stack, or change the spec",
            diagnostics=faults,
        )
    return tuple(sorted(found, key=lambda c: attributes.natural(c.key)))


def _change(plan: Planned, expected: Change | None, subject: Subject | None) -> Change | list[Diagnostic]:
    """Return the change of one guest, or why it is not the expected one."""
    wanted = subject.wanted if subject else {}
    # Where a new disk lies, say, if the spec leaves that open.
    shown = [(p, b, a) for p, b, a in plan.differences() if b is not None or p in wanted or expected is None]
    if expected is None:
        if plan.action is Action.UPDATE and not shown:
            return []  # attributes of the provider alone (how it destroys, say), nothing of the guest
        what = f"{plan.action} {plan.key}" + (f" because of {', '.join(plan.because)}" if plan.because else "")
        detail = "; ".join(f"{p}: {b} -> {a}" for p, b, a in shown[:5])
        return [Diagnostic(f"it would {what} although nothing has to change there", detail, where=Where(plan.key))]
    if plan.action is not expected.action:
        why = f" ({', '.join(plan.because)} cannot be changed in place)" if plan.because else ""
        return [
            Diagnostic(f"it would {plan.action} {plan.key} instead of {expected.action}{why}", where=Where(plan.key))
        ]
    if plan.action is Action.DELETE:
        return expected
    by_path = {a.path: a for a in expected.attributes}
    hidden = table.unseen(plan.kind)
    rows, missing = [], []
    if plan.action is Action.CREATE:
        told = {path: AttributeChange(path, None, value) for path, value in plan.after.items() if path in by_path}
    else:
        kept = plan.action is Action.UPDATE
        told = {
            p: AttributeChange(p, b, a, _effect(p, plan, by_path.get(p), subject))
            for p, b, a in shown
            if not (kept and table.left(p, plan.kind, a))
        }
        if kept and (fault := _beyond(told.values(), by_path, subject)) is not None:
            return [fault]
        told = {p: a for p, a in told.items() if a.after is not None or p in by_path or not _goes_along(p, subject)}
    for path in sorted({*told, *by_path}, key=attributes.natural):
        if path in told:
            rows.append(told[path])
        elif path in hidden or _waits(by_path[path], subject):
            rows.append(by_path[path])
        elif by_path[path].after is not None or plan.action is not Action.CREATE:
            missing.append(by_path[path])
    if missing:
        return [_unsaid(plan.key, f"{plan.action}", missing)]
    return replace(expected, attributes=tuple(rows))


def _beyond(
    told: Collection[AttributeChange], expected: Mapping[str, AttributeChange], subject: Subject | None
) -> Diagnostic | None:
    """Return what an update must not or cannot do, although the plan says it."""
    if subject is None:
        return None
    if foreign := [a for a in told if a.path not in expected and _of_others(a.path, subject)]:
        detail = "; ".join(f"{a.path}: {a.before} -> {a.after}" for a in foreign)
        return Diagnostic(f"it would change what others added to {subject.key}", detail, where=Where(subject.key))
    if shared := next((a.path for a in told if _over_a_template(a.path, subject)), None):
        disk, why = shared.removesuffix(".size"), "it takes a linked clone's disk for the template's"
        return Diagnostic(f"it would not grow {disk} of {subject.key}", why, where=Where(subject.key))
    return None


def _of_others(path: str, subject: Subject) -> bool:
    """Tell whether a path belongs to a disk, NIC or mount that ATLAS neither has set nor is to set."""
    item = attributes.item(path)
    ours = (*subject.wanted, *subject.applied)
    return item is not None and all(attributes.item(p) != item for p in ours)


def _over_a_template(path: str, subject: Subject) -> bool:
    """Tell whether a path is the size of a disk that lies over its template's, which the provider refuses to grow."""
    if subject.observed is None or subject.observed.kind != "vm" or not path.endswith("].size"):
        return False
    config, (i,) = subject.observed.config, attributes.items([path], "disks")
    volume = options(config.get(disk_slots(config).get(i, ""), "")).get("volume", "")
    return volume.partition(":")[2].startswith("base-") or "/base-" in volume


def _goes_along(path: str, subject: Subject | None) -> bool:
    """Tell whether a path was left open by the spec, and goes with the disk, NIC, mount, EFI or TPM that it is of."""
    thing = attributes.item(path) or path.partition(".")[0]
    if (
        subject is None
        or path in subject.applied
        or (thing == path or ("[" not in thing and thing not in ("efi", "tpm")))
    ):
        return False
    return not any(p == thing or p.startswith(f"{thing}.") for p in subject.wanted)


def _effect(path: str, plan: Planned, expected: AttributeChange | None, subject: Subject | None) -> Effect:
    running = subject is not None and subject.observed is not None and subject.observed.running
    if expected is not None:
        own = expected.effect
    elif path in attributes.EFFECTS or attributes.pattern(path) in attributes.EFFECTS:
        own = attributes.effect(path, plan.kind) or Effect.NOTHING
    else:
        own = Effect.NOTHING
    return table.effect(path, plan.kind, own, running)


def _waits(change: AttributeChange, subject: Subject | None) -> bool:
    """Tell whether the value is set already and only waits for a reboot, which the provider does not see."""
    pending = subject.observed.pending if subject and subject.observed else {}
    return change.path in pending and pending[change.path] == change.after


def _without_terraform(change: Change, subject: Subject) -> bool:
    """Tell whether a change needs nothing from Terraform: a lease that ends, or a reboot for what waits for one."""
    if change.action is Action.DELETE:
        return subject.observed is None or subject.owner is Owner.OTHER
    if change.action is not Action.UPDATE:
        return False
    hidden = table.unseen(subject.lease.kind)
    return all(a.path in hidden or _waits(a, subject) for a in change.attributes)


def _unsaid(key: str, action: str, rows: Iterable[AttributeChange]) -> Diagnostic:
    detail = "; ".join(f"{a.path} {show(a.path, a.before)} → {show(a.path, a.after)}" for a in rows)
    return Diagnostic(f"it would not {action} {key} as wanted ({detail})", where=Where(key))


def outside(new: Iterable[Change], approved: Iterable[Change], *, resumed: bool) -> list[str]:
    """Return what of the new changes was not approved, in words; empty when all of it was.

    Args:
        new: What would be done now.
        approved: What was approved.
        resumed: Whether a run of the approved plan has begun: the rest of a replace, or finishing or remaking a guest
            that it made, counts as approved, and so does what is set already.
    """
    by = by_key(tuple(approved))
    found = []
    for change in new:
        mine = by.get(change.key)
        if mine is None:
            found.append(f"{change.action} {change.key}")
        elif not _covers(mine.action, change.action, resumed=resumed):
            found.append(f"{change.action} {change.key} instead of {mine.action}")
        else:
            approved_values = {(a.path, a.after) if resumed else (a.path, a.before, a.after) for a in mine.attributes}
            for a in change.attributes:
                value = (a.path, a.after) if resumed else (a.path, a.before, a.after)
                # Finishing a guest, and starting one that was being rebooted, is what the run was approved for.
                rest = resumed and (mine.action in _MAKING or (a.path, a.after) == ("running", True))
                if value not in approved_values and not rest:
                    found.append(f"{change.key}: {a.path} {a.before} -> {a.after}")
    return found


_MAKING = frozenset({Action.CREATE, Action.REPLACE})


def _covers(approved: Action, now: Action, *, resumed: bool) -> bool:
    return approved is now or (resumed and approved in _MAKING and now in {*_MAKING, Action.UPDATE})
