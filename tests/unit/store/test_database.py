"""Writes of several threads: one commit for all that wait, and each still all or nothing by itself."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from atlas.errors import StateError
from atlas.store.database import Database

THREADS = 8


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "home" / "atlas.sqlite")
    yield database
    database.close()


def put(database: Database, key: str, *, wrong: bool = False) -> None:
    with database.transaction() as tables:
        tables.execute("INSERT INTO meta VALUES (?, 'x')", [key])
        if wrong:
            raise ValueError(key)


def stored(path: Path) -> set[str]:
    """Read what another process would see."""
    with sqlite3.connect(path) as other:
        return {key for (key,) in other.execute("SELECT key FROM meta")}


@contextmanager
def queued(database: Database, count: int) -> Iterator[None]:
    """Keep everybody waiting until so many threads wait for their turn."""
    with database._turn():
        yield
        while len(database._queue) < count:
            threading.Event().wait(0.001)


def crowd(database: Database, *writes: Callable[[], None]) -> list[Future[None]]:
    pool = ThreadPoolExecutor(len(writes))
    with queued(database, len(writes)):
        futures = [pool.submit(write) for write in writes]
    pool.shutdown()
    return futures


def test_those_who_wait_share_one_commit(database: Database) -> None:
    commits: list[str] = []
    with database.reading() as tables:
        tables.conn.set_trace_callback(lambda said: commits.append(said) if said == "COMMIT" else None)
    futures = crowd(database, *(partial(put, database, f"k{n}") for n in range(THREADS)))
    assert [f.exception() for f in futures] == [None] * THREADS
    assert stored(database.path) >= {f"k{n}" for n in range(THREADS)}
    assert commits == ["COMMIT"]


def test_what_one_gives_up_takes_nothing_of_the_others_along(database: Database) -> None:
    futures = crowd(database, *(partial(put, database, f"k{n}", wrong=n % 2 == 0) for n in range(THREADS)))
    assert [type(f.exception()) for f in futures] == [ValueError, type(None)] * (THREADS // 2)
    assert {k for k in stored(database.path) if k.startswith("k")} == {f"k{n}" for n in range(1, THREADS, 2)}


def test_a_write_is_on_the_disk_when_it_returns_whoever_commits(database: Database) -> None:
    missing: list[str] = []

    def write(key: str) -> None:
        put(database, key)
        if key not in stored(database.path):
            missing.append(key)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write, (f"k{n}" for n in range(60))))
    assert missing == []


def test_a_full_disk_is_told_to_everybody_whose_write_it_undid(database: Database) -> None:
    with database.reading() as tables:
        pages = tables.execute("PRAGMA page_count").fetchone()[0]
        tables.execute(f"PRAGMA max_page_count = {pages}")
    futures = crowd(database, *(partial(put, database, f"{n}" * 9000) for n in range(THREADS)))
    said = {str(f.exception()) for f in futures}
    assert all(isinstance(f.exception(), StateError) for f in futures)
    assert len(said) == 1
    assert "the disk is full" in said.pop()
    assert not {k for k in stored(database.path) if len(k) > 100}


def test_when_the_last_in_the_queue_is_interrupted_another_commits(database: Database) -> None:
    database._queue.add("one that never comes")
    put(database, "k")
    assert "k" in stored(database.path)


def test_an_input_output_error_of_a_full_disk_is_told_as_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        problem = sqlite3.OperationalError("disk I/O error")
        problem.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise problem

    monkeypatch.setattr("sqlite_utils.Database.execute", broken)
    monkeypatch.setattr("atlas.store.database.free", lambda _: 1 << 30)
    with pytest.raises(StateError, match="cannot read or write"), database.reading() as tables:
        tables.execute("SELECT 1")
    monkeypatch.setattr("atlas.store.database.free", lambda _: 0)
    with pytest.raises(StateError, match="the disk is full"), database.reading() as tables:
        tables.execute("SELECT 1")
