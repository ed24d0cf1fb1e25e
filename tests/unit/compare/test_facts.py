"""What is planned and told when the cluster shows something else than was applied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fakes.comparing import seen, text
from fakes.stacks import made, work

from atlas.compare import compare, drift
from atlas.plan import Action

BY_HAND: list[tuple[dict[str, Any], list[str]]] = [
    # what somebody changed on the guest; what the next plan does about it
    ({"attributes": {"memory": 4096}}, ["memory:4096>2048!"]),
    ({"attributes": {"tags": ("atlas", "mine")}}, []),
    ({"attributes": {"tags": ("mine",)}}, ["tags:('mine',)>('atlas', 'mine')"]),
    ({"attributes": {"tags": None}}, ["tags:None>('atlas',)"]),
    ({"attributes": {"disks[3].size": 1024, "disks[3].bus": "scsi"}}, []),
    ({"attributes": {"networks[1].bridge": "vmbr7"}}, []),
    ({"attributes": {"pool": "theirs"}}, []),
    ({"attributes": {"balloon": 512}}, []),
    ({"attributes": {"name": "other"}}, ["name:other>web"]),
    ({"attributes": {"disks[0].size": 8192}}, ["disks[0].size:8192>10240"]),
    ({"node": "pve2", "attributes": {"node": "pve2"}}, []),
    ({"pending": {"memory": 2048}, "attributes": {"memory": 1024}}, ["memory:1024>2048!"]),
    ({"pending": {"memory": 8192}}, ["memory:8192>2048"]),
    ({"pending": {"balloon": 512}}, []),
    ({"running": False, "attributes": {"running": False}}, ["running:False>True"]),
    ({"lock": "backup", "attributes": {"memory": 1024}}, ["memory:1024>2048!"]),
]


@pytest.mark.parametrize(("facts", "expected"), BY_HAND)
def test_what_others_changed(facts: dict[str, Any], expected: list[str]) -> None:
    changes = compare(seen(made(work({})), **facts))
    assert text(changes) == ([" ".join(["update", "web", *expected])] if expected else [])


def test_a_foreign_guest_under_a_lease_that_ends_is_left_alone() -> None:
    (change,) = compare(replace(seen(made(work({})), uuid="x"), destroy=True))
    assert (change.action, change.notes) == (
        Action.DELETE,
        ("another guest has its VMID now and is left alone; its lease ends",),
    )


def test_a_guest_that_vanished_is_made_anew() -> None:
    before = made(work({}))
    guests = {9000: before.state.guests[9000]}
    (change,) = compare(replace(before, state=replace(before.state, guests=guests)))
    assert change.action is Action.CREATE
    assert "made anew" in change.notes[0]


def test_a_guest_with_our_stamp_that_no_run_recorded_is_taken_over() -> None:
    before = made(work({}))
    leases = {"web": replace(before.leases["web"], made=False, uuid=None)}
    (change,) = compare(seen(replace(before, leases=leases, applied={}), attributes={"memory": 512}))
    assert text((change,)) == ["update web memory:512>2048!"]
    assert "taken over" in change.notes[0]


DRIFTS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"attributes": {"memory": 1024}}, ["memory:2048>1024"]),
    ({"attributes": {"tags": ("atlas", "x")}}, ["tags:('atlas',)>('atlas', 'x')"]),
    ({"attributes": {"disks[2].size": 1024}}, ["disks[2].size:None>1024"]),
    ({"attributes": {"networks[1].bridge": "b"}}, ["networks[1].bridge:None>b"]),
    ({"attributes": {"running": False}, "running": False}, ["running:True>False"]),
    ({"uuid": "x"}, ["running:True>None"]),
]


@pytest.mark.parametrize(("facts", "expected"), DRIFTS)
def test_drift(facts: dict[str, Any], expected: list[str]) -> None:
    assert [f"{d.path}:{d.expected}>{d.observed}" for d in drift(seen(made(work({})), **facts))] == expected


def test_what_ansible_did_is_no_attribute_of_the_cluster() -> None:
    before = made(work({}))
    (key,) = before.applied
    after = replace(before, applied={key: {**before.applied[key], "configured": "5d3f", "software": ("nginx",)}})
    assert compare(after) == ()


def test_what_ansible_did_is_no_drift() -> None:
    work_ = made(work({}))
    applied = {key: {**values, "configured": "abc", "software": ("nginx",)} for key, values in work_.applied.items()}
    assert drift(replace(work_, applied=applied)) == ()
