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


def items(values: Mapping[str, Value], name: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the entries of a list of attributes (`disks`, `networks`, `mounts`) as data, each with its index."""
    found = []
    for i in attributes.items(values, name):
        prefix = f"{name}[{i}]."
        found.append((i, {p.removeprefix(prefix): v for p, v in values.items() if p.startswith(prefix)}))
    return found
