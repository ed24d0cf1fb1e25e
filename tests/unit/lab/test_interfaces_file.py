"""A node's interfaces as the file keeps them: kinds told by name, addresses in every form, what is lost."""

from __future__ import annotations

from typing import Any

from atlas.lab.interfaces_file import parsed, rendered

PORT = {"type": "eth", "method": "manual", "families": ["inet"], "exists": 1, "priority": 3}


def read_back(**found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    plain = {name.replace("_", "."): {"families": ["inet"], **data} for name, data in found.items()}
    return parsed(rendered(plain), {"eno1"})


def test_an_address_comes_back_with_its_mask_in_every_form() -> None:
    bridge = {"type": "bridge", "method": "static", "address": "10.0.0.1", "netmask": "255.255.0.0"}
    found = read_back(vmbr1=bridge)["vmbr1"]
    assert (found["cidr"], found["address"], found["netmask"]) == ("10.0.0.1/16", "10.0.0.1", "16")
    assert (found["bridge_ports"], found["bridge_stp"], found["bridge_fd"]) == ("", "off", "0")


def test_the_kind_is_told_by_the_name_and_a_vlan_by_its_parent() -> None:
    found = read_back(eno1=PORT, eno1_5={"type": "vlan"}, vlan6={"type": "vlan", "vlan-raw-device": "eno1"})
    assert [found[name]["type"] for name in ("eno1", "eno1.5", "vlan6")] == ["eth", "vlan", "vlan"]
    assert (found["eno1.5"]["vlan-raw-device"], found["eno1.5"]["vlan-id"], found["eno1.5"]["exists"]) == (
        "eno1",
        "5",
        1,
    )
    assert found["vlan6"]["vlan-id"] == "6"


def test_what_belongs_to_another_mode_of_a_bond_is_lost() -> None:
    bond = {"type": "bond", "slaves": "eno2,eno1", "bond_mode": "balance-rr", "bond-primary": "eno1"}
    found = read_back(eno1=PORT, bond0=bond)["bond0"]
    assert (found["slaves"], found["bond_miimon"]) == ("eno1 eno2", "100")
    assert "bond-primary" not in found


def test_comments_are_lines_and_kinds_come_in_their_order() -> None:
    bridge = {"type": "bridge", "comments": "one\ntwo", "autostart": 1}
    found = read_back(vmbr9=bridge, eno1=PORT, lo={"type": "loopback", "method": "loopback"})
    assert found["vmbr9"]["comments"] == "one\ntwo\n"
    assert found["vmbr9"]["autostart"] == 1
    assert sorted(found, key=lambda name: int(found[name]["priority"])) == ["lo", "eno1", "vmbr9"]
