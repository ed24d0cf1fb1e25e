"""What PVE refuses about a node's interfaces before it writes them."""

from __future__ import annotations

from typing import Any

import pytest

from atlas.lab.call import PVEError
from atlas.lab.interfaces_checks import check_all, check_gateway, check_ports, check_v6

PORT = {"type": "eth"}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"vmbr1": {"type": "bridge", "bridge_ports": "eno9"}}, "unable to find bridge port 'eno9'"),
        (
            {"eno1": {"type": "eth", "method": "static"}, "b": {"type": "bridge", "bridge_ports": "eno1"}},
            "if bridged in b",
        ),
        ({"eno1": PORT, "vmbr1": {"type": "bridge", "bridge_ports": "eno1", "mtu": 9000}}, "mtu 1500 is lower than"),
        (
            {"bond0": {"type": "bond", "slaves": "eno9"}},
            r"wrong interface type on slave 'eno9' \('' != 'eth or bond'\)",
        ),
        ({"eno1": PORT, "bond0": {"type": "bond", "slaves": "eno1", "bond-primary": "x"}}, "is not a slave at"),
        ({"vlan5": {"type": "vlan"}}, "missing vlan-raw-device option at"),
        ({"eno1": PORT, "mine": {"type": "vlan", "vlan-raw-device": "eno1"}}, "missing vlan-id option at"),
        ({"eno1.5": {"type": "vlan"}}, "unable to find parent 'eno1'"),
        ({"eno1": PORT, "eno1.5000": {"type": "vlan"}}, "vlan-id 5000 should be <= 4094"),
    ],
)
def test_interfaces_that_do_not_go_together_are_refused(found: dict[str, dict[str, Any]], words: str) -> None:
    with pytest.raises(PVEError, match=words):
        check_all(found)


def test_a_bond_brings_its_slaves_up_and_may_be_larger_than_asked() -> None:
    found: dict[str, dict[str, Any]] = {
        "eno1": {"type": "eth", "mtu": 9000},
        "bond0": {"type": "bond", "slaves": "eno1"},
        "vmbr1": {"type": "bridge", "bridge_ports": "bond0.7"},
    }
    check_all(found)
    assert found["eno1"]["autostart"] == 1


def test_ports_and_the_gateway_belong_to_one() -> None:
    found = {"vmbr0": {"bridge_ports": "eno1", "gateway": "10.0.0.254"}}
    for check, given, key in (
        (check_ports, {"slaves": "eno1"}, "slaves"),
        (check_gateway, {"gateway": "1"}, "gateway"),
    ):
        check(found, "vmbr0", given)
        with pytest.raises(PVEError) as caught:
            check(found, "other", given)
        assert list(caught.value.errors or {}) == [key]


@pytest.mark.parametrize(
    ("address", "kind"), [("2001:db8::1", "DOCUMENTATION"), ("ff02::1", "MULTICAST"), ("::1", "LOOPBACK")]
)
def test_a_host_has_a_unicast_address(address: str, kind: str) -> None:
    check_v6("fd00::1")
    check_v6("fe80::1")
    with pytest.raises(PVEError) as caught:
        check_v6(address)
    assert f"with type '{kind}'" in (caught.value.errors or {})["address"]
