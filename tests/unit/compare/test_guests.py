"""Guests that come, go and are renamed, and what goes with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fakes.comparing import seen, text, then
from fakes.stacks import made, work

from atlas.compare import compare

A, B = {"name": "a"}, {"name": "b"}
SETS: list[tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]] = [
    ([], [A], ["create a"]),
    ([A], [A, B], ["create b"]),
    ([A, B], [B], ["delete a"]),
    ([B, A], [A, B], []),
    ([A], [B], ["delete a", "create b"]),
    ([{"count": 3}], [{"count": 1}], ["delete web-2", "delete web-3"]),
    ([{"count": 1}], [{"count": 3}], ["create web-2", "create web-3"]),
    ([{"count": 2}], [{}], ["create web", "delete web-1", "delete web-2"]),
    ([{"count": 12}], [{"count": 10}], ["delete web-11", "delete web-12"]),
]


@pytest.mark.parametrize(("before", "after", "expected"), SETS)
def test_guests_that_come_and_go(
    before: list[dict[str, Any]], after: list[dict[str, Any]], expected: list[str]
) -> None:
    there = made(work(*before)) if before else replace(work(A), instances=(), leases={})
    assert sorted(text(compare(then(there, *after)))) == sorted(expected)


def test_destroy_deletes_all() -> None:
    before = replace(made(work(A, B)), destroy=True)
    assert text(compare(before)) == ["delete a", "delete b"]


def test_a_rename_is_explicit_and_keeps_the_guest() -> None:
    before = made(work(A))
    (change,) = compare(then(before, {"name": "b", "renamed_from": "a"}, renames={"b": "a"}))
    assert (text((change,)), change.renamed_from, change.vmid) == (["update b name:a>b"], "a", 10_000)
    assert any("boots next" in note for note in change.notes)


def test_a_rename_of_a_counted_group_keeps_every_guest() -> None:
    before = made(work({"name": "a", "count": 2}))
    renames = {"b-1": "a-1", "b-2": "a-2"}
    changes = compare(then(before, {"name": "b", "count": 2, "renamed_from": "a"}, renames=renames))
    assert text(changes) == ["update b-1 name:a-1>b-1", "update b-2 name:a-2>b-2"]


def test_a_lease_that_was_never_made_is_no_change() -> None:
    assert compare(replace(work({}), destroy=True)) == ()


def test_a_guest_that_goes_names_what_goes_with_it() -> None:
    before = seen(made(work({})), snapshots=("before",), config={"unused0": "shared-nfs:vm-10000-disk-9"})
    (change,) = compare(replace(before, destroy=True))
    assert "before" in " ".join(change.notes)
    assert "shared-nfs:vm-10000-disk-9" in " ".join(change.notes)


def test_a_dropped_disk_is_kept() -> None:
    (change,) = compare(then(made(work({"disks": [{}, {"size": "5GiB"}]})), {"disks": [{}]}))
    assert change.notes == ("disks[1] (5GiB) is detached and kept as an unused disk",)
