"""A failed check of an applied spec: exit code 1, a repair is proposed once, and never carried out by itself."""

# ruff: noqa: ARG002  fakes take what their ports give them
from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from fakes.program import Api, Program

from atlas.app import App
from atlas.cli.common import Output
from atlas.cli.run import finish
from atlas.conversations.session import Conversation
from atlas.errors import PartlyDone
from atlas.events import Emitter, Event
from atlas.ports.guests import CheckResult, HostResult, Target
from atlas.settings import EngineChoice
from atlas.spec import Check

SPEC: dict[str, Any] = {
    "metadata": {"name": "farm"},
    "guests": [
        {
            "name": "web",
            "image": "debian-12",
            "networks": [{"bridge": "vmbr0", "address": "auto"}],
            "software": ["nginx"],
            "checks": [{"port": 80}],
        }
    ],
}


class Reached:
    """The way to guests that are simulated: ssh lets in at once, and checks hold or fail as the test says."""

    how = "direct"

    def __init__(self) -> None:
        self.well = True

    def wait(self, target: Target, known_hosts: Path, seconds: float) -> None:
        return

    def check(self, target: Target, known_hosts: Path, check: Check, patience: float) -> CheckResult:
        return CheckResult(check.label, self.well, "accepts" if self.well else "nothing listens")

    def forget(self, target: Target, known_hosts: Path) -> None:
        return


class Configured:
    """Ansible, whose plays all succeed; counts what it was given."""

    def __init__(self) -> None:
        self.plays: list[list[str]] = []

    def versions(self) -> Mapping[str, str]:
        return {"ansible-core": "1"}

    def configure(
        self, bundle: Path, keys: Sequence[str], run: Path, emit: Emitter, addresses: Mapping[str, str] | None = None
    ) -> Mapping[str, HostResult]:
        self.plays.append(list(keys))
        return {key: HostResult(key, 1, 1) for key in keys}


class House:
    """The application over the lab, with guests that can be reached."""

    def __init__(self, engine: EngineChoice) -> None:
        self.events: list[Event] = []
        self.app = App(Emitter((self.events.append,)), "lab", engine)
        self.reach, self.ansible = Reached(), Configured()
        site = self.app.site("lab")
        self.app._sites["lab"] = dataclasses.replace(site, reach=self.reach, configurator=self.ansible)

    def go(self, conversation: Conversation, *, yes: bool = True) -> int:
        """Take a session to its end as `apply FILE --yes` does; return the exit code."""
        try:
            finish(self.app, conversation, Output(self.app.emit, json=True), yes=yes)
        except typer.Exit as left:
            return left.exit_code
        return 0

    def apply(self, spec: Mapping[str, Any]) -> tuple[int, Conversation]:
        conversation = self.app.open("farm.yaml", "lab", {"spec": spec})
        return self.go(conversation), conversation


def phase(conversation: Conversation) -> str:
    return conversation.session.phase.value


@pytest.fixture(params=["api", pytest.param("terraform", marks=pytest.mark.provider)])
def house(request: pytest.FixtureRequest, atlas: Program, monkeypatch: pytest.MonkeyPatch) -> House:
    if request.param == "terraform":
        request.getfixturevalue("provider")
    monkeypatch.setenv("ATLAS_HOME", str(atlas.home))
    monkeypatch.setenv("ATLAS_CONFIG", str(atlas.config))
    return House(request.param)


def test_a_failed_check_proposes_one_repair_and_ends_with_1(house: House, atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    house.reach.well = False
    code, conversation = house.apply(SPEC)
    assert code == 1
    assert phase(conversation) == "awaiting_approval"
    assert house.ansible.plays == [["web"]]
    note = next(e.data["text"] for e in house.events if e.type == "note" and "repair" in e.data["text"])
    assert f"atlas resume {conversation.id}" in note

    # Still broken: the repair is approved, Ansible runs once more, and the same end is reached; never a loop.
    assert house.go(conversation) == 1
    assert house.ansible.plays == [["web"], ["web"]]

    house.reach.well = True
    assert house.go(conversation) == 0
    assert phase(conversation) == "done"
    assert house.ansible.plays == [["web"]] * 3
    done = [e.data["result"] for e in house.events if e.type == "run.done"]
    assert done == ["failed", "failed", "verified"]
    atlas("destroy", "farm", "--yes").ended(0)
    assert lab_api.world() == before


def test_new_software_alone_is_an_update(house: House, atlas: Program) -> None:
    assert house.apply(SPEC)[0] == 0
    more = {**SPEC, "guests": [{**SPEC["guests"][0], "software": ["nginx", "chrony"]}]}
    assert house.apply(more)[0] == 0
    plan = [e.data for e in house.events if e.type == "plan.ready"][-1]
    assert (plan["create"], plan["update"]) == (0, 1)
    [change] = plan["changes"]
    assert [a["path"] for a in change["attributes"]] == ["software"]
    assert house.ansible.plays == [["web"], ["web"]]
    assert house.apply(more)[0] == 0
    assert [e.data["result"] for e in house.events if e.type == "run.done"][-1] == "nothing"
    atlas("destroy", "farm", "--yes").ended(0)


TWO: dict[str, Any] = {**SPEC, "guests": [*SPEC["guests"], {**SPEC["guests"][0], "name": "unlucky"}]}


def test_what_failed_is_gone_on_with_under_the_same_approval(house: House, atlas: Program, lab_api: Api) -> None:
    before = lab_api.world()
    full, unlucky = {"text": "no space left"}, {"guest": "unlucky"}
    lab_api.fault("task-fail", {**unlucky, "path": "/nodes/*/qemu/*/clone"}, **full)
    try:
        with pytest.raises(PartlyDone, match="no space left"):
            house.apply(TWO)
    finally:
        lab_api.mend()
    assert house.ansible.plays == [["web"]], "the guest that is there is configured, and nobody waits for the other"
    conversation = house.app.conversation(house.app.store.sessions()[0])
    assert house.go(conversation, yes=False) == 0
    assert house.ansible.plays == [["web"], ["unlucky"]]
    assert [e.data["result"] for e in house.events if e.type == "run.done"] == ["failed", "verified"]
    assert sum(e.type == "approval" for e in house.events) == 1

    lab_api.fault("task-fail", {**unlucky, "path": "/nodes/*/qemu/*"}, **full)
    try:
        atlas("destroy", "farm", "--yes", "--json").ended(4)
    finally:
        lab_api.mend()
    assert {r["name"] for v, r in lab_api.rows().items() if v not in before["guests"]} == {"unlucky"}
    assert atlas("resume", "--json").ended(0).one("run.done")["result"] == "applied"
    assert lab_api.world() == before
