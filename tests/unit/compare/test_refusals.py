"""What the comparison refuses, with words that say what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fakes.comparing import seen, text, then
from fakes.stacks import made, work

from atlas.compare import compare
from atlas.errors import SpecError

A, B = {"name": "a"}, {"name": "b"}
REFUSALS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    # VM before, VM after, facts, words of the refusal
    ({}, {"disks": [{"size": "5GiB"}]}, {}, "cannot shrink from 10GiB to 5GiB"),
    ({}, {}, {"attributes": {"disks[0].size": 20480}}, "cannot shrink from 20GiB to 10GiB"),
    ({}, {"disks": [{"bus": "virtio"}]}, {}, "is on scsi and cannot be put on virtio"),
    ({}, {"disks": [{"storage": "local"}]}, {"snapshots": ("s1",)}, "block moving disks[0] to local"),
    (
        {"disks": [{"storage": "local"}]},
        {"disks": [{"storage": "local", "size": "20GiB"}]},
        {"snapshots": ("s1",)},
        "block growing disks[0]",
    ),
    ({"protection": True}, {"protection": True, "image": "debian-13"}, {}, "is protected"),
    (
        {"protection": True, "disks": [{}, {}]},
        {"protection": True, "disks": [{}]},
        {},
        "is protected, so disks[1] cannot be changed",
    ),
    (
        {},
        {"disks": [{}, {"size": "5GiB"}]},
        {"attributes": {"disks[1].size": 2048, "disks[1].bus": "scsi"}},
        "has a disks[1] already that ATLAS did not make",
    ),
    (
        {},
        {"networks": [{}, {"bridge": "vmbr1"}]},
        {"attributes": {"networks[1].bridge": "vmbr7"}},
        "has a networks[1] already that ATLAS did not make",
    ),
    ({}, {}, {"uuid": "another"}, "is not ours"),
    ({}, {}, {"config": {"description": "mine"}}, "has lost its stamp"),
    ({}, {}, {"config": {"description": "atlas:other:farm:10000"}}, "has lost its stamp"),
    ({}, {}, {"config": {"description": "atlas:a1b2c3:farm:10001"}}, "has lost its stamp"),
]


@pytest.mark.parametrize(("before", "after", "facts", "words"), REFUSALS)
def test_refusals(before: dict[str, Any], after: dict[str, Any], facts: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        compare(then(seen(made(work(before)), **facts), after))
    (found,) = caught.value.diagnostics
    assert words in found.summary
    assert found.hint
    assert found.where.path.startswith("guests[0]")


def test_a_disk_on_block_storage_grows_in_spite_of_snapshots() -> None:
    block = {"storage": "local-lvm"}
    before = seen(made(work({"disks": [block]})), snapshots=("s1",))
    assert text(compare(then(before, {"disks": [{**block, "size": "20GiB"}]}))) == [
        "update web disks[0].size:10240>20480"
    ]


def test_all_faults_come_at_once() -> None:
    before = made(work(A, B))
    before = seen(seen(before, "a", uuid="x"), "b", attributes={"disks[0].size": 99_999})
    with pytest.raises(SpecError) as caught:
        compare(before)
    assert len(caught.value.diagnostics) == 2


def test_less_than_the_templates_disk_is_refused() -> None:
    with pytest.raises(SpecError, match="1 fault"):
        compare(work({"disks": [{"size": "2GiB"}]}))


def test_another_bus_than_the_templates_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        compare(work({"disks": [{"bus": "virtio"}]}))
    assert "boot disk is on scsi" in caught.value.diagnostics[0].summary


def test_protection_refuses_destroy() -> None:
    with pytest.raises(SpecError) as caught:
        compare(replace(made(work({"protection": True})), destroy=True))
    assert "protected" in caught.value.diagnostics[0].summary
