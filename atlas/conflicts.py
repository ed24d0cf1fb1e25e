"""What forbids a change, found while planning; and what a person must know before approving it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas import attributes
from atlas.diagnostics import Diagnostic, Where, error, warning
from atlas.instances import Instance
from atlas.ownership import Owner
from atlas.plan import AttributeChange, Effect
from atlas.ports.cluster import Work
from atlas.state import Attributes, Lease, Observed
from atlas.units import format_size

_FILES = frozenset({"dir", "nfs", "cifs", "glusterfs", "cephfs", "btrfs"})
"""Types of storage on which a snapshot lies inside the disk's own file."""


def where(instance: Instance | None) -> Where:
    """Return the place of a guest in the file."""
    return Where(instance.path if instance else "guests")


def find(
    instance: Instance | None,
    lease: Lease,
    owner: Owner,
    observed: Observed | None,
    changes: Sequence[AttributeChange],
    applied: Attributes,
    wanted: Attributes,
    work: Work,
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of one guest: what must not or cannot be done, and warnings."""
    path = instance.path if instance else "guests"
    if observed is None:
        return tuple(_new_disk(path, lease, wanted, work)) if instance else ()
    found = list(_ownership(path, instance is not None, lease, owner, observed))
    if found:
        return tuple(found)
    goes = instance is None or any(c.effect is Effect.REPLACE for c in changes)
    if goes and owner is not Owner.OTHER:
        found += _removal(path, lease, observed)
    if not goes:
        found += _occupied(path, lease, observed, changes, applied) or _disks(path, lease, observed, changes, work)
        found += _keys(path, lease, applied, wanted)
    return tuple(found)


def _ownership(path: str, stays: bool, lease: Lease, owner: Owner, observed: Observed) -> Iterator[Diagnostic]:
    name = f"{observed.kind} {lease.vmid} ({observed.name or 'without a name'}) on {observed.node}"
    if owner is Owner.OTHER and stays:
        detail = (
            "Its identity is not the recorded one: it was made anew or restored by somebody else."
            if lease.made
            else "It does not carry this stack's stamp."
        )
        yield error(
            path,
            f"{name} is not ours, so {lease.key} cannot be there",
            detail=detail,
            hint="free this VMID, or give the guest another one with `vmid`",
        )
    if owner is Owner.UNSTAMPED:
        yield error(
            path,
            f"{name} has lost its stamp, so ATLAS does not touch it",
            detail="Its identity is the recorded one, but its notes lack the line by which ATLAS knows its guests.",
            hint=f"put the line back into its notes, or take {lease.key} out of ATLAS's hands by another `name`",
        )


def _keys(path: str, lease: Lease, applied: Attributes, wanted: Attributes) -> Iterator[Diagnostic]:
    now = wanted.get("user.ssh_keys")
    if lease.kind == "container" and applied.get("user.ssh_keys", now) != now:
        yield warning(
            f"{path}.user.ssh_keys",
            f"the ssh keys of container {lease.key} stay as they are",
            detail="Proxmox VE takes a container's keys only when it is made.",
            hint="give it another name, or let a playbook add the keys",
        )


def _removal(path: str, lease: Lease, observed: Observed) -> Iterator[Diagnostic]:
    if observed.attributes.get("protection"):
        yield error(
            path,
            f"{lease.key} ({lease.vmid}) is protected and cannot be deleted",
            hint="set `protection: false`, apply that, and plan again",
        )


def _new_disk(path: str, lease: Lease, wanted: Attributes, work: Work) -> Iterator[Diagnostic]:
    template = work.state.guests.get(int(lease.source)) if lease.source.isdigit() else None
    if template is None:
        return
    bus = template.attributes.get("disks[0].bus")
    if wanted.get("disks[0].bus", bus) != bus:
        yield error(
            f"{path}.disks[0].bus",
            f"the template's boot disk is on {bus} and stays there",
            hint=f"write `bus: {bus}`, or leave it out",
        )
    for i in attributes.items(wanted, "disks"):
        has, want = template.attributes.get(f"disks[{i}].size"), wanted[f"disks[{i}].size"]
        if isinstance(has, int) and isinstance(want, int) and want < has:
            yield error(
                f"{path}.disks[{i}].size",
                f"{format_size(want)} is less than the template's own disk of {format_size(has)}",
                hint=f"a disk cannot shrink: write at least {format_size(has)}",
            )


def _occupied(
    path: str, lease: Lease, observed: Observed, changes: Sequence[AttributeChange], applied: Attributes
) -> list[Diagnostic]:
    """Return an error for each new disk, NIC or mount whose place is taken by one that is not ours."""
    ours = {attributes.item(p) for p in applied} | {"disks[0]"}
    here = {attributes.item(p) for p in observed.attributes}
    new = {e for c in changes if c.after is not None and (e := attributes.item(c.path)) and e not in ours and e in here}
    return [
        error(
            f"{path}.{entry}",
            f"{lease.key} has a {entry} already that ATLAS did not make",
            detail="Somebody added it, or it came with the template; ATLAS does not take it over.",
            hint="write it as it is, or remove it from the guest",
        )
        for entry in sorted(new, key=attributes.natural)
        if applied
    ]


def _disks(
    path: str, lease: Lease, observed: Observed, changes: Sequence[AttributeChange], work: Work
) -> Iterator[Diagnostic]:
    protected = observed.attributes.get("protection") and not any(c.path == "protection" for c in changes)
    for change in changes:
        entry = attributes.item(change.path)
        if protected and entry is not None and _guarded(entry, change, observed):
            yield error(
                f"{path}.{change.path}",
                f"{lease.key} is protected, so {entry} cannot be changed",
                hint="set `protection: false`, apply that, and plan again",
            )
            continue
        if entry is None or not entry.startswith(("disks", "mounts")) or change.before is None or change.after is None:
            continue
        place, field = f"{path}.{change.path}", change.path.rpartition(".")[2]
        before, after = change.before, change.after
        if field == "size" and isinstance(before, int) and isinstance(after, int) and after < before:
            yield error(
                place,
                f"a disk cannot shrink from {format_size(before)} to {format_size(after)}",
                hint=f"write at least {format_size(before)}, or make a new guest",
            )
        elif field == "size" and observed.snapshots and _in_files(entry, observed, work):
            yield error(place, f"snapshots of {lease.key} block growing {entry}", hint=_drop(observed))
        elif field == "storage" and observed.snapshots:
            yield error(place, f"snapshots of {lease.key} block moving {entry} to {after}", hint=_drop(observed))
        elif field == "bus":
            yield error(
                place,
                f"{entry} of {lease.key} is on {before} and cannot be put on {after} in place",
                hint=f"write `bus: {before}`",
            )


def _guarded(entry: str, change: AttributeChange, observed: Observed) -> bool:
    """Tell whether PVE's protection forbids a change. Source: qemu-server and pve-container, check_protection."""
    if observed.kind == "container":
        return entry.startswith("mounts") and not change.path.endswith(".size")
    return entry.startswith("disks") and change.path.endswith(".size") and change.after is None


def _in_files(entry: str, observed: Observed, work: Work) -> bool:
    storage = work.state.storage(str(observed.attributes.get(f"{entry}.storage")), observed.node)
    return storage is not None and storage.type in _FILES


def _drop(observed: Observed) -> str:
    return f"delete them first: {', '.join(observed.snapshots)}"


def notes(observed: Observed, changes: Sequence[AttributeChange], *, goes: bool) -> tuple[str, ...]:
    """Return what a person must know: what goes along with a guest, what is kept, what still holds it."""
    found: list[str] = []
    if goes:
        disks = [p for p in observed.attributes if p.endswith("].size")]
        found.append(f"its disks are deleted with it ({len(disks)})" if disks else "it is deleted")
        if observed.snapshots:
            found.append(f"snapshots that go with it: {', '.join(observed.snapshots)}")
        unused = [str(v) for k, v in sorted(observed.config.items()) if k.startswith("unused")]
        if unused:
            found.append(f"unused disks that go with it: {', '.join(unused)}")
    else:
        for change in changes:
            entry = attributes.item(change.path)
            if change.path.endswith(".size") and change.after is None and isinstance(change.before, int) and entry:
                found.append(f"{entry} ({format_size(change.before)}) is detached and kept as an unused disk")
            if change.path == "name" and observed.kind == "vm":
                found.append("the guest itself takes its new name when it boots next")
    if observed.lock:
        found.append(f"it is locked now ({observed.lock})")
    return tuple(found)
