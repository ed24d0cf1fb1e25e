"""Base and nginx on a real guest: applied twice, the second time without a change, and what they promise holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tools import proving

from atlas.configs.catalogue import proofs

if TYPE_CHECKING:
    from live.machines import Guest

pytestmark = [pytest.mark.guest, pytest.mark.slow]


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    from live import machines

    problem = machines.why_not()
    if problem:
        pytest.skip(problem)
    with machines.machine_for_tests(memory=1024) as booted:
        yield booted


def test_base_and_nginx_change_nothing_the_second_time(guest: Guest, tmp_path: Path) -> None:
    for role, name in (("base", None), ("nginx", "nginx")):
        proof = proving.prove(name, guest, tmp_path / role)
        assert proof["changed"][0] > 0
        assert proof["changed"][1] == 0
        assert proof["hash"] == proofs()[role]["hash"]

    told = guest.ssh("cat /etc/ansible/facts.d/atlas.fact", check=True).stdout
    assert json.loads(told)["software"] == {"nginx": "1.22"}
    status = guest.ssh(f"curl -s -o /dev/null -w '%{{http_code}}' http://{guest.address}/").stdout
    assert status == "200"
    sshd = guest.ssh("sudo sshd -T", check=True).stdout.splitlines()
    assert {"passwordauthentication no", "kbdinteractiveauthentication no"} <= set(sshd)
    assert guest.ssh("date +%Z").stdout.strip() == "UTC"
