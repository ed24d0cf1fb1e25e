"""A spec against itself: each contradiction is found, at its place, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from atlas.spec import Stack
from atlas.validate import validate

OK: dict[str, Any] = {"name": "a"}


def found(*guests: dict[str, Any], **defaults: Any) -> list[tuple[str, str]]:
    stack = Stack.model_validate({"metadata": {"name": "s"}, "guests": list(guests), "defaults": defaults})
    # Whether a role was proved is its record's matter, not the spec's.
    return [(d.where.path, d.summary) for d in validate(stack) if "is not proved" not in d.summary]


CASES: list[tuple[list[dict[str, Any]], str, str]] = [
    ([OK | {"ha": True}], "guests[0].ha", "cannot be acted on yet"),
    ([OK | {"gpu": {"mapping": "x"}}], "guests[0].gpu", "cannot be acted on yet"),
    ([OK | {"kind": "container", "backup": False}], "guests[0].backup", "is for VMs"),
    ([OK | {"open_ports": [80]}], "guests[0].open_ports", "cannot be acted on yet"),
    ([OK | {"networks": [{"firewall": True}]}], "guests[0].networks[0].firewall", "cannot be acted on yet"),
    ([OK, OK], "guests[1].name", "given to two guests"),
    ([{"name": "a", "count": 2}, {"name": "a-2"}], "guests[1].name", "name a-2"),
    ([OK | {"vmid": 100}, {"name": "b", "vmid": 100}], "guests[1].vmid", "VMID 100"),
    ([OK | {"vmid": 100, "count": 3}, {"name": "b", "vmid": 102}], "guests[1].vmid", "VMID 102"),
    (
        [OK | {"networks": [{"address": "10.0.0.5/24"}]}, {"name": "b", "networks": [{"address": "10.0.0.5/16"}]}],
        "guests[1].networks",
        "address 10.0.0.5",
    ),
    ([OK | {"count": 5, "networks": [{"address": "10.0.0.253/24"}]}], "guests[0].networks[0].address", "leave the net"),
    ([OK | {"networks": [{"address": "10.0.0.0/24"}]}], "guests[0].networks[0].address", "network address"),
    ([OK | {"networks": [{"address": "10.0.0.255/24"}]}], "guests[0].networks[0].address", "broadcast address"),
    (
        [OK | {"networks": [{"address": "10.0.0.5/24", "gateway": "10.0.1.1"}]}],
        "guests[0].networks[0].gateway",
        "is not in",
    ),
    (
        [OK | {"networks": [{"address": "10.0.0.5/24", "gateway": "10.0.0.5"}]}],
        "guests[0].networks[0].gateway",
        "also a guest",
    ),
    ([OK | {"networks": [{"address": "dhcp", "gateway": "10.0.0.1"}]}], "guests[0].networks[0].gateway", "no meaning"),
    ([OK | {"networks": [{"mac": "BC:24:11:00:00:01"}], "count": 2}], "guests[0].networks[0].mac", "one MAC"),
    ([OK | {"kind": "container", "balloon": "1GiB"}], "guests[0].balloon", "for VMs"),
    ([OK | {"kind": "container", "cpu": {"type": "host"}}], "guests[0].cpu.type", "for VMs"),
    ([OK | {"kind": "container", "user": {"name": "me"}}], "guests[0].user.name", "for VMs"),
    ([OK | {"kind": "container", "disks": [{"size": "4GiB"}] * 2}], "guests[0].disks[1]", "one disk"),
    ([OK | {"swap": "1GiB"}], "guests[0].swap", "for containers"),
    ([OK | {"kind": "container", "features": {"fuse": True}}], "guests[0].features.fuse", "with a token"),
    ([OK | {"disks": [{"size": "1500MiB"}]}], "guests[0].disks[0].size", "whole number of GiB"),
    ([OK | {"memory": "1GiB", "balloon": "2GiB"}], "guests[0].balloon", "more than"),
    ([OK | {"memory": "8MiB"}], "guests[0].memory", "too little"),
    ([OK | {"disks": [{"bus": "sata", "iothread": True}]}], "guests[0].disks[0].iothread", "no I/O thread"),
    ([OK | {"image": "debian-12", "template": 9000}], "guests[0].template", "not both"),
    ([OK | {"keep_together": "x", "keep_apart": "x"}], "guests[0].keep_apart", "both together and apart"),
    ([OK | {"spread": True, "node": "pve1"}], "guests[0].spread", "no effect"),
    ([OK | {"software": ["nginx"], "networks": []}], "guests[0].software", "needs a network"),
    ([OK | {"software": ["nginx", "nginx@1"]}], "guests[0].software[1]", "twice"),
    ([OK | {"renamed_from": "b"}, {"name": "b"}], "guests[0].renamed_from", "still in the spec"),
]


@pytest.mark.parametrize(("guests", "path", "words"), CASES)
def test_each_contradiction_is_found_alone(guests: list[dict[str, Any]], path: str, words: str) -> None:
    ((where, summary),) = found(*guests)
    assert where == path
    assert words in summary


def test_what_is_right_has_no_findings() -> None:
    web = {
        "name": "web",
        "count": 3,
        "vmid": 200,
        "networks": [{"address": "10.0.0.11/24", "gateway": "10.0.0.1"}],
        "software": ["nginx", "docker"],
    }
    box = {"name": "box", "kind": "container", "swap": "512MiB", "mounts": [{"path": "/srv", "size": "8GiB"}]}
    assert found(web, box, memory="4GiB") == []
