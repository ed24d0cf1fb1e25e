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
        ("pve-fw-dport-spec", "80,,443", "invalid port ''"),
        ("pve-fw-dport-spec", "80,", "extraneous commas in list"),
        ("pve-fw-dport-spec", "", None),
        ("pve-fw-dport-spec", "90:80", "backwards range '90:80' not allowed, did you mean '80:90'?"),
        ("pve-fw-dport-spec", "70000", "invalid port '70000'"),
        ("pve-fw-protocol-spec", "tcp", None),
        ("pve-fw-protocol-spec", "carrier-pigeon", "unknown protocol 'carrier-pigeon'"),
        ("pve-fw-addr-spec", "10.0.0.1,10.1.0.0/16", None),
        ("pve-fw-addr-spec", "10.0.0.1-10.0.0.9", None),
        ("pve-fw-addr-spec", "10.0.0.1,::1", "detected mixed ipv4/ipv6 addresses in address list '10.0.0.1,::1'"),
        ("pve-fw-addr-spec", "", None),
        ("pve-fw-addr-spec", "10.1", None),
        ("pve-fw-addr-spec", "10.0.0.1 - 10.0.0.2", None),
        ("pve-fw-addr-spec", "x", "invalid IP address: Invalid chars in IP x"),
        ("pve-fw-addr-spec", "300", "invalid IP address: Invalid quad in IP address 300 - 300"),
        ("pve-fw-addr-spec", "1..2", "invalid IP address: Empty quad in IP address 1..2"),
        ("pve-fw-addr-spec", "10.0.0.1/24", f"invalid IP address: Invalid prefix {10 << 24 | 1:032b}/24"),
        ("pve-fw-addr-spec", "10.0.0.0/33", "invalid IP address: Prefix length 33 is longer than IP address (32)"),
        ("pve-fw-addr-spec", "1::2::3", "invalid IP address: Invalid address 1::2::3 (More than one :: pattern)"),
        ("pve-fw-addr-spec", "00:11:22:33:44:55", "invalid IP address: Invalid number of octets 00:11:22:33:44:55"),
        (
            "pve-fw-addr-spec",
            "10.0.0.9-10.0.0.1",
            "invalid IP address: Begin address is greater than End address 10.0.0.9 - 10.0.0.1",
        ),
        ("storage-pair-list", "local:other 1", None),
        (
            "storage-pair",
            "a",
            "entry 'a' contains invalid ID - storage ID 'a' cannot be shorter than 2 characters\n\n",
        ),
        ("pve-cpuset", "0-3,5", None),
        ("pve-cpuset", "3-1", "unable to parse cpuset option"),
        ("pve-hotplug-features", "disk,network", None),
        ("pve-hotplug-features", "disk,x", "invalid hotplug feature 'x'"),
        ("pve-qm-bootdev-list", "scsi0;net31", None),
        ("pve-qm-bootdev-list", "scsi31", "invalid boot device 'scsi31'"),
        ("pve-volume-id-or-qm-path", "cdrom", None),
        ("pve-volume-id-or-qm-path", "x", "unable to parse volume ID 'x'"),
        ("pve-lxc-mp-string", "/a/../b", "/a/../b contains illegal character sequences"),
        ("pve-ct-timezone", "Europe/Vienna", None),
        ("pve-ct-timezone", "Mars", "invalid time zone 'Mars'"),
        ("pve-storage-zfs-blocksize", "16k", None),
        ("pve-storage-portal-dns", "[fe80::1]:3260", None),
        ("pve-storage-portal-dns", "a,b", "value does not look like a valid portal address"),
        ("pve-dir-override-list", "iso=my/isos", None),
        ("pve-dir-override-list", "iso", "invalid override 'iso'"),
        ("pem-string", "-----BEGIN KEY-----\nQUJD\n-----END KEY-----\n", None),
        ("pem-string", "QUJD", "not a valid PEM-formatted string."),
        ("pve-calendar-event", " ", "invalid calendar event ' ' - unable to parse calendar event - event is empty\n"),
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
