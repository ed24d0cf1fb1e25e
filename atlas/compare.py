"""Compare what is wanted, what was applied and what is observed: the changes, by guest and attribute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from atlas import attributes, conflicts
from atlas.diagnostics import Diagnostic, Severity, has_errors
from atlas.errors import SpecError
from atlas.instances import Instance
from atlas.ownership import Owner, owner
from atlas.plan import Action, AttributeChange, Change, Effect, Value
from atlas.ports.cluster import Work
from atlas.state import Attributes, Lease, Observed


@dataclass(frozen=True, slots=True)
class Subject:
    """One guest with all that is known of it; `instance` is None for a guest that goes."""

    key: str
    lease: Lease
    instance: Instance | None
    wanted: Attributes
    applied: Attributes
    observed: Observed | None
    owner: Owner
    renamed_from: str | None


def subjects(work: Work) -> tuple[Subject, ...]:
    """Return every guest that the stack has or shall have, by key.

    Raises:
        SpecError: A wanted guest has no lease.
    """
    found: dict[str, Subject] = {}
    taken: set[str] = set()
    for instance in () if work.destroy else work.instances:
        former = work.renames.get(instance.key)
        # Renamed in the store already, perhaps, but not on the cluster: the rename is a change until both are.
        stored = former is None or instance.key in work.leases
        held = work.leases.get(instance.key if stored else str(former))
        if held is None:
            raise SpecError([Diagnostic(f"{instance.key} has no lease", where=conflicts.where(instance))])
        lease = replace(held, group=instance.group, index=instance.index)
        taken |= {instance.key, held.key}
        applied = work.applied.get(instance.key if stored else str(former), {})
        observed = work.state.guests.get(lease.vmid)
        renamed = former if not stored or (observed is not None and observed.name == former) else None
        wanted = attributes.wanted(instance, lease, work)
        found[instance.key] = _subject(work, lease, instance, wanted, applied, renamed)
    for key, lease in work.leases.items():
        if key not in taken:
            found[key] = _subject(work, lease, None, {}, work.applied.get(key, {}), None)
    return tuple(found[key] for key in sorted(found, key=attributes.natural))


def _subject(
    work: Work, lease: Lease, instance: Instance | None, wanted: Attributes, applied: Attributes, former: str | None
) -> Subject:
    observed = work.state.guests.get(lease.vmid)
    whose = owner(lease, observed, work.installation)
    return Subject(lease.key, lease, instance, wanted, applied, observed, whose, former)


def compare(work: Work) -> tuple[Change, ...]:
    """Return the changes that make the cluster what the spec wants, by key; empty when there is nothing to do.

    Raises:
        SpecError: Something must not or cannot be done; all of it at once.
    """
    everyone = subjects(work)
    found = [d for s in everyone for d in problems(s, work)]
    if has_errors(found):
        raise SpecError(found)
    return tuple(change for s in everyone if (change := _change(s)) is not None)


def problems(subject: Subject, work: Work) -> tuple[Diagnostic, ...]:
    """Return what forbids or limits the change of one guest: errors and warnings."""
    s = subject
    changes = differences(s.wanted, s.applied, s.observed) if s.instance and s.observed else ()
    return conflicts.find(s.instance, s.lease, s.owner, s.observed, changes, s.applied, s.wanted, work)


def warnings(work: Work) -> tuple[Diagnostic, ...]:
    """Return what a person should know although it forbids nothing."""
    found = (d for s in subjects(work) for d in problems(s, work))
    return tuple(d for d in found if d.severity is Severity.WARNING)


def _change(s: Subject) -> Change | None:
    if s.instance is None:
        return _deletion(s)
    observed = s.observed
    if observed is None:
        changes = tuple(AttributeChange(p, None, v) for p, v in s.wanted.items())
        gone = ("it was made before and is gone: it is made anew",) if s.lease.made else ()
        return Change(
            Action.CREATE, s.key, s.lease.vmid, s.lease.kind, s.lease.node, changes, gone, renamed_from=s.renamed_from
        )
    changes = differences(s.wanted, s.applied, observed)
    if not changes and s.renamed_from is None:
        return None
    reasons = [c for c in changes if c.effect is Effect.REPLACE]
    action = Action.REPLACE if reasons else Action.UPDATE
    notes = list(conflicts.notes(observed, changes, goes=bool(reasons)))
    if s.owner is Owner.UNRECORDED:
        notes.insert(0, "it carries our stamp, but no run recorded that it was made: it is taken over")
    for reason in reversed(reasons):
        notes.insert(0, f"made anew because {reason.path} changes from {reason.before} to {reason.after}")
    node = s.lease.node if reasons else observed.node
    return Change(action, s.key, s.lease.vmid, s.lease.kind, node, changes, tuple(notes), s.renamed_from)


def _deletion(s: Subject) -> Change | None:
    if s.observed is not None and s.owner is not Owner.OTHER:
        notes = conflicts.notes(s.observed, (), goes=True)
        return Change(Action.DELETE, s.key, s.lease.vmid, s.observed.kind, s.observed.node, notes=notes)
    if not s.lease.made:
        return None
    why = "it is gone already" if s.observed is None else "another guest has its VMID now and is left alone"
    return Change(Action.DELETE, s.key, s.lease.vmid, s.lease.kind, s.lease.node, notes=(f"{why}; its lease ends",))


def differences(wanted: Attributes, applied: Attributes, observed: Observed) -> tuple[AttributeChange, ...]:
    """Return what has to change on one guest, in the order of the paths.

    What is wanted is set; what ATLAS applied and is wanted no more is reset; everything else is left alone.
    """
    paths = sorted({*wanted, *filter(attributes.known, applied)}, key=attributes.natural)
    kind = observed.attributes.get("kind", observed.kind)
    if wanted.get("kind", kind) != kind:  # the attributes of the one kind mean nothing to the other
        return (AttributeChange("kind", kind, wanted["kind"], Effect.REPLACE),)
    return tuple(c for path in paths if (c := _difference(path, wanted, applied, observed)) is not None)


def _difference(path: str, wanted: Attributes, applied: Attributes, observed: Observed) -> AttributeChange | None:
    effect = attributes.effect(path, observed.kind)
    if effect is None or (path not in wanted and _left(path, wanted)):
        return None
    if path in attributes.UNSEEN:
        if path not in applied or applied[path] == wanted[path]:
            return None
        return AttributeChange(path, applied[path], wanted[path], effect)
    now: Value = observed.attributes.get(path)
    later: Value = observed.pending.get(path, now)
    after = wanted.get(path)
    if path == "tags":
        after = merged_tags(now, applied.get(path), after)
    elif path not in wanted:
        after = _DEFAULTS.get(path)
    if now == after and later == after:
        return None
    if later == after:
        return AttributeChange(path, now, after, Effect.REBOOT if observed.running else Effect.NOTHING)
    if now == after:
        return AttributeChange(path, later, after, Effect.NOTHING)  # what waits for a reboot is taken back
    if effect is not Effect.REPLACE and (not observed.running or _plugged(path, wanted, observed)):
        effect = Effect.NOTHING
    return AttributeChange(path, now, after, effect)


def _plugged(path: str, wanted: Attributes, observed: Observed) -> bool:
    """Tell whether a path belongs to a disk, NIC or mount that is added or removed as a whole, at once."""
    entry = attributes.item(path)
    if entry is None or path.endswith((".address", ".gateway")):
        return False
    if "sata" in (wanted.get(f"{entry}.bus"), observed.attributes.get(f"{entry}.bus")):
        return False
    here = any(attributes.item(p) == entry for p in observed.attributes)
    stays = any(attributes.item(p) == entry for p in wanted)
    return not here or (not stays and not entry.startswith("mounts"))


def _left(path: str, wanted: Attributes) -> bool:
    """Tell whether a path that is wanted no more is left as it is, rather than reset."""
    entry = attributes.item(path)
    gone = entry is not None and not any(attributes.item(p) == entry for p in wanted)
    return attributes.pattern(path) in attributes.KEPT and not gone


_DEFAULTS: Mapping[str, Value] = {"swap": 512}
"""What PVE itself falls back to where that is not the same as absent. Source: pve-container Config.pm."""


def merged_tags(now: Value, applied: Value, wanted: Value) -> Value:
    """Return the tags a guest shall have: ours as wanted, those that others added kept."""
    ours = set(applied) if isinstance(applied, tuple) else set()
    there = set(now) if isinstance(now, tuple) else set()
    want = set(wanted) if isinstance(wanted, tuple) else set()
    return tuple(sorted((there - ours) | want, key=str)) or None


@dataclass(frozen=True, slots=True)
class Drift:
    """One attribute of a guest that is not what ATLAS applied; `expected` None: others added it."""

    key: str
    vmid: int
    path: str
    expected: Value
    observed: Value


def drift(work: Work) -> tuple[Drift, ...]:
    """Return how the guests differ from what was last applied, additions by others included."""
    return tuple(d for s in subjects(work) if s.applied for d in _drift(s))


def _drift(s: Subject) -> Iterator[Drift]:
    if s.observed is None or s.owner is Owner.OTHER:
        yield Drift(s.key, s.lease.vmid, "running", True, None)
        return
    here = s.observed.attributes
    for path, value in s.applied.items():
        if path in attributes.UNSEEN or attributes.pattern(path) not in attributes.EFFECTS:
            continue  # such as what Ansible did, which no API shows
        if attributes.effect(path, s.observed.kind) is None:
            continue
        now = here.get(path)
        if path == "tags":
            now, value = _set(now), _set(value)  # noqa: PLW2901  tags are compared as the sets they are
        if now != value:
            yield Drift(s.key, s.lease.vmid, path, value, now)
    ours = {attributes.item(p) for p in s.applied}
    for path, now in here.items():
        if attributes.item(path) is not None and attributes.item(path) not in ours:
            yield Drift(s.key, s.lease.vmid, path, None, now)


def _set(value: Value) -> Value:
    return tuple(sorted(value, key=str)) if isinstance(value, tuple) else value
