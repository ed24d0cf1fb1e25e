"""The store in one SQLite file: sessions, messages, plans, approvals, runs, stacks."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atlas import phases
from atlas.errors import NotFound, SessionCorrupt, StateError
from atlas.phases import Phase
from atlas.plan import Plan
from atlas.ports.cluster import Journal
from atlas.ports.store import Approval, Message, Run, Session
from atlas.ports.templates import TemplateRecord
from atlas.redact import plain
from atlas.state import Attributes, Lease
from atlas.store import leases
from atlas.store.database import Database, insert
from atlas.store.hold import hold
from atlas.store.journal import RunJournal

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that is read as something else
_FIELDS = frozenset({"phase", "cluster", "stack", "draft", "plan", "run"})
_STACK = "cluster = ? AND stack = ?"


class SqliteStore:
    """Everything that survives, in `home/atlas.db`; implements `ports.Store`, safe to use from several threads.

    Args:
        home: ATLAS's folder; made with mode 0700.

    Raises:
        SessionCorrupt: The file is damaged.
        StateError: The file cannot be opened.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._database = Database(home / "atlas.db")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def installation(self) -> str:
        """Return the id of this installation, made at the first call."""
        with self._database.transaction() as tables:
            tables.table("meta").insert({"key": "installation", "value": _code(8)}, ignore=True)
            return str(tables.table("meta").get("installation")["value"])

    # sessions
    def new_session(self, origin: str, cluster: str | None) -> Session:
        """Store a new session in phase collecting; its id is the origin's name and four letters or digits."""
        stem = "".join(c if c.isascii() and c.isalnum() else "-" for c in Path(origin).stem.lower()).strip("-")
        now, origin = time.time(), _text(origin)
        session = Session("", origin, Phase.COLLECTING, cluster, None, {}, None, None, now, now)
        with self._database.transaction() as tables:
            taken = {row["id"].rsplit("-", 1)[-1] for row in tables.table("sessions").rows_where(select="id")}
            code = next(c for c in iter(lambda: _code(4), "") if c not in taken)
            row = {**asdict(session), "id": f"{stem[:24].strip('-') or 'chat'}-{code}", "draft": "{}"}
            tables.table("sessions").insert(row)
        return _session(row)

    def session(self, id_: str) -> Session:
        """Return a session by its id, an unambiguous beginning of it, or its last four characters alone."""
        with self._database.reading() as tables:
            rows = list(tables.table("sessions").rows_where(order_by="updated desc"))
        exact = [row for row in rows if row["id"] == id_]
        near = exact or [row for row in rows if id_ and (row["id"].startswith(id_) or row["id"].endswith(f"-{id_}"))]
        if len(near) == 1:
            return _session(near[0])
        if near:
            raise NotFound(
                f"more than one session begins with {id_!r}: {', '.join(r['id'] for r in near[:5])}", "type more of it"
            )
        latest = f"; the latest is {rows[0]['id']}" if rows else ""
        raise NotFound(f"there is no session {id_!r}{latest}", "`atlas sessions list` shows all of them")

    def sessions(self) -> Sequence[Session]:
        """Return all sessions, the latest first."""
        with self._database.reading() as tables:
            return [_session(row) for row in tables.table("sessions").rows_where(order_by="updated desc, rowid desc")]

    def update_session(self, id_: str, **fields: Any) -> Session:
        """Change fields of a session; a phase is only changed as the phase table allows."""
        if unknown := set(fields) - _FIELDS:
            raise TypeError(f"a session has no field {', '.join(sorted(unknown))} that may be changed")
        with self._database.transaction() as tables:
            before = _session(_row(tables.table("sessions"), id_, "session"))
            after = Phase(fields.get("phase", before.phase))
            if after is not before.phase and not phases.allowed(before.phase, after):
                raise StateError(f"session {id_} is {before.phase} and cannot become {after}")
            values = {**fields, "phase": after.value, "updated": time.time()}
            if "draft" in fields:
                values["draft"] = json.dumps(fields["draft"])
            tables.table("sessions").update(id_, values)
            return _session(tables.table("sessions").get(id_))

    def say(self, session: str, source: str, text: str, data: Mapping[str, Any] | None = None) -> Message:
        """Store a message."""
        now, text = time.time(), _text(text)
        row = {"session": session, "source": source, "text": text, "ts": now, "data": json.dumps(dict(data or {}))}
        with self._database.transaction() as tables:
            _row(tables.table("sessions"), session, "session")
            tables.table("sessions").update(session, {"updated": now})
            number = insert(tables, "messages", row)
        return Message(number, source, text, now, dict(data or {}))

    def messages(self, session: str, last: int | None = None) -> Sequence[Message]:
        """Return a session's messages in their order, or only the last ones."""
        with self._database.reading() as tables:
            rows = list(tables.table("messages").rows_where("session = ?", [session], order_by="id desc", limit=last))
        return [Message(r["id"], r["source"], r["text"], r["ts"], _json(r["data"], session)) for r in reversed(rows)]

    def hold(self, kind: str, name: str) -> AbstractContextManager[None]:
        """Hold a session or a stack against other processes."""
        return hold(self._home / "locks", kind, name)

    # plans, approvals, runs
    def save_plan(self, plan: Plan) -> None:
        """Store a plan under its hash, and its stack if it is new."""
        row = {"hash": plan.hash, "cluster": plan.cluster, "stack": plan.stack, "data": json.dumps(plan.as_data())}
        with self._database.transaction() as tables:
            tables.table("plans").insert({**row, "ts": time.time()}, ignore=True)
            if not plan.destroy:
                key = {"cluster": plan.cluster, "stack": plan.stack}
                tables.table("stacks").insert({**key, "spec": json.dumps(dict(plan.spec))}, ignore=True)

    def plan(self, hash_: str) -> Plan:
        """Return a plan."""
        with self._database.reading() as tables:
            row = _row(tables.table("plans"), hash_, "plan")
        return Plan.from_data(_json(row["data"], f"plan {hash_[:12]}"))

    def plans(self, cluster: str, stack: str) -> Sequence[Plan]:
        """Return all plans that were made of a stack."""
        with self._database.reading() as tables:
            rows = list(tables.table("plans").rows_where(_STACK, [cluster, stack]))
        return [Plan.from_data(_json(row["data"], f"plan {row['hash'][:12]}")) for row in rows]

    def approve(self, hash_: str, by: str, *, granted: bool) -> Approval:
        """Record a decision; records are only ever added."""
        decision = Approval(hash_, by, granted, time.time())
        with self._database.transaction() as tables:
            _row(tables.table("plans"), hash_, "plan")
            tables.table("approvals").insert({**asdict(decision), "granted": int(granted)})
        return decision

    def approval(self, hash_: str) -> Approval | None:
        """Return the latest decision on exactly this plan."""
        with self._database.reading() as tables:
            rows = list(tables.table("approvals").rows_where("hash = ?", [hash_], order_by="id desc", limit=1))
        return Approval(hash_, rows[0]["by"], bool(rows[0]["granted"]), rows[0]["ts"]) if rows else None

    def new_run(self, plan: Plan, session: str | None) -> Run:
        """Store a run at stage `approved`, or return the open run of this very plan.

        An open run after which another one worked on the stack is over: what it was about to do may be done by now,
        so the plan begins anew, with the look at the cluster that every run begins with.
        """
        run = Run(f"run-{_code(6)}", session, plan.stack, plan.cluster, plan.hash, "approved", None, "", time.time())
        with self._database.transaction() as tables:
            opened = list(tables.table("runs").rows_where("plan = ? AND result IS NULL", [plan.hash]))
            later = "cluster = ? AND stack = ? AND started > ?"
            for row in opened:
                if not tables.table("runs").count_where(later, [plan.cluster, plan.stack, row["started"]]):
                    return Run(**row)
                tables.table("runs").update(row["id"], {"result": "failed", "reason": "another run came after it"})
            tables.table("runs").insert(asdict(run))
            if not plan.destroy:
                tables.execute(
                    "INSERT INTO stacks (cluster, stack, spec) VALUES (:c, :s, :spec)"
                    " ON CONFLICT (cluster, stack) DO UPDATE SET spec = :spec",
                    {"c": plan.cluster, "s": plan.stack, "spec": json.dumps(dict(plan.spec))},
                )
        return run

    def run(self, id_: str) -> Run:
        """Return a run."""
        with self._database.reading() as tables:
            return Run(**_row(tables.table("runs"), id_, "run"))

    def runs(self, stack: str | None = None) -> Sequence[Run]:
        """Return runs, the latest first."""
        where, args = (None, None) if stack is None else ("stack = ?", [stack])
        with self._database.reading() as tables:
            return [
                Run(**row) for row in tables.table("runs").rows_where(where, args, order_by="started desc, rowid desc")
            ]

    def update_run(self, id_: str, *, stage: str | None = None, result: str | None = None, reason: str = "") -> Run:
        """Store how far a run is, or how it ended."""
        values = {k: v for k, v in {"stage": stage, "result": result, "reason": reason}.items() if v}
        with self._database.transaction() as tables:
            _row(tables.table("runs"), id_, "run")
            if values:
                tables.table("runs").update(id_, values)
            return Run(**tables.table("runs").get(id_))

    def journal(self, run: Run) -> Journal:
        """Return the journal of a run."""
        return RunJournal(self._database, run, self.plan(run.plan).engine)

    # stacks
    def stacks(self, cluster: str | None = None) -> Sequence[Mapping[str, Any]]:
        """Return `{stack, cluster, engine, spec, guests}` of every stack; `guests` counts the made ones."""
        where, args = (None, None) if cluster is None else ("cluster = ?", [cluster])
        with self._database.reading() as tables:
            rows = list(tables.table("stacks").rows_where(where, args, order_by="cluster, stack"))
            made = [tables.table("leases").count_where(f"{_STACK} AND made", [r["cluster"], r["stack"]]) for r in rows]
        return [{**row, "spec": json.loads(row["spec"]), "guests": n} for row, n in zip(rows, made, strict=True)]

    def stack_engine(self, cluster: str, stack: str) -> str | None:
        """Return the engine that first applied the stack."""
        with self._database.reading() as tables:
            rows = list(tables.table("stacks").rows_where(_STACK, [cluster, stack], select="engine"))
        return rows[0]["engine"] if rows else None

    def leases(self, cluster: str, stack: str | None = None) -> Sequence[Lease]:
        """Return leases of a cluster, or of one stack."""
        with self._database.reading() as tables:
            return leases.read(tables, cluster, stack)

    def take_leases(
        self, cluster: str, stack: str, choose: Callable[[Sequence[Lease]], Sequence[Lease]]
    ) -> Sequence[Lease]:
        """Let `choose` decide, seeing all leases of the cluster, and store its answer, in one immediate transaction."""
        with self._database.transaction() as tables:
            leases.replace_all(tables, cluster, stack, choose(leases.read(tables, cluster)))
            return leases.read(tables, cluster, stack)

    def release(self, cluster: str, stack: str) -> None:
        """Release the leases of guests that were never made; a stack that is left without any is forgotten."""
        with self._database.transaction() as tables:
            leases.replace_all(tables, cluster, stack, ())
            leases.forget_empty(tables, cluster, stack)

    def applied(self, cluster: str, stack: str) -> Mapping[str, Attributes]:
        """Return what ATLAS last set, by guest."""
        with self._database.reading() as tables:
            return leases.applied(tables, cluster, stack)

    def templates(self, cluster: str) -> Sequence[TemplateRecord]:
        """Return the templates of a cluster that ATLAS makes or made, by image."""
        with self._database.reading() as tables:
            rows = list(tables.table("templates").rows_where("cluster = ?", [cluster], order_by="image"))
        return [TemplateRecord(**_json(row["data"], f"template {row['image']}")) for row in rows]

    def save_template(self, record: TemplateRecord) -> None:
        """Store a template, in place of what was stored of its image on its cluster."""
        row = {"cluster": record.cluster, "image": record.image, "data": json.dumps(asdict(record))}
        with self._database.transaction() as tables:
            tables.table("templates").upsert(row, pk=("cluster", "image"))

    def forget_template(self, cluster: str, image: str) -> None:
        """Forget a template that is not there."""
        with self._database.transaction() as tables:
            tables.table("templates").delete_where("cluster = ? AND image = ?", [cluster, image])

    def rename(self, cluster: str, stack: str, renames: Mapping[str, tuple[str, int]]) -> None:
        """Give leases and applied attributes of former keys their new (group, index)."""
        with self._database.transaction() as tables:
            leases.rename(tables, cluster, stack, renames)


def _code(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _text(said: str) -> str:
    """Return what can be stored of a text: a file's name or a terminal's line may hold bytes that are no text."""
    return plain(said.encode("utf-8", "replace").decode())


def _row(table: Any, key: str, what: str) -> dict[str, Any]:
    for row in table.rows_where(f"{table.pks[0]} = ?", [key]):
        return dict(row)
    raise NotFound(f"there is no {what} {key[:40]!r}")


def _json(text: str, whose: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as problem:
        raise SessionCorrupt(f"what is stored of {whose} cannot be read: {problem}") from problem
    if not isinstance(data, dict):
        raise SessionCorrupt(f"what is stored of {whose} cannot be read: it holds no fields")
    return data


def _session(row: Mapping[str, Any]) -> Session:
    try:
        phase = Phase(row["phase"])
    except ValueError as problem:
        raise SessionCorrupt(f"session {row['id']} is in a phase that there is not: {row['phase']!r}") from problem
    return Session(**{**row, "phase": phase, "draft": _json(row["draft"], f"session {row['id']}")})
