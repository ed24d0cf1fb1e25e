"""Probes: what an agent's answers prove, and what a template without an agent forbids."""

from __future__ import annotations

from typing import Any

import pytest

from atlas.errors import ApiRefused
from atlas.instances import instances
from atlas.leasing import Origin
from atlas.ports.templates import TemplateRecord
from atlas.proofs import known, words
from atlas.runs.origins import unproved
from atlas.runs.probing import _agent
from atlas.spec import Stack
from atlas.state import Observed

RECORD = TemplateRecord("c", "debian-12", 900, "n", "s", "l", "m", "url", "f", "sha256:ab", "me", 1.0, uuid="u")
PROOF = {"agent": True, "cloud_init": True, "evidence": [], "ts": 86_400.0}


class Agent:
    """Says one thing after the other; of Templates only what a probe asks."""

    def __init__(self, *answers: str | Exception | None) -> None:
        self.answers = list(answers)

    def host_name(self, _: int) -> str | None:
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(said, Exception):
            raise said
        return said


@pytest.mark.parametrize(
    ("answer", "ok", "evidence"),
    [
        ("probe-x", True, "the agent answers, and cloud-init named the guest probe-x"),
        ("probe-x.example.org", True, "cloud-init named the guest probe-x.example.org"),
        ("localhost", False, "the guest calls itself localhost: cloud-init did not name it"),
        (None, False, "no agent answered"),
        (ApiRefused("m", status=403, reason="Permission check failed"), False, "cannot be asked: Permission check"),
    ],
)
def test_only_the_name_that_cloud_init_was_to_give_proves_it(answer: Any, ok: bool, evidence: str) -> None:
    agent: Any = Agent(answer)
    found = _agent(agent, 1, "probe-x", 0)
    assert found.ok is ok
    assert evidence in found.evidence


def test_an_agent_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    agent: Any = Agent(None, "localhost", "probe-x")
    assert _agent(agent, 1, "probe-x", 60).ok


def test_dhcp_is_refused_where_no_agent_answered() -> None:
    networks = [{"address": "dhcp"}, {"address": "10.0.0.2/24"}, {"address": "dhcp"}]
    spec = {"metadata": {"name": "s"}, "guests": [{"name": "a", "networks": networks}]}
    wanted, origins = instances(Stack.model_validate(spec)), {"a": Origin("900", "n")}
    found = unproved(wanted, origins, {900: {**PROOF, "agent": False}})
    assert [d.where.path for d in found] == ["guests[0].networks[0].address", "guests[0].networks[2].address"]
    assert unproved(wanted, origins, {900: PROOF}) == []
    assert unproved(wanted, origins, {901: {**PROOF, "agent": False}}) == []


def test_a_proof_is_that_of_one_template_and_of_no_other_with_its_vmid() -> None:
    proved = [TemplateRecord(**{**{f: getattr(RECORD, f) for f in RECORD.__slots__}, "proof": PROOF})]
    assert known(proved, Observed(900, "vm", "debian-12", "n", uuid="u")) == PROOF
    assert known(proved, Observed(900, "vm", "debian-12", "n", uuid="another")) is None
    assert known([RECORD], Observed(900, "vm", "debian-12", "n", uuid="u")) is None


def test_proofs_in_words() -> None:
    assert words(None) == "not proved"
    assert words(PROOF) == "agent and cloud-init proved on 1970-01-02"
    assert words({**PROOF, "agent": False}) == "cloud-init proved on 1970-01-02; no agent answered"
    assert words({**PROOF, "agent": False, "cloud_init": False}) == "its probe did not answer on 1970-01-02"
