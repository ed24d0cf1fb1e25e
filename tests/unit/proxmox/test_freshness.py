"""What may have happened to the cluster between plan and apply: only what was approved is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atlas import attributes
from atlas.compare import compare
from atlas.errors import StalePlan
from atlas.instances import instances
from atlas.ownership import Owner, owner
from atlas.plan import Plan
from atlas.ports.cluster import Work
from atlas.proxmox.engine import check_freshness
from atlas.spec import Stack
from atlas.state import Lease, Observed, Stamp, State


def work(*guests: Mapping[str, Any], made: bool = True) -> Work:
    """Return the work of a stack whose guests are there as wanted, or are not there at all."""
    entries = [{"image": "debian-12", "networks": [], **g} for g in guests]
    wanted = instances(Stack.model_validate({"metadata": {"name": "s"}, "guests": entries}))
    leases = {
        one.key: Lease(
            "s", one.group, one.index, "vm", 100 + n, "n", "9", "n", uuid=f"u{n}" if made else None, made=made
        )
        for n, one in enumerate(wanted)
    }
    whole = Work("s", "i", "key", wanted, leases, {}, State("cluster:c", "9", {}, (), {}), Path("/x"))
    if not made:
        return whole
    values = {one.key: attributes.wanted(one, leases[one.key], whole) for one in wanted}
    guests_ = {x.vmid: observed(x, values[k]) for k, x in leases.items()}
    return replace(whole, applied=values, state=replace(whole.state, guests=guests_))


def observed(lease: Lease, values: Mapping[str, Any]) -> Observed:
    shown = {p: v for p, v in values.items() if p != "image"}
    config = {"description": str(Stamp("i", "s", lease.vmid))}
    return Observed(lease.vmid, "vm", lease.key, "n", True, config=config, attributes=shown, uuid=lease.uuid)


def planned(whole: Work) -> Plan:
    leases = tuple(whole.leases.values())
    return Plan("s", "c", "cluster:c", "api", compare(whole), leases, {}, {}, whole.destroy, {})


def shown(whole: Work, vmid: int, **values: Any) -> Work:
    """Return the work with some attributes of an observed guest changed."""
    guest = whole.state.guests[vmid]
    after = replace(guest, attributes={**guest.attributes, **values})
    return replace(whole, state=replace(whole.state, guests={**whole.state.guests, vmid: after}))


BEFORE = work({"name": "a"}, {"name": "b"})
LARGER = replace(BEFORE, instances=work({"name": "a", "memory": "4GiB"}, {"name": "b"}).instances)


def test_an_unchanged_cluster_is_fresh() -> None:
    check_freshness(LARGER, planned(LARGER), set())


def test_what_somebody_did_already_is_fresh() -> None:
    check_freshness(shown(LARGER, 100, memory=4096), planned(LARGER), set())


@pytest.mark.parametrize(
    ("vmid", "values"),
    [(100, {"memory": 1024}), (100, {"cpu.cores": 1}), (101, {"memory": 1024}), (100, {"running": False})],
)
def test_other_changes_make_the_plan_stale(vmid: int, values: dict[str, Any]) -> None:
    with pytest.raises(StalePlan, match="plan was made"):
        check_freshness(shown(LARGER, vmid, **values), planned(LARGER), set())


def test_guests_that_the_run_has_begun_with_are_judged_by_its_journal() -> None:
    check_freshness(shown(LARGER, 100, memory=1024), planned(LARGER), {"a"})
    with pytest.raises(StalePlan):
        check_freshness(shown(LARGER, 101, memory=1024), planned(LARGER), {"a"})


def test_a_guest_that_vanished_makes_the_plan_stale() -> None:
    rest = {v: g for v, g in LARGER.state.guests.items() if v != 101}
    with pytest.raises(StalePlan, match="for b"):
        check_freshness(replace(LARGER, state=replace(LARGER.state, guests=rest)), planned(LARGER), set())


def test_a_guest_of_others_under_our_vmid_makes_the_plan_stale() -> None:
    new = work({"name": "a"}, made=False)
    plan = planned(new)
    other = Observed(100, "vm", "theirs", "n")
    with pytest.raises(StalePlan, match="not ours"):
        check_freshness(replace(new, state=replace(new.state, guests={100: other})), plan, set())


def test_another_cluster_is_refused() -> None:
    elsewhere = replace(LARGER, state=replace(LARGER.state, identity="cluster:other"))
    with pytest.raises(StalePlan, match="cluster:other"):
        check_freshness(elsewhere, planned(LARGER), set())


def test_a_rename_that_has_begun_may_still_have_its_lease_under_the_former_name() -> None:
    renamed = work({"name": "z", "renamed_from": "a"}, {"name": "b"}).instances
    later = replace(BEFORE, instances=renamed, renames={"z": "a"})
    plan = planned(later)
    assert [c.renamed_from for c in plan.changes] == ["a"]
    check_freshness(later, plan, set())
    check_freshness(later, plan, {"z"})


OURS = str(Stamp("i", "s", 100))
OWNERS: list[tuple[bool, str | None, str | None, str, Owner]] = [
    # made, recorded identity, identity there, notes
    (True, "u", "u", OURS, Owner.OURS),
    (True, "u", "u", f"text\n{OURS}\nmore", Owner.OURS),
    (True, "u", "v", OURS, Owner.OTHER),
    (True, "u", None, OURS, Owner.OTHER),
    (True, "u", "u", "", Owner.UNSTAMPED),
    (True, "u", "u", str(Stamp("other", "s", 100)), Owner.UNSTAMPED),
    (True, "u", "u", str(Stamp("i", "t", 100)), Owner.UNSTAMPED),
    (True, "u", "u", str(Stamp("i", "s", 101)), Owner.UNSTAMPED),
    (False, None, "v", OURS, Owner.UNRECORDED),
    (False, None, "v", "", Owner.OTHER),
    (False, None, "v", str(Stamp("i", "s", 101)), Owner.OTHER),
    (False, None, "v", " qmclone temporary file", Owner.OTHER),
]


@pytest.mark.parametrize(("made", "recorded", "there", "notes", "expected"), OWNERS)
def test_whose_guest_it_is(made: bool, recorded: str | None, there: str | None, notes: str, expected: Owner) -> None:
    lease = Lease("s", "a", 0, "vm", 100, "n", "9", "n", uuid=recorded, made=made)
    guest = Observed(100, "vm", "a", "n", config={"description": notes}, uuid=there)
    assert owner(lease, guest, "i") is expected
    assert owner(lease, None, "i") is Owner.NOBODY
