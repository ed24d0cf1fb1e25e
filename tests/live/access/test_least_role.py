"""The least-privilege role that `atlas doctor --role` prints: it is enough, and every privilege of it is needed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fakes.ground import Ground
from fakes.role import Needs, first, second, token
from fakes.site import Site

from atlas.access import NEEDS
from atlas.errors import AtlasError, SpecError
from atlas.plan import Plan
from atlas.proxmox.client import Client

EACH = [
    pytest.param(engine, path, privilege, marks=[pytest.mark.provider] * (engine == "terraform"))
    for engine in NEEDS
    for path, needs in sorted(NEEDS[engine].items())
    for privilege in sorted(needs)
]

SHOWS = {
    # where no refusal names the privilege: what tells its lack, and why nothing else can
    ("/pool", "Pool.Audit"): r"is already a pool member",  # a guest's pool is not shown, so it is put there again
    ("/sdn/zones/localnetwork", "SDN.Use"): r"there is no bridge 'vmbr0'",  # left out of the node's networks
    ("/storage", "Datastore.Audit"): r"there is no storage 'shared-nfs'",  # left out of the node's storages
    (
        "/vms",
        "VM.Allocate",
    ): r"(clon(e|ing)|creating container)\b.*Permission check failed(?! \()",  # on guest or pool: PVE names neither
    ("/vms", "VM.Audit"): r"no template for debian-12",  # left out of the cluster's resources
}


@pytest.fixture(scope="module")
def planned(
    lab: dict[str, Any], root: Client, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Plan]]:
    """Return a function that plans the first stack once by each engine, with the whole role: its home and the plan."""

    @cache
    def plan(engine: str) -> tuple[Path, Plan]:
        home, pool = tmp_path_factory.mktemp(engine) / "home", f"pool-{engine}"
        root.post("pools", poolid=pool)
        site = Site(home, {**lab, "token": token(root, f"plans-{engine}", NEEDS[engine])}, engine)
        made = site.plan(first(pool))[1]
        site.store.close()
        assert made.changes
        return home, made

    return plan


@pytest.fixture
def walk(
    lab: dict[str, Any],
    root: Client,
    planned: Callable[[str], tuple[Path, Plan]],
    engine: str,
    tmp_path: Path,
) -> Iterator[Any]:
    """Return a function that does all that ATLAS does with guests: make, look, change, move, grow, replace, remove.

    It begins in a copy of the home in which the first step was planned; what the cluster is asked then is asked again.
    """
    made: list[Site] = []
    pool = f"pool-{engine}"

    def walked(name: str, needs: Needs) -> None:
        home, plan = planned(engine)
        shutil.copytree(home, tmp_path / "home", symlinks=True)
        site = Site(tmp_path / "home", {**lab, "token": token(root, name, needs)}, engine)
        made.append(site)
        site.carry_out(site.work(first(pool)), plan)
        vmid = next(x.vmid for x in site.store.leases("test", "least") if x.key == "vm")
        everything.booted(vmid)
        assert site.cluster.addresses("vm", vmid)
        assert site.apply(second(pool)).changes
        left = site.plan(second(pool))[1].changes
        assert left == (), left
        assert len(site.apply(None, "least").changes) == 3
        assert not everything.vmids_there()

    everything = Ground({**lab, "token": lab["root"]}, (10_000, 10_999))
    yield walked
    for site in made:
        site.store.close()
    everything.sweep()


def test_the_role_is_enough(walk: Any, engine: str) -> None:
    walk(f"enough-{engine}", NEEDS[engine])


@pytest.mark.parametrize(("engine", "path", "privilege"), EACH, indirect=["engine"])
def test_every_privilege_is_needed(walk: Any, engine: str, path: str, privilege: str) -> None:
    needs = {p: n - {privilege} if p == path else n for p, n in NEEDS[engine].items()}
    name = re.sub(r"\W", "", f"no-{engine}-{path}-{privilege}")
    with pytest.raises((AtlasError, pytest.skip.Exception)) as refused:  # a site without a template is skipped
        walk(name, {p: n for p, n in needs.items() if n})
    problem = refused.value
    told = [d.summary for d in problem.diagnostics] if isinstance(problem, SpecError) else [str(problem)]
    named = rf"Permission check failed \({path}[\w/.-]*, ([\w.]+\|)*{privilege}(\|[\w.]+)*\)"
    assert re.search(SHOWS.get((path, privilege), named), "\n".join(told)), told
