"""Placement: who can hold a guest, who has room, groups, and that what is placed stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.instances import Instance, instances
from atlas.placement import place
from atlas.spec import Stack
from atlas.state import Node, State, Storage

GIB = 1024


def cluster(*free: int, storages: dict[str, str] | None = None) -> State:
    """Return a cluster of nodes n1, n2 … with this many GiB free of 64; `storages` maps a name to its nodes."""
    nodes = {
        f"n{i}": Node(f"n{i}", True, 8, 64 * GIB, (64 - f) * GIB, frozenset({"vmbr0"})) for i, f in enumerate(free, 1)
    }
    found = [
        Storage(name, node, "dir", False, frozenset({"images"}), 1, 1)
        for name, where in (storages or {}).items()
        for node in where.split()
    ]
    return State("c", "9.2", nodes, tuple(found), {})


def wanted(*guests: dict[str, Any]) -> tuple[Instance, ...]:
    return instances(Stack.model_validate({"metadata": {"name": "s"}, "guests": list(guests)}))


def nodes(state: State, *guests: dict[str, Any], **options: Any) -> dict[str, str]:
    found, faults = place(wanted(*guests), state, placed=options.get("placed", {}), near=options.get("near", {}))
    assert faults == []
    return found


def fault(state: State, *guests: dict[str, Any]) -> str:
    _, (found,) = place(wanted(*guests), state, placed={}, near={})
    return f"{found.where.path}: {found.summary} {found.detail}"


def test_the_freest_node_is_taken_and_siblings_spread() -> None:
    assert nodes(cluster(8, 32, 16), {"name": "a"}) == {"a": "n2"}
    found = nodes(cluster(30, 30, 30), {"name": "a", "count": 3})
    assert sorted(found.values()) == ["n1", "n2", "n3"]


def test_the_template_s_node_is_preferred_among_those_with_as_few_siblings() -> None:
    assert nodes(cluster(8, 32), {"name": "a"}, near={"a": "n1"}) == {"a": "n1"}


def test_what_is_placed_stays_unless_the_spec_names_a_node() -> None:
    assert nodes(cluster(1, 60), {"name": "a"}, placed={"a": "n1"}) == {"a": "n1"}
    assert nodes(cluster(1, 60), {"name": "a", "node": "n2"}, placed={"a": "n1"}) == {"a": "n2"}


def test_groups_keep_together_and_apart() -> None:
    together = {"keep_together": "x"}
    found = nodes(cluster(9, 8, 8), {"name": "a", **together}, {"name": "b", **together})
    assert found["a"] == found["b"]
    apart = nodes(cluster(60, 8), {"name": "a", "keep_apart": "x"}, {"name": "b", "keep_apart": "x"})
    assert apart["a"] != apart["b"]


@pytest.mark.parametrize(
    ("guests", "words"),
    [
        ([{"name": "a", "node": "n9"}], "guests[0].node: there is no node 'n9'"),
        ([{"name": "a", "memory": "32GiB"}], "n1: it has 8GiB of memory left, 32GiB is needed"),
        (
            [{"name": "a", "networks": [{"bridge": "vmbr7"}]}],
            "guests[0].networks[0].bridge: there is no bridge 'vmbr7'",
        ),
        ([{"name": "a", "disks": [{"storage": "fast"}]}], "guests[0].disks[0].storage: there is no storage 'fast'"),
        ([{"name": "a", "kind": "container", "disks": [{"storage": "data"}]}], "its storage data holds no rootdir"),
        ([{"name": "a", "node": "n3", "disks": [{"storage": "data"}]}], "it has no storage data"),
        ([{"name": "a", "cpu": {"cores": 16}}], "it has only 8 processors"),
        ([{"name": x, "keep_apart": "g", "node": "n1"} for x in "ab"], "a and b are both on n1"),
    ],
)
def test_what_cannot_be_placed_is_said_with_the_reason(guests: list[dict[str, Any]], words: str) -> None:
    assert words in fault(cluster(8, 8, 8, storages={"data": "n1 n2"}), *guests)


def test_what_no_node_has_is_said_once_for_a_group_with_everything_else_that_is_wrong() -> None:
    guest = {"name": "a", "count": 3, "node": "n9", "disks": [{"storage": "x"}], "networks": [{"bridge": "y"}]}
    _, found = place(wanted(guest), cluster(8), placed={"a-1": "n1"}, near={})
    assert [(d.where.path, d.summary) for d in found] == [
        ("guests[0].disks[0].storage", "there is no storage 'x'"),
        ("guests[0].networks[0].bridge", "there is no bridge 'y'"),
        ("guests[0].node", "there is no node 'n9'"),
    ]


def test_siblings_that_find_no_room_are_told_as_one() -> None:
    placed, found = place(wanted({"name": "a", "count": 300}), cluster(8, 4), placed={}, near={})
    assert [d.summary for d in found] == [f"no node can hold a-{len(placed) + 1} and {299 - len(placed)} more of a"]


@given(st.lists(st.integers(1, 16), min_size=1, max_size=12), st.lists(st.integers(2, 40), min_size=1, max_size=4))
def test_no_node_is_ever_given_more_than_it_has(sizes: list[int], free: list[int]) -> None:
    guests = wanted(*({"name": f"g{i}", "memory": f"{size}GiB"} for i, size in enumerate(sizes)))
    found, faults = place(guests, cluster(*free), placed={}, near={})
    assert len(found) + len(faults) == len(guests)
    for number, room in enumerate(free, 1):
        assert sum(i.guest.memory for i in guests if found.get(i.key) == f"n{number}") <= room * GIB
