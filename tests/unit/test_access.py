"""The least rights in the words of each version of Proxmox VE."""

from __future__ import annotations

import pytest

from atlas.access import NEEDS, commands, missing, needs


@pytest.mark.parametrize("engine", sorted(NEEDS))
def test_before_version_9_the_agent_is_a_matter_of_the_monitor(engine: str) -> None:
    assert needs(engine) == needs(engine, "9.2.11") == NEEDS[engine]
    names = needs(engine, "8.4.1")["/vms"]
    assert names == NEEDS[engine]["/vms"] - {"VM.GuestAgent.Audit"} | {"VM.Monitor"}
    assert not any("GuestAgent" in line for line in commands(engine, "8.4.1"))
    assert missing(needs(engine, "8.4.1"), engine, "8.4.1") == {}
    assert missing(needs(engine, "8.4.1"), engine) == {"/vms": ["VM.GuestAgent.Audit"]}
