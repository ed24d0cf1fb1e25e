"""What each guest shall be, as flat attributes: the spec's where it speaks, the cluster's where it does not. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from atlas import attributes
from atlas.compare import Subject, differences
from atlas.plan import Effect, Value
from atlas.ports.cluster import Work
from atlas.state import Observed

_INHERITED = re.compile(r"(efi|tpm|machine|balloon|disks)\b.*")
"""What a clone takes over from its template where the spec says nothing."""

_BUSES = ("scsi", "virtio", "sata", "ide")
_SLOT = re.compile(r"(scsi|virtio|sata|ide)(\d+)")


def target(subject: Subject, work: Work) -> dict[str, Value]:
    """Return all attributes of a guest once the plan is carried out.

    What others added to a guest (disks, NICs, tags) is among them, so that whoever sets all of it leaves that alone.
    """
    observed = subject.observed
    changes = differences(subject.wanted, subject.applied, observed) if observed else ()
    if observed is None or any(c.effect is Effect.REPLACE for c in changes):
        template = source(subject, work)
        inherited = {p: v for p, v in template.attributes.items() if _INHERITED.fullmatch(p)} if template else {}
        return {**inherited, **subject.wanted}
    found: dict[str, Value] = {**observed.attributes, **observed.pending}
    found |= {c.path: c.after for c in changes}
    # What only a new guest can be given, or nobody can read back, is as the spec says.
    found |= {p: v for p, v in subject.wanted.items() if found.get(p) is None and p not in observed.pending}
    return {p: v for p, v in found.items() if v is not None}


def source(subject: Subject, work: Work) -> Observed | None:
    """Return the template that a VM is cloned from, if it is there to be read."""
    return work.state.guests.get(int(subject.lease.source)) if subject.lease.source.isdigit() else None


def model(subject: Subject, work: Work) -> Mapping[str, Any]:
    """Return the configuration, in PVE's words, that what the spec does not speak of is taken from."""
    if subject.observed is not None and subject.observed.config and subject.observed.kind == subject.lease.kind:
        return subject.observed.config
    template = source(subject, work)
    return template.config if template else {}


def disk_slots(config: Mapping[str, Any]) -> dict[int, str]:
    """Return the slot of each disk of a VM by its index in the spec: 0 is the boot disk, others go by their number.

    Source: `GET /nodes/{node}/qemu/{vmid}/config`; `boot` is `order=scsi0;net0`.
    """
    slots = sorted((s for s, v in config.items() if _SLOT.fullmatch(s) and _is_disk(str(v))), key=_order)
    order = str(config.get("boot", "")).removeprefix("order=").split(";")
    usual = [f"{bus}0" for bus in _BUSES]
    boot = next((s for s in (*order, str(config.get("bootdisk")), *usual, *slots) if s in slots), None)
    found = {0: boot} if boot else {}
    for slot in slots:
        if slot != boot:
            found.setdefault(_order(slot)[1], slot)
    return found


def _is_disk(value: str) -> bool:
    return "media=cdrom" not in value and "cloudinit" not in value and not value.startswith("none")


def _order(slot: str) -> tuple[int, int]:
    bus = slot.rstrip("0123456789")
    return _BUSES.index(bus), int(slot.removeprefix(bus))


def items(values: Mapping[str, Value], name: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the entries of a list of attributes (`disks`, `networks`, `mounts`) as data, each with its index."""
    found = []
    for i in attributes.items(values, name):
        prefix = f"{name}[{i}]."
        found.append((i, {p.removeprefix(prefix): v for p, v in values.items() if p.startswith(prefix)}))
    return found
