"""The lab's records notice every change and come back from their file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from atlas.lab.records import Record, Store


@dataclass
class Thing(Record):
    name: str
    count: int = 0
    config: dict[str, Any] = field(default_factory=dict)


def test_what_was_flushed_is_there_without_a_close(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    table = store.table("things", Thing)
    table["a"] = Thing("a", config={"deep": {"x": [1, {"y": 2}]}})
    table["b"] = Thing("b")
    store.flush()
    again = Store(tmp_path / "state.sqlite").table("things", Thing)
    assert list(again) == ["a", "b"]
    assert again["a"].config == {"deep": {"x": (1, {"y": 2})}}


@pytest.mark.parametrize(
    "change",
    [
        lambda thing: setattr(thing, "count", 5),
        lambda thing: thing.config.update(k=1),
        lambda thing: thing.config.pop("old"),
        lambda thing: thing.config.__delitem__("old"),
        lambda thing: thing.config.setdefault("new", {}),
        lambda thing: thing.config["deep"].update(z=1),
        lambda thing: thing.config.clear(),
        lambda thing: thing.config.__ior__({"k": 2}),
    ],
)
def test_each_way_of_changing_a_record_is_saved(tmp_path: Path, change: Any) -> None:
    store = Store(tmp_path / "state.sqlite")
    table = store.table("things", Thing)
    table["a"] = Thing("a", config={"old": 1, "deep": {}})
    store.flush()
    change(table["a"])
    store.flush()
    again = Store(tmp_path / "state.sqlite").table("things", Thing)
    assert again["a"] == table["a"]
    assert again["a"].config == table["a"].config


def test_removed_records_are_gone_and_order_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    table = store.table("things", Thing)
    for name in "abc":
        table[name] = Thing(name)
    store.flush()
    removed = table.pop("b")
    table["a"].count = 1
    store.flush()
    removed.count = 9  # no longer in the table: nothing to save
    store.flush()
    assert list(Store(tmp_path / "state.sqlite").table("things", Thing)) == ["a", "c"]


def test_only_changes_are_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    table = store.table("things", Thing)
    table["a"] = Thing("a")
    store.flush()
    assert table["a"].config.get("x") is None
    assert not table.dirty


def test_a_view_is_made_anew_only_after_a_change() -> None:
    table = Store(None).table("things", Thing)
    table["a"] = Thing("a", 1)
    made = []

    def total(things: Any) -> int:
        made.append(1)
        return sum(thing.count for thing in things.values())

    assert (table.view(total), table.view(total), len(made)) == (1, 1, 1)
    table["a"].count = 5
    assert (table.view(total), len(made)) == (5, 2)
