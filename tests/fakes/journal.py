"""A journal in memory, for tests of what writes one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from atlas.ports.cluster import Entry
from atlas.state import Attributes


class MemoryJournal:
    """Implements `ports.Journal` without a disk."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()
        self.set: dict[str, dict[str, Any]] = {}
        self.identities: dict[str, str] = {}
        self.released: list[str] = []

    def intend(self, guest: str, step: str, **intent: Any) -> int:
        with self._lock:
            self._entries.append(Entry(len(self._entries), guest, step, intent, None))
            return len(self._entries) - 1

    def settle(self, entry: int, **outcome: Any) -> None:
        with self._lock:
            before = self._entries[entry]
            self._entries[entry] = replace(before, outcome={**(before.outcome or {}), **outcome})

    def note(self, guest: str, step: str, **intent: Any) -> None:
        self.settle(self.intend(guest, step, **intent), done=True)

    def entries(self, guest: str | None = None) -> Sequence[Entry]:
        return [e for e in self._entries if guest in (None, e.guest)]

    def applied(self, guest: str, attributes: Attributes, removed: Iterable[str] = ()) -> None:
        merged = {**self.set.get(guest, {}), **attributes}
        self.set[guest] = {p: v for p, v in merged.items() if p not in set(removed)}

    def made(self, guest: str, *, uuid: str, node: str) -> None:
        self.note(guest, "made", uuid=uuid, node=node)
        self.identities[guest] = uuid

    def gone(self, guest: str) -> None:
        self.released.append(guest)
