"""Names, sizes and abilities of volumes on each type of storage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.lab import volumes


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (10 * 1024**3, "10G"),
        (3584 * 1024**2, "3584M"),
        (2147487744, "2097156K"),
        (1025, "1025"),
        (1024**4, "1T"),
        (512 * 1024**2, "512M"),
    ],
)
def test_sizes_are_printed_with_the_largest_unit_that_divides_them(size: int, text: str) -> None:
    assert volumes.format_size(size) == text


@given(st.integers(min_value=1, max_value=2**50))
def test_a_printed_size_reads_back(size: int) -> None:
    assert volumes.parse_size(volumes.format_size(size)) == size


def test_fractions_and_bare_bytes_are_sizes_but_words_are_not() -> None:
    assert volumes.parse_size("0.5G") == 512 * 1024**2
    assert volumes.parse_size("2147487744") == 2147487744
    with pytest.raises(ValueError, match="large"):
        volumes.parse_size("large")


@pytest.mark.parametrize(
    ("kind", "base", "linked"),
    [
        ("dir", "9000/base-9000-disk-0.qcow2", "9000/base-9000-disk-0.qcow2/101/vm-101-disk-0.qcow2"),
        ("nfs", "9000/base-9000-disk-0.raw", "9000/base-9000-disk-0.raw/101/vm-101-disk-0.qcow2"),
        ("zfspool", "base-9000-disk-0", "base-9000-disk-0/vm-101-disk-0"),
        ("rbd", "base-9000-disk-0", "base-9000-disk-0/vm-101-disk-0"),
        ("lvmthin", "base-9000-disk-0", "vm-101-disk-0"),
    ],
)
def test_linked_clones_are_named_after_their_base_but_on_lvm_thin(kind: str, base: str, linked: str) -> None:
    name = volumes.free_name(kind, 101, "qcow2" if kind in volumes.FILE_TYPES else "raw", [base])
    made = volumes.linked_volname(kind, base, 101, name)
    assert made == linked
    parsed = volumes.parse_volname(kind, made)
    assert parsed.vmid == 101
    assert (parsed.base is None) == (kind == "lvmthin")


@pytest.mark.parametrize(
    ("kind", "volname", "snapshot", "able"),
    [
        ("dir", "1/base-1-disk-0.raw", False, True),
        ("dir", "1/vm-1-disk-0.qcow2", False, False),
        ("dir", "1/vm-1-disk-0.qcow2", True, False),
        ("lvmthin", "vm-1-disk-0", True, True),
        ("lvmthin", "base-1-disk-0", False, True),
        ("lvm", "vm-1-disk-0", True, False),
        ("rbd", "vm-1-disk-0", True, True),
        ("zfspool", "vm-1-disk-0", True, False),
        ("zfspool", "base-1-disk-0", False, True),
    ],
)
def test_what_can_be_cloned_linked(kind: str, volname: str, snapshot: bool, able: bool) -> None:
    assert volumes.has_feature(kind, "clone", volname, snapshot=snapshot) is able


def test_a_container_never_becomes_a_linked_clone_on_a_directory() -> None:
    assert not volumes.has_feature("dir", "clone", "1/base-1-disk-0.raw", container=True)
    assert volumes.has_feature("lvmthin", "clone", "base-1-disk-0", container=True)


def test_only_qcow2_files_take_snapshots_on_a_directory() -> None:
    assert volumes.has_feature("dir", "snapshot", "1/vm-1-disk-0.qcow2")
    assert not volumes.has_feature("dir", "snapshot", "1/vm-1-disk-0.raw")
    assert not volumes.has_feature("zfspool", "copy", "vm-1-disk-0", snapshot=True)


def test_the_next_disk_takes_the_lowest_number_free_in_any_format() -> None:
    taken = [
        "7/vm-7-disk-0.raw",
        "7/base-7-disk-1.qcow2",
        "7/vm-7-disk-3.raw",
        "7/vm-7-cloudinit.qcow2",
        "8/vm-8-disk-2.raw",
    ]
    assert volumes.free_name("dir", 7, "raw", taken) == "vm-7-disk-2.raw"
    assert volumes.free_name("zfspool", 7, "subvol", []) == "subvol-7-disk-0"


def test_names_that_are_none_are_refused_in_the_servers_words() -> None:
    with pytest.raises(ValueError, match="unable to parse directory volume name 'much'"):
        volumes.parse_volname("dir", "much")
    with pytest.raises(ValueError, match="unable to parse lvm volume name"):
        volumes.parse_volname("lvm", "base-1-disk-0")


def test_a_template_keeps_its_place_and_changes_its_name() -> None:
    assert volumes.base_volname("dir", "5/vm-5-disk-0.raw") == "5/base-5-disk-0.raw"
    assert (
        volumes.base_volname("dir", "1/base-1-disk-0.raw/5/vm-5-disk-0.qcow2")
        == "1/base-1-disk-0.raw/5/base-5-disk-0.qcow2"
    )
    assert volumes.base_volname("lvmthin", "vm-5-disk-0") == "base-5-disk-0"


def test_block_storages_round_up() -> None:
    assert volumes.rounded("lvmthin", 5 * 1024**2) == 8 * 1024**2
    assert volumes.rounded("dir", 5) == 5
