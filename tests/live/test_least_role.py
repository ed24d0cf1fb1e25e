"""The least-privilege role that `atlas doctor --role` prints: it is enough, and every privilege of it is needed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fakes.program import Program
from fakes.site import Site

from atlas.access import NEEDS
from atlas.errors import AtlasError
from atlas.lab import control
from atlas.proxmox.client import Client

EACH = [(path, privilege) for path, needs in sorted(NEEDS["api"].items()) for privilege in sorted(needs)]


BARE = 9900


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Client]]:
    folder = tmp_path_factory.mktemp("lab")
    status = control.start(folder, latency="instant")
    root = json.loads((folder / "secrets.json").read_text())["root@pam!lab"]
    client = Client(status["url"], f"root@pam!lab={root}", ca_file=Path(status["ca_file"]))
    _bare(client)
    yield status, client
    control.stop(folder)


def wait(client: Client, upid: str) -> None:
    from atlas.events import Emitter
    from atlas.proxmox import tasks

    tasks.wait(client, upid, Emitter())


def _bare(root: Client) -> None:
    """Make a template that has no cloud-init drive, as people's own have."""
    wait(root, root.post("nodes", "pve1", "qemu", 9000, "clone", newid=BARE, full=1))
    root.put("nodes", "pve1", "qemu", BARE, "config", delete="ide2")
    wait(root, root.post("nodes", "pve1", "qemu", BARE, "template"))


def token(root: Client, user: str, needs: Mapping[str, frozenset[str]]) -> str:
    """Make a user whose token has these privileges and no more."""
    root.post("access", "users", userid=f"{user}@pve")
    for number, (path, privileges) in enumerate(needs.items()):
        role = f"{user}{number}"
        root.post("access", "roles", roleid=role, privs=",".join(sorted(privileges)))
        root.put("access", "acl", path=path, users=f"{user}@pve", roles=role)
    made = root.post("access", "users", f"{user}@pve", "token", "tested", privsep=0)
    return f"{made['full-tokenid']}={made['value']}"


def spec(pool: str) -> dict[str, Any]:
    guests: list[dict[str, Any]] = [
        {"name": "vm", "node": "pve1", "image": "debian-12", "memory": "1GiB", "disks": [{"size": "4GiB"}]},
        {"name": "ct", "kind": "container", "node": "pve1", "image": "debian-12", "memory": "512MiB"},
    ]
    shared = {"storage": "shared-nfs"}
    for guest in guests:
        guest["disks"] = [{"size": "4GiB", **shared}]
        guest["networks"] = [{"bridge": "vmbr0", "address": "auto"}]
    guests[0] |= {"pool": pool, "machine": "q35"}
    guests.append({**guests[0], "name": "bare", "template": BARE})
    del guests[2]["image"]
    return {"metadata": {"name": "least"}, "guests": guests}


def walk(site: Site, pool: str) -> None:
    """Do all that ATLAS does with guests: make, look, change, move, grow, replace, remove."""
    wanted = spec(pool)
    assert site.apply(wanted).changes
    lease = next(x for x in site.store.leases("test", "least") if x.key == "vm")
    end = time.monotonic() + 3
    while not site.cluster.addresses("vm", lease.vmid):
        assert time.monotonic() < end, "the agent's addresses are not shown"
        time.sleep(0.05)  # the simulated guest boots; up to the deadline above
    vm = wanted["guests"][0]
    vm.update(node="pve2", memory="2GiB", cpu={"cores": 4}, tags=["a"], user={"name": "admin"})
    vm["disks"] = [{"size": "5GiB", "storage": "shared-nfs"}, {"size": "1GiB", "storage": "shared-nfs"}]
    wanted["guests"][1].update(memory="768MiB", pool=pool)
    assert site.apply(wanted).changes
    left = site.plan(wanted)[1].changes
    assert left == (), left
    assert len(site.apply(None, "least").changes) == 3
    assert not [v for v in site.vmids_there() if 10_000 <= v <= 10_999]


@pytest.fixture
def least(lab: tuple[dict[str, Any], Client], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    status, root = lab
    made: list[Site] = []

    def site(name: str, needs: Mapping[str, frozenset[str]]) -> tuple[Site, str]:
        pool = f"pool-{name}"
        root.post("pools", poolid=pool)
        made.append(Site(tmp_path / "home", {**status, "token": token(root, name, needs)}))
        return made[0], pool

    yield site
    made[0].store.close()
    Site(tmp_path / "sweeper", status).sweep()


def test_the_role_is_enough(least: Any) -> None:
    walk(*least("enough", NEEDS["api"]))


@pytest.mark.parametrize(("path", "privilege"), EACH)
def test_every_privilege_is_needed(least: Any, path: str, privilege: str) -> None:
    needs = {p: n - {privilege} if p == path else n for p, n in NEEDS["api"].items()}
    site, pool = least(f"no{EACH.index((path, privilege))}", {p: n for p, n in needs.items() if n})
    with pytest.raises((AtlasError, AssertionError)) as refused:
        walk(site, pool)
    print(f"{path} {privilege}: {type(refused.value).__name__}: {str(refused.value)[:200]}")


@pytest.mark.provider
def test_the_role_is_enough_for_terraform(
    provider: None, lab: tuple[dict[str, Any], Client], lab_program: Program, tmp_path: Path
) -> None:
    """The profile of the session's lab, led to this one by a token of exactly that role."""
    import yaml

    status, root = lab
    atlas = Program(tmp_path, lab_program.config)
    secret = tmp_path / "token"
    secret.touch(0o600)
    secret.write_text(token(root, "terraform", NEEDS["terraform"]))
    path = atlas.config / "clusters" / "lab.yaml"
    led = {"endpoint": status["url"], "ca_file": status["ca_file"], "token": {"file": str(secret)}}
    path.write_text(json.dumps({**yaml.safe_load(path.read_text()), **led}))
    root.post("pools", poolid="pool-terraform")
    wanted = spec("pool-terraform")
    words = ("--cluster", "lab", "--engine", "terraform", "--yes", "--json")
    atlas("apply", atlas.write(wanted), *words).ended(0)
    wanted["guests"][0].update(memory="2GiB", tags=["a"])
    wanted["guests"][0]["disks"] = [{"size": "5GiB", "storage": "shared-nfs"}]
    atlas("apply", atlas.write(wanted), *words).ended(0)
    found = atlas("doctor", "--cluster", "lab", "--engine", "terraform", "--json").all("doctor")
    assert next(d for d in found if d["subject"] == "token")["ok"]
    atlas("destroy", "least", "--yes", "--json").ended(0)
