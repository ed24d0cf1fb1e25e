"""Named formats refuse what PVE refuses, in its words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.lab.formats import VERIFY, verify


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("pve-fw-dport-spec", "80,443,8000:8010,http", None),
        ("pve-fw-dport-spec", "80,,443", "extraneous commas in list"),
        ("pve-fw-dport-spec", "", None),
        ("pve-fw-addr-spec", "", None),
        ("pve-fw-dport-spec", "90:80", "backwards range '90:80' not allowed, did you mean '80:90'?"),
        ("pve-fw-dport-spec", "70000", "invalid port '70000'"),
        ("pve-fw-protocol-spec", "tcp", None),
        ("pve-fw-protocol-spec", "carrier-pigeon", "unknown protocol 'carrier-pigeon'"),
        ("pve-fw-addr-spec", "10.0.0.1,10.1.0.0/16", None),
        ("pve-fw-addr-spec", "10.0.0.1-10.0.0.9", None),
        ("pve-fw-addr-spec", "10.0.0.1,::1", "detected mixed ipv4/ipv6 addresses in address list '10.0.0.1,::1'"),
        ("pve-storage-id", "a", "storage ID 'a' cannot be shorter than 2 characters"),
        ("pve-vlan-id-or-range-list", "2-10 20", None),
        ("pve-vlan-id-or-range-list", "2-10 1", "invalid VLAN tag '1'"),
        ("pve-ipv4-config", "10.0.0.1/24", None),
        ("pve-ipv4-config", "10.0.0.1", "value does not look like a valid ipv4 network configuration"),
        ("CIDR", "10.0.0.0/7", "value does not look like a valid CIDR network"),
        ("mac-addr", "BC:24:11:00:00:01", None),
        ("mac-addr", "01:24:11:00:00:01", "value does not look like a valid unicast MAC address"),
        ("email-opt", "", None),
        ("urlencoded", "ssh-ed25519%20AAAA", None),
        ("urlencoded", "a b", "invalid urlencoded string: a b"),
        ("a-format-that-nobody-knows", "x", None),
    ],
)
def test_texts_are_taken_or_refused(name: str, text: str, fault: str | None) -> None:
    assert verify(name, text) == fault


@given(st.sampled_from(sorted(VERIFY)), st.text())
def test_no_text_breaks_a_format(name: str, text: str) -> None:
    assert verify(name, text) != ""
