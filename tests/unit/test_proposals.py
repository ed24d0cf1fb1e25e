"""Proposals for a profile: only what every node has, what nobody uses, and answers with their faults."""

from __future__ import annotations

from typing import Any

import pytest

from atlas import proposals
from atlas.errors import UsageError
from atlas.state import Node, Observed, State, Storage


def state(**changes: Any) -> State:
    nodes = {
        "a": Node("a", True, 4, 8, bridges=frozenset({"vmbr0", "vmbr10", "vmbr2"})),
        "b": Node("b", True, 4, 8, bridges=frozenset({"vmbr10", "vmbr2"})),
        "gone": Node("gone", False, 4, 8),
    }
    storages = (
        *(Storage("thin", n, "lvmthin", False, frozenset({"images"}), 100, free) for n, free in (("a", 90), ("b", 10))),
        *(Storage("zfs", n, "zfspool", False, frozenset({"images"}), 100, 50) for n in "ab"),
        *(Storage("nfs", n, "nfs", True, frozenset({"images"}), 100, 1) for n in "ab"),
        *(Storage("iso", n, "dir", False, frozenset({"iso"}), 100, 99) for n in "ab"),
        Storage("alone", "a", "dir", False, frozenset({"images"}), 100, 99),
    )
    return State("c", "9.2", nodes, storages, **{"guests": {}, **changes})


def test_only_what_every_online_node_has_is_proposed() -> None:
    assert proposals.bridges(state()) == ["vmbr2", "vmbr10"]
    assert proposals.storages(state()) == ["nfs", "zfs", "thin"]


def test_a_block_of_vmids_holds_no_guest() -> None:
    used = {vmid: Observed(vmid, "vm", "x", "a") for vmid in (100, 19_999, 20_000)}
    assert next(proposals.blocks(state())) == (10_000, 19_999)
    assert next(proposals.blocks(state(guests=used))) == (30_000, 39_999)


def row(iface: str, cidr: str, gateway: str | None = None) -> dict[str, Any]:
    found = {"iface": iface, "cidr": cidr, "address": cidr.partition("/")[0]}
    return found | ({"gateway": gateway} if gateway else {})


def test_addresses_are_of_the_bridges_network_and_free() -> None:
    rows = [row("vmbr0", "192.168.7.241/24", "192.168.7.254"), row("vmbr0", "192.168.7.242/24"), {"iface": "eno1"}]
    assert proposals.addresses("vmbr0", rows) == "192.168.7.191-192.168.7.240/24"
    assert proposals.gateway("vmbr0", rows) == "192.168.7.254"
    assert proposals.addresses("vmbr0", rows, ["192.168.7.200"]) == "192.168.7.150-192.168.7.199/24"
    assert proposals.addresses("vmbr1", rows) == ""
    assert proposals.gateway("vmbr1", rows) == ""
    assert proposals.addresses("vmbr0", [row("vmbr0", "10.0.0.1/29")]) == ""
    assert proposals.addresses("vmbr0", [row("vmbr0", "10.0.0.1/8")]) == "10.255.255.205-10.255.255.254/8"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pve1", "https://pve1:8006"),
        ("https://pve1.example.com:443/", "https://pve1.example.com:443"),
        ("[2001:db8::1]:8006", "https://[2001:db8::1]:8006"),
    ],
)
def test_an_endpoint_may_be_written_short(text: str, found: str) -> None:
    assert proposals.endpoint(text) == found


@pytest.mark.parametrize("text", ["", "http://pve1", "https://pve1/path", "a b", "https://user@pve1"])
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(UsageError):
        proposals.endpoint(text)


def test_ranges() -> None:
    assert proposals.vmids("200 - 299") == (200, 299)
    pool = {"network": "10.0.0.0/24", "first": "10.0.0.5", "last": "10.0.0.9"}
    assert proposals.pool("10.0.0.5-10.0.0.9/24") == pool


@pytest.mark.parametrize("text", ["", "99-200", "300-200", "100"])
def test_what_is_no_range_of_vmids(text: str) -> None:
    with pytest.raises(UsageError):
        proposals.vmids(text)


@pytest.mark.parametrize(
    "text", ["", "10.0.0.5/24", "10.0.0.9-10.0.0.5/24", "10.0.0.5-10.0.1.5/24", "10.0.0.5-10.0.0.9", "a-b/24"]
)
def test_what_is_no_range_of_addresses(text: str) -> None:
    with pytest.raises(UsageError):
        proposals.pool(text)
