"""Workers, their ends, and the clock that they live by."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from atlas.lab.call import PVEError
from atlas.lab.clock import Clock
from atlas.lab.records import Store
from atlas.lab.tasks import UPID, Task, Tasks


def tasks(profile: str = "instant", path: Path | None = None) -> Tasks:
    return Tasks(Store(path), Clock(profile))


async def ended(workers: Tasks, work: object) -> tuple[str | None, tuple[str, ...]]:
    record = await workers.wait(workers.start("pve1", "qmclone", "100", "u@pve!t", work))  # type: ignore[arg-type]  # any coroutine function
    return record.exitstatus, record.log


async def test_a_worker_ends_as_its_code_ends() -> None:
    async def good(task: Task) -> None:
        await task.spend(5, "half")

    async def warns(task: Task) -> None:
        task.warn("careful")

    async def refused(task: Task) -> None:
        task.log("first")
        raise PVEError(500, "clone failed: no space")

    workers = tasks()
    assert await ended(workers, good) == ("OK", ("half", "TASK OK"))
    assert await ended(workers, warns) == ("WARNINGS: 1", ("WARN: careful", "TASK WARNINGS: 1"))
    assert await ended(workers, refused) == (
        "clone failed: no space",
        ("first", "TASK ERROR: clone failed: no space"),
    )


async def test_a_upid_has_its_nine_fields_and_is_found_again() -> None:
    async def work(task: Task) -> None:
        await task.spend(0)

    workers = tasks()
    upid = workers.start("pve1", "qmstart", "100", "root@pam", work)
    assert upid.count(":") == 8
    match = UPID.fullmatch(upid)
    assert match is not None
    assert match["node"] == "pve1"
    assert int(match["pid"], 16) == workers.get(upid).pid
    with pytest.raises(PVEError) as caught:
        workers.get("nonsense")
    assert caught.value.errors == {"upid": "unable to parse worker upid"}
    with pytest.raises(PVEError) as caught:
        workers.get(upid, "pve2")
    assert caught.value.errors == {"upid": "no such task"}
    await workers.wait(upid)


async def test_a_stopped_worker_cleans_up_and_says_so() -> None:
    cleaned = []

    async def work(task: Task) -> None:
        try:
            await task.spend(1000)
        finally:
            cleaned.append(task.upid)

    workers = tasks("realistic")
    upid = workers.start("pve1", "qmclone", "100", "root@pam", work)
    await asyncio.sleep(0)
    workers.stop(upid)
    assert (await workers.wait(upid)).exitstatus == "received interrupt"
    assert cleaned == [upid]


async def test_a_worker_whose_process_was_killed_has_no_end_of_its_own(tmp_path: Path) -> None:
    async def work(task: Task) -> None:
        await task.spend(1000, "copying")

    path = tmp_path / "state.sqlite"
    workers = tasks("realistic", path)
    upid = workers.start("pve1", "qmclone", "100", "root@pam", work)
    await asyncio.sleep(0)
    again = tasks("instant", path)  # what the next process reads, with nothing of the first one closed
    assert (again.get(upid).exitstatus, again.get(upid).log) == ("unexpected status", ("copying",))
    next_pid = again.get(again.start("pve1", "qmstart", "1", "root@pam", work)).pid
    assert next_pid > again.get(upid).pid
    await workers.close()
    await again.close()


async def test_the_clock_can_be_driven() -> None:
    clock = Clock("realistic")
    before = clock.now()
    sleeper = asyncio.ensure_future(clock.sleep(3600))
    await asyncio.sleep(0)
    clock.advance(1800)
    await asyncio.sleep(0.01)
    assert not sleeper.done()
    clock.advance(1801)
    await asyncio.wait_for(sleeper, 5)
    assert clock.now() - before >= 3601


def test_a_profile_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="one of instant, fast"):
        Clock("warp")


async def test_a_worker_that_is_stopped_before_its_first_step_ends() -> None:
    async def work(task: Task) -> None:
        await task.spend(60)

    workers = tasks("realistic")
    upid = workers.start("pve1", "qmclone", "100", "root@pam", work)
    workers.stop(upid)
    record = await workers.wait(upid)
    assert record.exitstatus == "received interrupt"
    assert not workers.running(upid)
