"""Pending values, deletions, digests and unused disks of a guest's config."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atlas.lab import guest_config as gc

KEYS = st.sampled_from(["cores", "memory", "name", "agent", "tags"])
CONFIG = st.dictionaries(KEYS, st.integers(1, 5))


def test_views_of_a_config_with_a_change_an_addition_and_a_deletion() -> None:
    config: dict[str, Any] = {"memory": "128", "agent": "1"}
    pending: dict[str, Any] = {"memory": "256", "cores": 2}
    gc.add_delete(pending, "agent")
    assert gc.merged(config, pending) == {"memory": "256", "cores": 2}
    assert gc.pending_list(config, pending) == [
        {"key": "memory", "value": "128", "pending": "256"},
        {"key": "agent", "value": "1", "delete": 1},
        {"key": "cores", "pending": 2},
    ]


def test_a_forced_deletion_shows_as_two_and_can_be_taken_back() -> None:
    pending: dict[str, Any] = {"scsi1": "x"}
    gc.add_delete(pending, "scsi1", force=True)
    assert gc.pending_list({"scsi1": "y"}, pending) == [{"key": "scsi1", "value": "y", "delete": 2}]
    gc.drop_delete(pending, "scsi1")
    assert pending == {}


@given(CONFIG, CONFIG, st.sets(KEYS))
def test_cleaning_changes_no_outcome(config: dict[str, Any], pending: dict[str, Any], gone: set[str]) -> None:
    for key in gone:
        gc.add_delete(pending, key)
    before = gc.merged(config, pending)
    gc.clean_pending(config, pending)
    assert gc.merged(config, pending) == before
    assert all(config.get(key) != value for key, value in pending.items())


@given(CONFIG, CONFIG)
def test_the_digest_tells_any_two_configs_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (gc.digest(one, {}, {}) == gc.digest(other, {}, {})) == (one == other)
    assert (gc.digest({}, one, {}) == gc.digest({}, other, {})) == (one == other)


def test_unused_disks_take_the_lowest_number_once() -> None:
    config: dict[str, Any] = {"unused0": "a:1"}
    assert gc.add_unused(config, "a:2") == "unused1"
    assert gc.add_unused(config, "a:2") is None
    assert config == {"unused0": "a:1", "unused1": "a:2"}
