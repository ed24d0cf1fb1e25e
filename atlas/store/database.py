"""The SQLite file: how it is opened, its tables and their versions, transactions, and its failures in plain words."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas.errors import SessionCorrupt, StateError, unwritten

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables

MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY, origin TEXT NOT NULL, phase TEXT NOT NULL, cluster TEXT, stack TEXT, draft TEXT NOT NULL,
        plan TEXT, run TEXT, created REAL NOT NULL, updated REAL NOT NULL);
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL REFERENCES sessions(id), source TEXT NOT NULL,
        text TEXT NOT NULL, ts REAL NOT NULL, data TEXT NOT NULL);
    CREATE INDEX messages_session ON messages(session, id);
    CREATE TABLE plans (
        hash TEXT PRIMARY KEY, cluster TEXT NOT NULL, stack TEXT NOT NULL, data TEXT NOT NULL, ts REAL NOT NULL);
    CREATE TABLE approvals (
        id INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL, by TEXT NOT NULL, granted INTEGER NOT NULL,
        ts REAL NOT NULL);
    CREATE INDEX approvals_hash ON approvals(hash, id);
    CREATE TRIGGER approvals_stay BEFORE UPDATE ON approvals
        BEGIN SELECT RAISE(ABORT, 'approvals are never changed'); END;
    CREATE TRIGGER approvals_remain BEFORE DELETE ON approvals
        BEGIN SELECT RAISE(ABORT, 'approvals are never deleted'); END;
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, session TEXT, stack TEXT NOT NULL, cluster TEXT NOT NULL, plan TEXT NOT NULL,
        stage TEXT NOT NULL, result TEXT, reason TEXT NOT NULL, started REAL NOT NULL);
    CREATE UNIQUE INDEX runs_open ON runs(plan) WHERE result IS NULL;
    CREATE TABLE journal (
        id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, guest TEXT NOT NULL, step TEXT NOT NULL,
        intent TEXT NOT NULL, outcome TEXT, ts REAL NOT NULL);
    CREATE INDEX journal_run ON journal(run, id);
    CREATE TABLE leases (
        cluster TEXT NOT NULL, stack TEXT NOT NULL, "group" TEXT NOT NULL, "index" INTEGER NOT NULL,
        vmid INTEGER NOT NULL, made INTEGER NOT NULL, data TEXT NOT NULL,
        PRIMARY KEY (cluster, stack, "group", "index"), UNIQUE (cluster, vmid));
    CREATE TABLE lease_addresses (
        cluster TEXT NOT NULL, address TEXT NOT NULL, stack TEXT NOT NULL, "group" TEXT NOT NULL,
        "index" INTEGER NOT NULL, PRIMARY KEY (cluster, address));
    CREATE TABLE applied (
        cluster TEXT NOT NULL, stack TEXT NOT NULL, guest TEXT NOT NULL, attributes TEXT NOT NULL,
        PRIMARY KEY (cluster, stack, guest));
    CREATE TABLE stacks (
        cluster TEXT NOT NULL, stack TEXT NOT NULL, engine TEXT, spec TEXT NOT NULL, PRIMARY KEY (cluster, stack));
    """,
    """
    CREATE TABLE templates (
        cluster TEXT NOT NULL, image TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (cluster, image));
    """,
)
"""One entry for each version of the schema; entries are never changed once released."""

BUSY_SECONDS = 20.0
_HANDED_OVER_SECONDS = 0.2


