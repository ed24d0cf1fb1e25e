"""The whole road by the program `atlas`, for each engine: the oracle is the lab's API, never ATLAS's own words."""

from __future__ import annotations

import copy
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from fakes.program import Api, Done, Program

pytestmark = pytest.mark.slow
SEEDS = range(int(os.environ.get("ATLAS_ROAD_SEEDS", "2")))

FIRST: dict[str, Any] = {
    "metadata": {"name": "road"},
    "defaults": {"image": "debian-12", "memory": "1GiB", "disks": [{"size": "4GiB"}]},
    "guests": [
        {"name": "web", "count": 2, "networks": [{"bridge": "vmbr0", "address": "auto"}]},
        {"name": "db", "networks": [{"bridge": "vmbr0", "address": "10.42.0.240/24", "gateway": "10.42.0.1"}]},
        {"name": "ct", "kind": "container", "networks": [{"bridge": "vmbr0", "address": "auto"}]},
    ],
}


@pytest.fixture
def road(atlas: Program, engine: str) -> Road:
    return Road(atlas, engine)


class Road:
    """`atlas` with one engine and one spec that a test changes."""

    def __init__(self, atlas: Program, engine: str) -> None:
        self.atlas, self.words = atlas, ("--cluster", "lab", "--engine", engine, "--json")
        self.takes = 0.5 if engine == "api" else 3.0  # seconds of one apply on an idle machine
        self.spec = copy.deepcopy(FIRST)

    def plan(self) -> dict[str, Any]:
        done = self.atlas("plan", self.atlas.write(self.spec), *self.words).ended(0)
        return done.one("plan.ready")

    def apply(self) -> dict[str, Any]:
        done = self.atlas("apply", self.atlas.write(self.spec), *self.words, "--yes").ended(0)
        assert done.one("run.done")["result"] == "applied", done.out  # the lab's guests are simulated: unverified
        return counts(done.one("plan.ready"))


def counts(ready: dict[str, Any]) -> dict[str, int]:
    return {k: ready[k] for k in ("create", "update", "replace", "delete") if ready[k]}


def size(config: dict[str, Any], disk: str = "scsi0") -> str:
    return str(dict(p.partition("=")[::2] for p in str(config[disk]).split(","))["size"])


def test_a_stack_lives_and_goes(road: Road, lab_api: Api) -> None:
    before = lab_api.world()
    guests = road.spec["guests"]

    assert road.apply() == {"create": 4}
    rows = {n: lab_api.named(n) for n in ("web-1", "web-2", "db", "ct")}
    assert {r["status"] for r in rows.values()} == {"running"}
    assert rows["ct"]["type"] == "lxc"
    assert size(lab_api.config("db")) == "4G"
    assert counts(road.plan()) == {}
    uuid = lab_api.config("db")["smbios1"]

    # Memory in place, a disk grown, a guest renamed, one added, one removed: the others are not touched.
    guests[1].update(name="data", renamed_from="db", memory="2GiB", disks=[{"size": "6GiB"}])
    guests[2].update(memory="768MiB")
    guests[0]["count"] = 1
    guests.append({"name": "new", "networks": [{"bridge": "vmbr0", "address": "auto"}]})
    assert road.apply() == {"create": 1, "update": 2, "delete": 1}
    data = lab_api.config("data")
    assert (str(data["memory"]), size(data), data["smbios1"]) == ("2048", "6G", uuid)
    assert lab_api.named("data")["vmid"] == rows["db"]["vmid"]
    assert lab_api.pending("data") == []
    assert int(lab_api.config("ct")["memory"]) == 768
    assert lab_api.named("web-1")["vmid"] == rows["web-1"]["vmid"]
    assert not {r["name"] for r in lab_api.rows().values()} & {"web-2", "db"}
    assert counts(road.plan()) == {}

    # The file still says `renamed_from`; more of a group keeps those that are there.
    guests[0]["count"] = 2
    guests[1]["memory"] = "1536MiB"
    assert road.apply() == {"create": 1, "update": 1}
    assert lab_api.config("data")["smbios1"] == uuid
    assert str(lab_api.config("data")["memory"]) == "1536"
    assert lab_api.named("web-1")["vmid"] == rows["web-1"]["vmid"]
    assert counts(road.plan()) == {}

    done = road.atlas("destroy", "road", "--yes", "--json").ended(0)
    road.atlas("verify", "road").ended(2)
    assert counts(done.one("plan.ready")) == {"delete": 5}
    assert lab_api.world() == before
    assert road.atlas("stacks", "show", "road", "--json").code in (0, 2)
    assert road.atlas("guests", "list", "--cluster", "lab", "--json").ended(0).one("result")["guests"] == []


