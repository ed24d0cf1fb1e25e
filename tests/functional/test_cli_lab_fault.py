"""`atlas lab fault` and `atlas lab history` on a lab of their own; proxmoxer and our client see what strikes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.program import Program
from proxmoxer import ProxmoxAPI, ResourceException

from atlas.errors import ApiRefused, Unreachable
from atlas.proxmox.client import Client

FAULTS = """\
seed: 5
faults:
- {name: full, effect: error, match: {path: /cluster/nextid, nth: 1}, options: {text: no free number}}
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    file = tmp_path / "faults.yaml"
    file.write_text(FAULTS)
    made("lab", "start", "--nodes", 2, "--latency", "instant", "--faults", file).ended(0)
    yield made
    made("lab", "stop").ended(0)


def status(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(program("lab", "status", "--json").ended(0).out)
    return found


def client(program: Program) -> Client:
    found = status(program)
    return Client(found["url"], found["token"], ca_file=Path(found["ca_file"]))


def proxmoxer(program: Program) -> Any:
    found = status(program)
    user, _, rest = found["token"].partition("!")
    name, _, value = rest.partition("=")
    host = found["url"].removeprefix("https://")
    return ProxmoxAPI(host, user=user, token_name=name, token_value=value, verify_ssl=found["ca_file"])


def test_faults_from_the_start_and_from_the_command_line(own: Program) -> None:
    pve = proxmoxer(own)
    with pytest.raises(ResourceException, match="no free number"):
        pve.cluster.nextid.get()
    assert int(pve.cluster.nextid.get()) >= 100
    # A refusal in PVE's words, then an answer that is lost although the work was done.
    clone = ("--method", "POST", "--path", "/nodes/*/qemu/*/clone")
    own("lab", "fault", "add", "error", *clone, "--nth", 1, "--set", "status=503", "--set", "text=try later").ended(0)
    added = own("lab", "fault", "add", "drop", *clone, "--nth", 2, "--name", "lost", "--json").ended(0)
    assert added.one("result")["names"] == ["lost"]
    api = client(own)
    with pytest.raises(ApiRefused, match="try later") as refused:
        api.post("nodes", "pve1", "qemu", 9000, "clone", newid=300)
    assert refused.value.status == 503
    with pytest.raises(Unreachable):
        api.post("nodes", "pve1", "qemu", 9000, "clone", newid=300)
    assert pve.nodes("pve1").qemu(300).config.get()["name"]
    listed = own("lab", "fault", "list", "--json").ended(0).one("result")["faults"]
    assert {f["name"]: (f["calls"], f["struck"]) for f in listed} == {
        "full": (2, 1),
        "error-1": (2, 1),
        "lost": (2, 1),
    }
    assert "lost" in own("lab", "fault", "list").ended(0).out
    # A node goes down and comes back when the fault is cleared.
    own("lab", "fault", "add", "node-down", "--set", "node=pve2", "--name", "down").ended(0)
    with pytest.raises(ResourceException, match="595"):
        pve.nodes("pve2").status.get()
    assert [n["status"] for n in sorted(pve.nodes.get(), key=lambda n: n["node"])] == ["online", "offline"]
    own("lab", "fault", "clear", "down").ended(0)
    assert pve.nodes("pve2").status.get()["uptime"] >= 0
    own("lab", "fault", "clear", "down").ended(2)
    assert own("lab", "fault", "clear", "--json").ended(0).one("result")["names"] == ["full", "error-1", "lost"]
    # The history tells all of it.
    file = own.folder / "history.jsonl"
    own("lab", "history", "export", "--output", file, "--clear").ended(0)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    calls = {line["n"]: line for line in lines if line["kind"] == "call"}
    struck = {line["fault"]: calls[line["call"]]["status"] for line in lines if line["kind"] == "fault"}
    assert struck == {"full": 500, "error-1": 503, "lost": None, "down": 595}
    assert own("lab", "history", "export").ended(0).out == ""
    token = Path(status(own)["admin"]["token_file"])
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text() not in json.dumps(status(own))


def test_a_wrong_fault_is_told_whole(own: Program) -> None:
    wrong = own.folder / "wrong.yaml"
    wrong.write_text("faults: [{effect: explode}, {effect: error, match: {nth: 0}, options: {status: 99}}]")
    for words in (["lab", "fault", "add", "--file", wrong], ["lab", "start", "--faults", wrong]):
        done = own(*words, "--json").ended(2)
        told = [found["where"] for found in done.all("diagnostic")]
        assert told == ["faults[0]", "faults[1].match.nth", "faults[1].options.status"], words
    done = own("lab", "fault", "add", "latency", "--nth", 1, "--every", 2, "--set", "second=1", "--json").ended(2)
    assert [found["where"] for found in done.all("diagnostic")] == ["faults[0].match", "faults[0].options.second"]
    own("lab", "fault", "add").ended(2)
    own("lab", "fault", "add", "drop", "--set", "after").ended(2)
    right = own.folder / "faults.yaml"
    assert "runs here already" in own("lab", "start", "--faults", right).ended(1).text
    assert len(own("lab", "fault", "list", "--json").ended(0).one("result")["faults"]) == 1


def test_without_a_lab_there_is_nothing_to_add_to(tmp_path: Path) -> None:
    program = Program(tmp_path)
    assert "no lab runs here" in program("lab", "fault", "add", "drop").ended(1).text
    assert "drop" in program("lab", "fault", "effects").ended(0).out


def test_a_simulated_guest_has_no_console(own: Program) -> None:
    ended = own("lab", "console", 9000).ended(1)
    assert "guest 9000 has no console: the guests of this lab are simulated" in ended.text
    assert "atlas lab start --guests qemu" in ended.text
