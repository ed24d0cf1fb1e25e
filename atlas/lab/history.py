"""The history of a lab: every call that came and every fault that struck, in the order of their coming."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

KEPT = 20_000  # entries; the oldest go first
LONGEST = 2_000  # characters of a path


class History:
    """Calls and faults as dicts; without values of parameters, which may be secrets.

    Args:
        now: The lab's time.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._now = now
        self._number = 0

    def _add(self, kind: str, **what: Any) -> dict[str, Any]:
        self._number += 1
        entry = {"n": self._number, "at": round(self._now(), 3), "kind": kind, **what}
        self.entries.append(entry)
        return entry

    def call(self, method: str, path: str) -> dict[str, Any]:
        """Note a call; its entry gets user, status and reason later. A severed call never gets a status."""
        return self._add("call", method=method, path=path[:LONGEST], user=None, status=None, reason=None)

    def fault(self, call: int, fault: str, effect: str) -> None:
        """Note that a fault struck a call, given by its number."""
        self._add("fault", call=call, fault=fault, effect=effect)

    def clear(self) -> None:
        """Forget all entries, and count anew."""
        self.entries.clear()
        self._number = 0

    def lines(self) -> str:
        """Return the history as JSON lines."""
        return "".join(json.dumps(entry, separators=(",", ":"), ensure_ascii=False) + "\n" for entry in self.entries)