def ended_early(road: Road, after: float, how: signal.Signals) -> Done:
    """Start an apply and end it so many seconds after the first change has begun."""
    out = Path(road.atlas.folder / "killed.jsonl")
    with out.open("w") as stream:
        process = road.atlas.start("apply", road.atlas.write(road.spec), *road.words, "--yes", out=stream)
    deadline = time.monotonic() + 120
    while '"creating"' not in out.read_text():
        assert process.poll() is None, (out.read_text(), process.stderr and process.stderr.read())
        assert time.monotonic() < deadline
        time.sleep(0.02)  # polls for the first change, up to the deadline
    time.sleep(after)  # the moment is the test's
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    return Done(process.returncode, out.read_text(), err)


def whole(road: Road, api: Api, before: dict[str, Any]) -> None:
    """Every guest there once, none half made, nothing touched that is not ours; then nothing is left to plan."""
    names = [r["name"] for v, r in api.rows().items() if v not in before["guests"]]
    assert sorted(names) == ["ct", "db", "web-1", "web-2"]
    for name in names:
        assert api.named(name)["status"] == "running"
        assert not {"lock", "unused0"} & set(api.config(name))
        assert api.pending(name) == []
    assert counts(road.plan()) == {}
    road.atlas("destroy", "road", "--yes", "--json").ended(0)
    assert api.world() == before


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_in_mid_apply_and_resumed(road: Road, lab_api: Api, seed: int) -> None:
    before = lab_api.world()
    done = ended_early(road, random.Random(seed).uniform(0, road.takes), signal.SIGKILL)
    session = done.events[0]["session"]
    resumed = road.atlas("resume", "--json") if seed % 2 else road.atlas("resume", session, "--json")
    if done.code == -signal.SIGKILL:
        resumed.ended(0)
        # No run at all: the kill came after the last of it.
        assert all(started["resumed"] for started in resumed.all("run.started"))
        assert resumed.events[0]["session"] == session
    whole(road, lab_api, before)
    assert "unfinished" in road.atlas("resume").ended(2).text


def test_interrupted_and_resumed(road: Road, lab_api: Api) -> None:
    before = lab_api.world()
    done = ended_early(road, 0, signal.SIGINT)
    done.ended(130)
    assert "atlas resume" in done.err
    road.atlas("resume", "--json").ended(0)
    whole(road, lab_api, before)


def test_the_second_process_is_told_who_holds_the_session(atlas: Program, lab_api: Api) -> None:
    road = Road(atlas, "api")
    before = lab_api.world()
    out = atlas.folder / "first.jsonl"
    with out.open("w") as stream:
        first = atlas.start("apply", atlas.write(road.spec), *road.words, "--yes", out=stream)
    deadline = time.monotonic() + 60
    while '"run.started"' not in out.read_text():
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)  # polls for the start of the run, up to the deadline
    first.send_signal(signal.SIGSTOP)
    try:
        session = Done(0, out.read_text(), "").events[0]["session"]
        told = atlas("resume", session, "--json").ended(1).all("diagnostic")
        assert f"process {first.pid} works on session" in told[-1]["summary"]
        other = atlas("apply", atlas.write(road.spec), *road.words, "--yes").ended(1).all("diagnostic")
        assert f"process {first.pid} works on stack" in other[-1]["summary"]
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.wait(60) == 0
    road.atlas("destroy", "road", "--yes", "--json").ended(0)
    assert lab_api.world() == before
