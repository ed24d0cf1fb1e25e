"""What one look makes of a guest that leaves or moves while it is looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from atlas.errors import ApiRefused
from atlas.proxmox.client import Client
from atlas.proxmox.facts import PveCluster

Rows = list[dict[str, Any]]


def row(node: str) -> Rows:
    return [{"vmid": 101, "type": "qemu", "node": node, "name": "b", "status": "stopped"}]


def cluster(home: str | None, *lists: Rows) -> PveCluster:
    """Return a cluster whose list says this one time after time, while the guest's files are on `home`."""
    told = list(lists)

    def get(*path: object, **_: Any) -> Any:
        if path[0] == "cluster":
            return told.pop(0)
        if path[1] != home:
            raise ApiRefused(
                "no", status=500, reason=f"Configuration file 'nodes/{path[1]}/qemu-server/101.conf' does not exist"
            )
        return {"config": {"name": "b"}, "pending": [], "current": {"status": "stopped"}}[str(path[-1])]

    return PveCluster("test", cast("Client", SimpleNamespace(get=get)))


def test_a_guest_that_moves_between_two_looks_is_read_where_it_is_now() -> None:
    """As a clone for another node does when it is done: who took it for gone would make it a second time."""
    found = cluster("pve3", row("pve1"), row("pve3")).guest(101)
    assert found is not None
    assert (found.node, found.name) == ("pve3", "b")


@pytest.mark.parametrize("then", [[], row("pve1")])
def test_a_guest_that_left_between_two_looks_is_gone(then: Rows) -> None:
    assert cluster(None, row("pve1"), then).guest(101) is None
