"""What a person reads of events."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from atlas.events import Emitter, EventType
from atlas.views.human import HumanView


def test_drift_is_a_line_for_each_thing_that_somebody_added_or_changed() -> None:
    out = StringIO()
    emit = Emitter((HumanView(Console(file=out, width=200)),))
    for path, value in (("disks[7].size", 3072), ("disks[7].bus", "scsi")):
        emit(EventType.DRIFT, "web", path=path, expected=None, observed=value)
    emit(EventType.DRIFT, "web", path="tags", expected=("atlas",), observed=("atlas", "theirs"))
    emit(EventType.DRIFT, "web", path="memory", expected=512, observed=1024)
    assert out.getvalue().splitlines() == [
        "drift web: disks[7] was added by others and is left alone",
        "drift web: tags is atlas, theirs; ATLAS had set atlas",
        "drift web: memory is 1GiB; ATLAS had set 512MiB",
    ]
