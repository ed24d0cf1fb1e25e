"""What changes on a container when its spec does, by attribute, and which change reboots it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fakes.comparing import text, then
from fakes.stacks import KEY, made, work

from atlas.compare import compare, warnings

CT = {"kind": "container", "image": "debian-12"}
CONTAINERS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, []),
    ({}, {"memory": "4GiB"}, ["memory:2048>4096"]),
    ({}, {"cpu": {"cores": 1}}, ["cpu.cores:2>1"]),
    ({}, {"cpu": {"sockets": 2, "type": "host"}}, []),
    ({}, {"swap": "1GiB"}, ["swap:None>1024"]),
    ({"swap": "1GiB"}, {}, ["swap:1024>512"]),
    ({}, {"features": {"nesting": True}}, ["features:None>('nesting',)!"]),
    ({"features": {"nesting": True}}, {}, ["features:('nesting',)>None!"]),
    ({}, {"unprivileged": False}, ["unprivileged:True>False!!"]),
    ({}, {"image": "alpine"}, ["image:debian-12>alpine!!"]),
    ({}, {"kind": "vm"}, ["kind:container>vm!!"]),
    ({}, {"disks": [{"size": "20GiB"}]}, ["disks[0].size:10240>20480"]),
    ({}, {"disks": [{"storage": "local"}]}, ["disks[0].storage:shared-nfs>local!"]),
    ({}, {"networks": [{"address": "dhcp"}]}, ["networks[0].address:10.42.0.2/16>dhcp"]),
    ({}, {"dns": {"search": "a.b"}}, ["dns.search:None>a.b!"]),
    ({}, {"user": {"name": "me"}}, []),
    (
        {},
        {"mounts": [{"path": "/d", "size": "1GiB"}]},
        ["mounts[0].backup:None>False", "mounts[0].path:None>/d", "mounts[0].size:None>1024"],
    ),
    (
        {"mounts": [{"path": "/d", "size": "1GiB"}]},
        {"mounts": [{"path": "/e", "size": "2GiB", "backup": True}]},
        ["mounts[0].backup:False>True!", "mounts[0].path:/d>/e!", "mounts[0].size:1024>2048"],
    ),
    (
        {"mounts": [{"path": "/d", "size": "1GiB"}]},
        {},
        ["mounts[0].backup:False>None!", "mounts[0].path:/d>None!", "mounts[0].size:1024>None"],
    ),
]


@pytest.mark.parametrize(("before", "after", "expected"), CONTAINERS)
def test_updates_of_a_running_container(before: dict[str, Any], after: dict[str, Any], expected: list[str]) -> None:
    changes = compare(then(made(work({**CT, **before})), {**CT, **after}))
    action = "replace" if any(e.endswith("!!") for e in expected) else "update"
    assert text(changes) == ([" ".join([action, "web", *expected])] if expected else [])


def test_changed_keys_of_a_container_are_a_warning() -> None:
    before = made(work(CT))
    after = then(before, {**CT, "user": {"ssh_keys": [KEY.replace("AAAI", "BBBI")]}})
    assert compare(after) == ()
    assert "stay as they are" in warnings(after)[0].summary
    assert warnings(replace(before, instances=(), destroy=True)) == ()
