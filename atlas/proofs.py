"""What probes proved of templates, in words. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from atlas.ports.templates import TemplateRecord
from atlas.state import Observed


def known(records: Iterable[TemplateRecord], template: Observed) -> dict[str, Any] | None:
    """Return what was proved of this very template: its identity is the recorded one; None if nothing was."""
    for record in records:
        if record.vmid == template.vmid and record.uuid is not None and record.uuid == template.uuid and record.proof:
            return dict(record.proof)
    return None


def words(proof: Mapping[str, Any] | None) -> str:
    """Say what was proved, and when."""
    if proof is None:
        return "not proved"
    day = datetime.datetime.fromtimestamp(proof["ts"], datetime.UTC).date().isoformat()
    if not proof["cloud_init"]:
        return f"its probe did not answer on {day}"
    if not proof["agent"]:
        return f"cloud-init proved on {day}; no agent answered"
    return f"agent and cloud-init proved on {day}"
