"""What is asked of a cluster for one look at it: no more than the look is for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.site import Site

from atlas.lab import control
from atlas.lab.admin_client import ask
from atlas.proxmox.client import Client
from atlas.proxmox.facts import PveCluster


class Asked(PveCluster):
    """A cluster that notes what it was asked."""

    def __init__(self, lab: dict[str, Any]) -> None:
        super().__init__("lab", Client(lab["url"], lab["token"], ca_file=Path(lab["ca_file"])))
        self.paths: list[str] = []
        get = self.client.get

        def noted(*path: object, **params: Any) -> Any:
            self.paths.append("/".join(map(str, path)))
            return get(*path, **params)

        self.client.get = noted  # type: ignore[method-assign]  # an instance's own


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("lab")
    yield control.start(folder, latency="instant")
    control.stop(folder)


def test_a_template_is_asked_for_its_configuration_alone(lab: dict[str, Any]) -> None:
    cluster = Asked(lab)
    templates = [g for g in cluster.look().guests.values() if g.template]
    assert templates
    assert all(g.config and not g.pending and not g.running for g in templates)
    asked = [p for p in cluster.paths if "/qemu/" in p]
    assert sorted(asked) == sorted(f"nodes/{g.node}/qemu/{g.vmid}/config" for g in templates)


def test_bridges_and_archives_are_read_for_planning_only(lab: dict[str, Any]) -> None:
    planning, working = Asked(lab), Asked(lab)
    everything, state = planning.look(), working.look(offers=False)
    assert everything.archives
    assert all(node.bridges for node in everything.nodes.values())
    assert not state.archives
    assert all(node.bridges is None for node in state.nodes.values())
    assert state.storages == everything.storages
    told = set(planning.paths) - set(working.paths)
    assert {p.rpartition("/")[2] for p in told} == {"network", "content"}


def test_our_own_tasks_on_our_guests_are_told_while_they_run(lab: dict[str, Any], tmp_path: Path) -> None:
    site = Site(tmp_path / "home", lab)
    site.clone(10_001, "ours")
    folder, node = Path(lab["ca_file"]).parent, site.template.node
    stall = {"name": "stall", "effect": "task-stall", "match": {"method": "DELETE"}, "options": {"seconds": 60}}
    ask(folder, "POST", "faults", data=stall)
    upid = site.client.delete("nodes", node, "qemu", 10_001)
    assert site.cluster.busy([10_001, 10_002]) == {10_001: "qmdestroy"}
    assert site.cluster.busy([10_002]) == {}
    ask(folder, "DELETE", "faults", "stall")
    site.task(upid)
    assert site.cluster.busy([10_001]) == {}
    site.store.close()
