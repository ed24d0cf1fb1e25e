"""Records that remember their own changes, tables of them, and their SQLite file."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable, ItemsView, Iterator, Mapping, MutableMapping, ValuesView
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

Changed = Callable[[], None]


class Noted(dict[str, Any]):
    """A dict that says when it is changed, however deep; lists inside are tuples, so they are replaced whole."""

    __slots__ = ("_changed",)

    def __init__(self, values: Mapping[str, Any], changed: Changed) -> None:
        super().__init__()
        self._changed = changed
        for key, value in values.items():
            super().__setitem__(key, _noted(value, changed))

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, _noted(value, self._changed))
        self._changed()

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._changed()

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a key."""
        self._changed()
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        """Remove the last key."""
        self._changed()
        return super().popitem()

    def update(self, *others: Any, **values: Any) -> None:
        """Set several keys."""
        for key, value in dict(*others, **values).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, set first where it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Remove every key."""
        super().clear()
        self._changed()

    def __ior__(self, other: Any) -> Noted:  # type: ignore[override,misc]  # dict's own is overloaded
        self.update(other)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return plain(self)  # type: ignore[no-any-return]  # a dict of plain values


def _noted(value: Any, changed: Changed) -> Any:
    if isinstance(value, dict):
        return Noted(value, changed)
    if isinstance(value, list | tuple):
        return tuple(_noted(item, changed) for item in value)
    return value


def plain(value: Any) -> Any:
    """Return a copy of a value in plain dicts and lists, free of any record."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@dataclasses.dataclass
class Record:
    """One object of the world: setting a field, or a key of a dict in it, marks it to be saved."""

    def watch(self, changed: Changed) -> None:
        """Tell `changed` of every change from now on."""
        fields = self.__dict__
        for name, value in fields.items():
            if isinstance(value, dict | list | tuple):
                fields[name] = _noted(value, changed)
        fields["_changed"] = changed

    def __setattr__(self, name: str, value: Any) -> None:
        changed = self.__dict__.get("_changed")
        object.__setattr__(self, name, value if changed is None else _noted(value, changed))
        if changed is not None:
            changed()


def _nobody() -> None:
    """Take a change of a record that is in no table."""


R = TypeVar("R", bound=Record)
V = TypeVar("V")


class Table(MutableMapping[str, R], Generic[R]):
    """Records by their key; what is put in, changed or removed is saved at the next flush.

    Args:
        name: The table's name in the file.
        kind: The class of its records.
    """

    def __init__(self, name: str, kind: type[R]) -> None:
        self.name, self.kind = name, kind
        self.version = 0  # counts changes, so that what is derived from a table can be kept until then
        self.derived: dict[str, Any] = {}  # what others have worked out from a record; gone when that changes
        self.dirty: dict[str, None] = {}  # in the order of change, which is the order of making in the file
        self._rows: dict[str, R] = {}
        self._views: dict[Callable[[Table[R]], Any], tuple[int, Any]] = {}

    def _note(self, key: str) -> None:
        self.dirty[key] = None
        self.derived.pop(key, None)
        self.version += 1

    def view(self, make: Callable[[Table[R]], V]) -> V:
        """Return what a function makes of the whole table, kept until the table changes."""
        version, made = self._views.get(make, (-1, None))
        if version != self.version:
            made = make(self)
            self._views[make] = self.version, made
        return cast("V", made)

    def __getitem__(self, key: str) -> R:
        return self._rows[key]

    def get(self, key: str) -> R | None:  # type: ignore[override]  # Mapping's own raises and catches, far slower
        """Return a record, or None."""
        return self._rows.get(key)

    def __setitem__(self, key: str, record: R) -> None:
        self._rows[key] = record
        record.watch(lambda: self._note(key))
        self._note(key)

    def __delitem__(self, key: str) -> None:
        self._rows[key].watch(_nobody)
        del self._rows[key]
        self._note(key)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def values(self) -> ValuesView[R]:
        """Return a view of the records."""
        return self._rows.values()

    def items(self) -> ItemsView[str, R]:
        """Return a view of the keys and records."""
        return self._rows.items()

    def load(self, key: str, fields: dict[str, Any]) -> None:
        """Put in a record that was read from the file; fields that the class no longer has are dropped."""
        known = {item.name for item in dataclasses.fields(self.kind)}
        record = self.kind(**{name: value for name, value in fields.items() if name in known})
        self._rows[key] = record
        record.watch(lambda: self._note(key))

    def text(self, key: str) -> str | None:
        """Return a record as it is saved, or None for one that is gone."""
        record = self._rows.get(key)
        if record is None:
            return None
        fields = {item.name: getattr(record, item.name) for item in dataclasses.fields(record)}
        return json.dumps(fields, separators=(",", ":"))


class Store:
    """The SQLite file behind the tables.

    A write is in the operating system's hands when flush() returns, so a killed process loses nothing of it.

    Args:
        path: The file, or None to keep nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.tables: dict[str, Table[Any]] = {}
        self._saved: dict[str, list[tuple[str, str]]] = {}
        self._file: sqlite3.Connection | None = None
        if path is not None:
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._file.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
                "CREATE TABLE IF NOT EXISTS records (kind TEXT, id TEXT, data TEXT, PRIMARY KEY (kind, id));"
            )
            for kind, key, data in self._file.execute("SELECT kind, id, data FROM records ORDER BY rowid"):
                self._saved.setdefault(kind, []).append((key, data))

    def table(self, name: str, kind: type[R]) -> Table[R]:
        """Return a table, filled from the file the first time it is asked for."""
        known = self.tables.get(name)
        if known is None:
            known = self.tables[name] = Table(name, kind)
            for key, data in self._saved.pop(name, []):
                known.load(key, json.loads(data))
        return cast("Table[R]", known)

    def names(self) -> list[str]:
        """Return the names of every table that holds something, here or in the file."""
        return sorted({*self._saved, *(name for name, table in self.tables.items() if table)})

    def flush(self) -> None:
        """Save what changed, in one transaction."""
        dirty = [table for table in self.tables.values() if table.dirty]
        if not dirty:
            return
        if self._file is not None:
            self._file.execute("BEGIN")
            for table in dirty:
                for key in table.dirty:
                    text = table.text(key)
                    if text is None:
                        self._file.execute("DELETE FROM records WHERE kind=? AND id=?", (table.name, key))
                    else:
                        # Not REPLACE: it would give a new row number, and rows are read in the order of their making.
                        self._file.execute(
                            "INSERT INTO records VALUES (?,?,?) ON CONFLICT DO UPDATE SET data=excluded.data",
                            (table.name, key, text),
                        )
            self._file.execute("COMMIT")
        for table in dirty:
            table.dirty.clear()

    def close(self) -> None:
        """Save what changed and close the file."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
