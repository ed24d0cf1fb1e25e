"""Instances: layers of defaults, counts, and consecutive addresses."""

from __future__ import annotations

from typing import Any

from atlas.instances import Instance, instances
from atlas.spec import GuestDefaults, Stack


def expand(spec: dict[str, Any], site: dict[str, Any] | None = None) -> list[Instance]:
    stack = Stack.model_validate({"metadata": {"name": "s", "tags": ["s"]}, **spec})
    return list(instances(stack, GuestDefaults.model_validate(site or {})))


def test_a_count_numbers_from_one_even_for_one() -> None:
    keys = [i.key for i in expand({"guests": [{"name": "a", "count": 1}, {"name": "b"}, {"name": "c", "count": 2}]})]
    assert keys == ["a-1", "b", "c-1", "c-2"]


def test_addresses_and_vmids_count_on() -> None:
    found = expand({"guests": [{"name": "a", "count": 3, "vmid": 100, "networks": [{"address": "10.0.0.254/23"}]}]})
    assert [(i.guest.vmid, i.guest.networks[0].address) for i in found] == [
        (100, "10.0.0.254/23"),
        (101, "10.0.0.255/23"),
        (102, "10.0.1.0/23"),
    ]


def test_the_guest_wins_over_the_stack_and_the_stack_over_the_site() -> None:
    site = {"memory": "1GiB", "cpu": {"type": "host", "cores": 1}, "pool": "p"}
    spec = {"defaults": {"memory": "3GiB", "cpu": {"cores": 3}}, "guests": [{"name": "a", "cpu": {"sockets": 2}}]}
    guest = expand(spec, site)[0].guest
    assert (guest.memory, guest.pool) == (3072, "p")
    assert (guest.cpu.type, guest.cpu.cores, guest.cpu.sockets) == ("host", 3, 2)


def test_entries_of_lists_inherit_where_they_lie_but_not_what_they_are() -> None:
    site = {"disks": [{"size": "9GiB", "storage": "fast"}], "networks": [{"bridge": "vmbr1", "vlan": 7}]}
    networks = [{"address": "dhcp"}, {"bridge": "vmbr2"}]
    guest = expand({"guests": [{"name": "a", "disks": [{"size": "4GiB"}, {}], "networks": networks}]}, site)[0].guest
    assert [(d.size, d.storage) for d in guest.disks] == [(4096, "fast"), (10240, "fast")]
    assert [(n.bridge, n.vlan) for n in guest.networks] == [("vmbr1", 7), ("vmbr2", None)]


def test_tags_of_stack_and_guest_come_together() -> None:
    assert expand({"guests": [{"name": "a", "tags": ["x", "s"]}]})[0].guest.tags == ("s", "x")