class _Batch:
    """What goes to the disk in one commit."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.problem: BaseException | None = None

    def end(self, problem: BaseException | None = None) -> None:
        self.problem = problem
        self.ended.set()


class Database:
    """One file, one connection behind a lock; every write is on the disk when its call returns.

    Args:
        path: The file; its folder is made with mode 0700, the file with 0600.

    Raises:
        SessionCorrupt: The file is no database of ATLAS.
        StateError: It cannot be opened, or a newer ATLAS wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._queue: set[object] = set()  # the threads that wait for their turn to write
        self._batch = _Batch()
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.chmod(0o700)
            path.touch(mode=0o600)
            path.chmod(0o600)
            self._tables = self._open()
            self._migrate()

    def _open(self) -> Tables:
        from sqlite_utils import Database as Tables

        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        return Tables(connection, execute_plugins=False)

    def _migrate(self) -> None:
        with self.transaction() as tables:
            version = tables.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise StateError(
                    f"{self.path} was written by a newer ATLAS (schema {version}, this one knows {len(MIGRATIONS)})",
                    "upgrade ATLAS, or point ATLAS_HOME to another folder",
                )
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                for statement in _statements(script):
                    tables.execute(statement)
                tables.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def transaction(self) -> Iterator[Tables]:
        """Write all of it, or nothing; it is on the disk when this ends.

        What threads write at the same moment goes to the disk together: each has a savepoint of its own, and the last
        in the queue commits for all, since the disk is what takes time.
        """
        with self._explained():
            with self._turn():
                connection = self._tables.conn
                if not connection.in_transaction:
                    connection.execute("BEGIN IMMEDIATE")
                    self._batch = _Batch()
                batch = self._batch
                connection.execute("SAVEPOINT own")
                try:
                    yield self._tables
                    connection.execute("RELEASE own")
                except BaseException as problem:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK TO own")
                        connection.execute("RELEASE own")
                    else:  # SQLite gives up the whole transaction when the disk is full
                        batch.end(problem)
                    raise
                finally:
                    if not self._queue:
                        self._commit(batch)
            while not batch.ended.wait(_HANDED_OVER_SECONDS):
                with self._lock:  # whoever was to commit was interrupted in the queue
                    self._commit(batch)
            if batch.problem is not None:
                raise batch.problem

    @contextmanager
    def _turn(self) -> Iterator[None]:
        mine = object()
        self._queue.add(mine)
        try:
            self._lock.acquire()
        finally:
            self._queue.discard(mine)
        try:
            yield
        finally:
            self._lock.release()

    def _commit(self, batch: _Batch) -> None:
        if batch.ended.is_set():
            return
        connection = self._tables.conn
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as problem:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            batch.end(problem)
        else:
            batch.end()

    @contextmanager
    def reading(self) -> Iterator[Tables]:
        """Read; what is read is one statement's consistent look."""
        with self._lock, self._explained():
            yield self._tables

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._tables.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite and the disk say into plain words."""
        try:
            yield
        except sqlite3.Error as problem:
            raise _explain(self.path, problem) from problem
        except OSError as problem:
            raise unwritten(problem, self.path.parent) from problem


def insert(tables: Tables, table: str, row: Mapping[str, Any]) -> int:
    """Insert a row into a table that numbers its rows; return the number."""
    tables.table(table).insert(dict(row))
    return int(tables.execute("SELECT last_insert_rowid()").fetchone()[0])


_ROOM = 1 << 16
"""Bytes that SQLite needs beside its file: without them it tells of an I/O error, not of a full disk."""


def _explain(path: Path, problem: sqlite3.Error) -> StateError:
    code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and free(path.parent) < _ROOM):
        return StateError(
            f"the disk is full: {path} could not be written; nothing of this step was stored",
            "make room; `atlas resume` goes on",
        )
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return SessionCorrupt(
            f"{path} is damaged, or no database of ATLAS", "put a backup in its place, or move it away to start anew"
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StateError(f"another process kept {path} busy for {BUSY_SECONDS:.0f} s", "try again")
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return StateError(f"{path} cannot be written", "mend its rights, or name another folder by ATLAS_HOME")
    return StateError(f"cannot read or write {path}: {problem}", "look at the disk with `df` and `dmesg`")


def free(folder: Path) -> int:
    """Return the bytes that are left on the disk of a folder."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _statements(script: str) -> Iterator[str]:
    """Split a script without `executescript`, which would commit the open transaction."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
