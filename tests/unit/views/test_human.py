"""What a person reads of events."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from atlas.events import Emitter, EventType
from atlas.views.human import HumanView, indented


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


PLAN = """\
This is the plan:

  + create web-1: vm 10000 on pve1, 2 cores, 4GiB, 10.42.0.10/24
- there is no node 'pve9' (nodes: pve1, pve2, pve3)
Approve this plan for cluster lab? (yes/no)"""


def test_what_is_said_is_wrapped_below_where_it_begins() -> None:
    assert indented(PLAN, 36).splitlines() == [
        "  This is the plan:",
        "",
        "    + create web-1: vm 10000 on",
        "      pve1, 2 cores, 4GiB,",
        "      10.42.0.10/24",
        "  - there is no node 'pve9' (nodes:",
        "    pve1, pve2, pve3)",
        "  Approve this plan for cluster",
        "  lab? (yes/no)",
    ]
    assert indented(PLAN, None).splitlines()[2:4] == [f"  {line}" for line in PLAN.splitlines()[2:4]]


def test_a_failure_is_shown_as_a_fault_and_not_said_as_well() -> None:
    out = StringIO()
    emit = Emitter((HumanView(Console(file=out, width=200)),))
    emit(EventType.MESSAGE, source="validator", text="the spec has 1 fault", error="SpecError")
    emit(EventType.DIAGNOSTIC, severity="error", summary="16MiB is too little memory", where="", detail="", hint="")
    assert out.getvalue() == "error 16MiB is too little memory\n"
