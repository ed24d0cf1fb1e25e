"""Faults as data: reading them with all problems at once, and which calls each strikes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from atlas.lab.__main__ import main
from atlas.lab.call import Call
from atlas.lab.clock import Clock
from atlas.lab.entities import Guest
from atlas.lab.fault import Match, read, read_file
from atlas.lab.faults import BadFaults
from atlas.lab.simulated import SimulatedBackend
from atlas.lab.world import Lab

CLONE = "/nodes/{node}/qemu/{vmid}/clone"


def call(method: str = "POST", path: str = CLONE, **params: Any) -> Call:
    clock = Clock("instant")
    lab = Lab(SimulatedBackend(clock.now), clock)
    lab.guests["300"] = Guest(300, "qemu", "pve1", {"name": "web-1"})
    given = {"node": "pve1", "vmid": 9000, **params}
    return Call(lab, method, path, given, "root@pam", raw={k: str(v) for k, v in given.items()})


@pytest.mark.parametrize(
    ("match", "about"),
    [
        ({}, True),
        ({"method": "POST"}, True),
        ({"method": "GET"}, False),
        ({"path": "/nodes/*/qemu/*/clone"}, True),
        ({"path": "/nodes/{node}/qemu/{vmid}/clone"}, True),
        ({"path": "/nodes/pve1/**"}, True),
        ({"path": "/nodes/*/clone"}, False),
        ({"path": "/nodes/pve1/qemu/9000"}, False),
        ({"node": "pve1"}, True),
        ({"node": "pve2"}, False),
        ({"guest": 9000}, True),
        ({"guest": 500}, True),  # the one that is made
        ({"guest": 300}, False),
        ({"guest": "new-*"}, True),
        ({"guest": "web-*"}, False),
    ],
)
def test_what_a_fault_is_about(match: dict[str, Any], about: bool) -> None:
    assert Match(**match).about(call(newid=500, name="new-1")) is about


def test_a_guest_is_known_by_its_name() -> None:
    assert Match(guest="web-*").about(call("GET", "/nodes/{node}/qemu/{vmid}/config", vmid=300))
    assert not Match(guest="db-*").about(call("GET", "/nodes/{node}/qemu/{vmid}/config", vmid=300))
    assert not Match(guest="web-*").about(call("GET", "/nodes/{node}/qemu/{vmid}/config", vmid=999))


def struck(match: Match, name: str = "f", calls: int = 200) -> list[int]:
    return [n for n in range(1, calls + 1) if match.strikes(n, name)]


def test_which_of_its_calls_a_fault_strikes() -> None:
    assert struck(Match(nth=3)) == [3]
    assert struck(Match(every=50)) == [50, 100, 150, 200]
    assert struck(Match(), calls=3) == [1, 2, 3]
    some = struck(Match(probability=0.3, seed=7))
    assert 30 < len(some) < 90
    assert some == struck(Match(probability=0.3, seed=7))
    assert some != struck(Match(probability=0.3, seed=8))
    assert some != struck(Match(probability=0.3, seed=7), "g")


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(BadFaults) as caught:
        read(
            {
                "seed": "x",
                "more": 1,
                "faults": [
                    {"effect": "explode"},
                    {"effect": "error", "match": {"nth": 0, "metod": "GET"}, "options": {"status": 200, "txt": "x"}},
                    {"effect": "latency", "name": "a", "match": {"nth": 1, "every": 2}},
                    {"effect": "storage-full", "name": "b"},
                    {"effect": "drop", "name": "b", "match": {"path": "no slash"}},
                    "drop",
                    {"match": {}},
                ],
            }
        )
    told = {place: text for place, _, text in (problem.partition(": ") for problem in caught.value.problems)}
    assert list(told) == [
        "more",
        "seed",
        "faults[0]",
        "faults[1].match.nth",
        "faults[1].match.metod",
        "faults[1].options.status",
        "faults[1].options.txt",
        "faults[2].match",
        "faults[3].options.storage",
        "faults[4].match.path",
        "faults[5]",
        "faults[6].effect",
    ]
    assert "there is no effect 'explode'; there are: agent-silent, clock-jump," in told["faults[0]"]
    assert told["faults[2].match"] == "give one of nth, every and probability"


def test_names_are_made_and_may_not_come_twice() -> None:
    made = read([{"effect": "drop"}, {"effect": "drop"}, {"effect": "drop", "name": "x"}], frozenset({"drop-1"}))
    assert [fault.name for fault in made] == ["drop-2", "drop-3", "x"]
    with pytest.raises(BadFaults, match=r"faults\[0\].name: there is a fault 'x' already"):
        read({"effect": "drop", "name": "x"}, frozenset({"x"}))


def test_what_is_shown_reads_back() -> None:
    data = {"effect": "error", "match": {"probability": 0.5, "guest": "w*"}, "options": {"status": 503}}
    fault = read(data)[0]
    assert read(fault.shown()) == [fault]
    assert fault.shown()["options"]["status"] == 503


def test_file_gives_its_seed_to_all(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(
        "seed: 7\nfaults:\n"
        "- effect: latency\n  options: {seconds: 2}\n"
        "- effect: drop\n  match: {probability: 0.1, seed: 3, path: /nodes/*/qemu}\n"
    )
    first, second = read_file(file)
    assert (first.match.seed, second.match.seed) == (7, 3)
    assert cast("Any", first.options).seconds == 2
    file.write_text("faults: [")
    with pytest.raises(BadFaults, match=r"faults.yaml: while parsing"):
        read_file(file)
    with pytest.raises(BadFaults, match="No such file"):
        read_file(tmp_path / "none")


@pytest.mark.parametrize("command", ["start", "serve"])
def test_no_lab_starts_with_a_wrong_file(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("[{effect: explode}, {effect: drop, match: {nth: 0}}]")
    assert main([command, "--dir", str(tmp_path / "lab"), "--faults", str(file)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in told] == ["faults[0]", "faults[1].match.nth"]
    assert not (tmp_path / "lab").exists()
