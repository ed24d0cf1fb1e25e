"""What changes on a VM when its spec does, by attribute, and which change reboots it."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.comparing import seen, text, then
from fakes.stacks import made, work

from atlas.compare import compare

UPDATES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    # VM before, VM after, the attributes that change
    ({}, {}, []),
    ({"memory": "2GiB"}, {"memory": "4GiB"}, ["memory:2048>4096!"]),
    ({"memory": "4GiB"}, {"memory": "2048MiB"}, ["memory:4096>2048!"]),
    ({}, {"cpu": {"cores": 4}}, ["cpu.cores:2>4!"]),
    ({}, {"cpu": {"sockets": 2}}, ["cpu.sockets:1>2!"]),
    ({}, {"cpu": {"type": "host"}}, ["cpu.type:x86-64-v2-AES>host!"]),
    ({}, {"balloon": "1GiB"}, ["balloon:None>1024!"]),
    ({"balloon": "1GiB"}, {}, ["balloon:1024>None!"]),
    ({}, {"machine": "q35"}, ["machine:None>q35!"]),
    ({"machine": "q35"}, {}, ["machine:q35>None!"]),
    ({}, {"tags": ["x"]}, ["tags:('atlas',)>('atlas', 'x')"]),
    ({"tags": ["x", "y"]}, {"tags": ["y"]}, ["tags:('atlas', 'x', 'y')>('atlas', 'y')"]),
    ({"tags": ["b", "a"]}, {"tags": ["a", "b"]}, []),
    ({}, {"pool": "p"}, ["pool:None>p"]),
    ({"pool": "p"}, {"pool": "q"}, ["pool:p>q"]),
    ({"pool": "p"}, {}, ["pool:p>None"]),
    ({}, {"protection": True}, ["protection:False>True"]),
    ({"protection": True}, {}, ["protection:True>False"]),
    ({}, {"start": {"on_boot": False}}, ["start.on_boot:True>False"]),
    ({}, {"start": {"order": 3}}, ["start.order:None>3"]),
    ({"start": {"order": 3}}, {}, ["start.order:3>None"]),
    ({}, {"dns": {"servers": ["10.0.0.1"]}}, ["dns.servers:None>('10.0.0.1',)!"]),
    (
        {"dns": {"servers": ["10.0.0.1"], "search": "a.b"}},
        {},
        ["dns.search:a.b>None!", "dns.servers:('10.0.0.1',)>None!"],
    ),
    ({}, {"user": {"name": "me"}}, ["user.name:ops>me!"]),
    ({}, {"efi": {}}, ["efi:None>True!", "efi.secure_boot:None>False!"]),
    ({}, {"tpm": {}}, ["tpm:None>True!"]),
    ({}, {"node": "pve2"}, ["node:None>pve2"]),
    ({"node": "pve1"}, {}, []),
    ({}, {"image": "debian-13"}, ["image:debian-12>debian-13!!"]),
    ({}, {"template": 9001}, ["image:debian-12>9001!!"]),
    ({}, {"software": ["nginx"]}, []),
    ({}, {"checks": [{"port": 80}]}, []),
    ({}, {"disks": [{"size": "20GiB"}]}, ["disks[0].size:10240>20480"]),
    ({}, {"disks": [{"storage": "local"}]}, ["disks[0].storage:shared-nfs>local"]),
    ({"disks": [{"storage": "local"}]}, {"disks": [{}]}, []),
    ({}, {"disks": [{"bus": "scsi"}]}, []),
    ({}, {"disks": [{"ssd": True, "discard": True}]}, ["disks[0].discard:False>True!", "disks[0].ssd:False>True!"]),
    ({}, {"disks": [{"iothread": True}]}, ["disks[0].iothread:False>True!"]),
    ({}, {"backup": False}, ["disks[0].backup:True>False"]),
    (
        {},
        {"disks": [{}, {"size": "5GiB", "storage": "local-lvm"}]},
        [
            "disks[1].backup:None>True",
            "disks[1].bus:None>scsi",
            "disks[1].discard:None>False",
            "disks[1].iothread:None>False",
            "disks[1].size:None>5120",
            "disks[1].ssd:None>False",
            "disks[1].storage:None>local-lvm",
        ],
    ),
    (
        {"disks": [{}, {"size": "5GiB", "bus": "sata"}]},
        {"disks": [{}]},
        [
            "disks[1].backup:True>None",
            "disks[1].bus:sata>None!",
            "disks[1].discard:False>None!",
            "disks[1].iothread:False>None!",
            "disks[1].size:5120>None",
            "disks[1].ssd:False>None!",
        ],
    ),
    ({}, {"networks": [{"bridge": "vmbr1"}]}, ["networks[0].bridge:vmbr0>vmbr1"]),
    ({}, {"networks": [{"vlan": 20}]}, ["networks[0].vlan:None>20"]),
    ({"networks": [{"vlan": 20}]}, {"networks": [{}]}, ["networks[0].vlan:20>None"]),
    ({}, {"networks": [{"mtu": 1400}]}, ["networks[0].mtu:None>1400!"]),
    ({}, {"networks": [{"address": "dhcp"}]}, ["networks[0].address:10.42.0.2/16>dhcp!"]),
    ({}, {"networks": [{"gateway": "10.0.0.254"}]}, ["networks[0].gateway:None>10.0.0.254!"]),
    (
        {},
        {"networks": [{}, {"bridge": "vmbr1", "address": "10.43.0.2/24"}]},
        [
            "networks[1].address:None>10.43.0.2/24!",
            "networks[1].bridge:None>vmbr1",
            "networks[1].mac:None>BC:24:11:01:00:00",
        ],
    ),
    (
        {"networks": [{}, {"address": "10.43.0.2/24"}]},
        {"networks": [{}]},
        [
            "networks[1].address:10.43.0.2/24>None!",
            "networks[1].bridge:vmbr0>None",
            "networks[1].mac:BC:24:11:01:00:00>None",
        ],
    ),
]


@pytest.mark.parametrize(("before", "after", "expected"), UPDATES)
def test_updates_of_a_running_vm(before: dict[str, Any], after: dict[str, Any], expected: list[str]) -> None:
    changes = compare(then(made(work(before)), after))
    action = "replace" if any(e.endswith("!!") for e in expected) else "update"
    assert text(changes) == ([" ".join([action, "web", *expected])] if expected else [])


@pytest.mark.parametrize(("before", "after", "expected"), UPDATES)
def test_a_stopped_vm_is_changed_without_reboot_and_started(
    before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    stopped = seen(made(work(before)), running=False, attributes={"running": False})
    (change,) = compare(then(stopped, after))
    assert not change.reboots
    assert [a.path for a in change.attributes if a.path != "running"] == [e.split(":")[0] for e in expected]
