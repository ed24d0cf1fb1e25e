"""The journal of one run: intents before calls, outcomes after them, and what was set."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from atlas.errors import NotFound
from atlas.ports.cluster import Entry
from atlas.ports.store import Run
from atlas.state import Attributes
from atlas.store import leases
from atlas.store.database import Database, insert

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables


class RunJournal:
    """The journal of a run, in the database; implements `ports.Journal`."""

    def __init__(self, database: Database, run: Run, engine: str) -> None:
        self._database, self._run, self._engine = database, run, engine

    def intend(self, guest: str, step: str, **intent: Any) -> int:
        """Store an intent durably; return its id."""
        with self._database.transaction() as tables:
            return insert(tables, "journal", self._row(guest, step, intent))

    def note(self, guest: str, step: str, **intent: Any) -> None:
        """Store that a step is done."""
        with self._database.transaction() as tables:
            self._note(tables, guest, step, intent)

    def settle(self, entry: int, **outcome: Any) -> None:
        """Store what came of an intent, merged into what was stored of it before."""
        with self._database.transaction() as tables:
            rows = list(
                tables.table("journal").rows_where("id = ? AND run = ?", [entry, self._run.id], select="outcome")
            )
            if not rows:
                raise NotFound(f"run {self._run.id} has no journal entry {entry}")
            merged = {**json.loads(rows[0]["outcome"] or "{}"), **outcome}
            tables.table("journal").update(entry, {"outcome": json.dumps(merged)})

    def entries(self, guest: str | None = None) -> Sequence[Entry]:
        """Return the entries of this run in their order."""
        where, args = ("run = ?", [self._run.id]) if guest is None else ("run = ? AND guest = ?", [self._run.id, guest])
        with self._database.reading() as tables:
            rows = list(tables.table("journal").rows_where(where, args, order_by="id"))
        return [_entry(row) for row in rows]

    def applied(self, guest: str, attributes: Attributes, removed: Iterable[str] = ()) -> None:
        """Store attributes that ATLAS has now set, and forget those it has removed."""
        run = self._run
        with self._database.transaction() as tables:
            self._engine_of_stack(tables)
            leases.merge_applied(tables, run.cluster, run.stack, guest, attributes, removed)

    def made(self, guest: str, *, uuid: str, node: str) -> None:
        """Record in the guest's lease that it was made by us, with its identity; and as a step `made` that is done."""
        with self._database.transaction() as tables:
            self._note(tables, guest, "made", {"uuid": uuid, "node": node})
            self._engine_of_stack(tables)
            leases.change(tables, self._run.cluster, self._run.stack, guest, made=True, uuid=uuid, node=node)

    def gone(self, guest: str) -> None:
        """Release the guest's lease and forget what was applied; the last guest takes the stack with it."""
        cluster, stack = self._run.cluster, self._run.stack
        with self._database.transaction() as tables:
            lease = leases.find(tables, cluster, stack, guest)
            if lease is not None:
                leases.remove(tables, cluster, lease)
            leases.forget(tables, cluster, stack, guest)
            leases.forget_empty(tables, cluster, stack)

    def _row(self, guest: str, step: str, intent: Mapping[str, Any]) -> dict[str, Any]:
        return {"run": self._run.id, "guest": guest, "step": step, "intent": json.dumps(intent), "ts": time.time()}

    def _note(self, tables: Tables, guest: str, step: str, intent: Mapping[str, Any]) -> None:
        insert(tables, "journal", {**self._row(guest, step, intent), "outcome": json.dumps({"done": True})})

    def _engine_of_stack(self, tables: Tables) -> None:
        # Bound by the first change that was carried out, not by a plan that nobody approved.
        tables.execute(
            "UPDATE stacks SET engine = ? WHERE cluster = ? AND stack = ? AND engine IS NULL",
            [self._engine, self._run.cluster, self._run.stack],
        )


def _entry(row: dict[str, Any]) -> Entry:
    outcome = None if row["outcome"] is None else json.loads(row["outcome"])
    return Entry(row["id"], row["guest"], row["step"], json.loads(row["intent"]), outcome)
