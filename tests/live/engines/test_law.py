"""The law that ties the engines: on the same spec and cluster both plan the same changes, and then none."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.site import Site

from atlas.lab import control
from atlas.plan import Plan

pytestmark = [
    pytest.mark.provider,
    pytest.mark.slow,
    pytest.mark.parametrize("engine", ["terraform"], indirect=True),
]

SEEDS = int(os.environ.get("ATLAS_LAW_SEEDS", "3"))
GUESTS = 6
KEYS = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f one@example.org",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAQBAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f two + three",
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("lab")
    yield control.start(folder, latency="instant")
    control.stop(folder)


def guest(chance: random.Random, number: int, kind: str, disks: int) -> dict[str, Any]:
    """Return a guest of a kind whose attributes chance decides."""
    pick = chance.choice

    def network(i: int) -> dict[str, Any]:
        four, six = f"10.42.{10 + number}.{i + chance.randint(1, 3) * 10}/16", f"fd00::{number}:{i}/64"
        return {"address": pick([four, four, four, six]), "vlan": pick([None, 5, 6])}

    found: dict[str, Any] = {
        "name": f"g{number}",
        "kind": kind,
        "memory": pick(["512MiB", "1GiB", "1536MiB"]),
        "cpu": {"cores": pick([1, 2, 3])},
        "disks": [{"size": pick(["4GiB", "5GiB"]) if i == 0 else "1GiB"} for i in range(disks)],
        "networks": [network(i) for i in range(pick([1, 2]))],
        "tags": chance.sample(["x", "y", "z"], chance.randint(0, 2)),
        "dns": pick([{}, {"servers": ["10.0.0.53"], "search": "example.org"}, {"servers": ["10.0.0.54", "10.0.0.53"]}]),
        "start": {"on_boot": pick([True, False]), "order": pick([None, 1, 2])},
        "protection": False,
    }
    if chance.random() < 0.5:
        found["networks"][0]["gateway"] = "fd00::1" if ":" in found["networks"][0]["address"] else "10.42.0.1"
    if kind == "vm":
        found["disks"][0] |= {flag: pick([True, False]) for flag in ("ssd", "discard", "iothread")}
        found["cpu"] |= {"type": pick(["x86-64-v2-AES", "host"]), "sockets": pick([1, 2])}
        found["user"] = {"name": pick(["ops", "admin"]), "ssh_keys": chance.sample(KEYS, chance.randint(0, 2))}
        found["clone"] = pick(["full", "full", "linked"])
        for disk in found["disks"][1:]:
            disk["storage"] = pick(["local-lvm", "shared-nfs"])
        if chance.random() < 0.3:
            found["tpm"] = {}
        found["balloon"] = pick([None, "512MiB"])
        found["machine"] = pick([None, "q35"])
        found["networks"][0]["mtu"] = pick([None, 1400])
        found["backup"] = pick([True, False])
    else:
        found["swap"] = pick([None, "256MiB"])
        found["features"] = {"nesting": pick([True, False])}
    return {k: v for k, v in found.items() if v is not None}


def specs(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a stack before and after: guests that change, some that go and come, one that is renamed."""
    chance = random.Random(seed)
    kinds = ["container" if n % 3 == 2 else "vm" for n in range(GUESTS)]
    disks = [chance.randint(1, 2) if kind == "vm" else 1 for kind in kinds]
    before = [guest(chance, n, kinds[n], disks[n]) for n in range(GUESTS - 1)]
    after = [
        guest(chance, n, kinds[n], chance.randint(disks[n], 2) if kinds[n] == "vm" else 1) for n in range(1, GUESTS)
    ]
    for old in before:
        for new in (n for n in after if n["name"] == old["name"]):
            # A disk cannot shrink, and the provider does not grow a linked clone's.
            if int(new["disks"][0]["size"][0]) < int(old["disks"][0]["size"][0]) or old.get("clone") == "linked":
                new["disks"][0]["size"] = old["disks"][0]["size"]
            new["dns"] = {**old["dns"], **new["dns"]}  # the provider cannot take it away
    after[0] |= {"name": "renamed", "renamed_from": after[0]["name"]}
    return stack(before), stack(after)


def stack(guests: list[dict[str, Any]]) -> dict[str, Any]:
    return {"metadata": {"name": "farm", "tags": ["law"]}, "defaults": {"image": "debian-12"}, "guests": guests}


def said(plan: Plan) -> dict[str, Any]:
    """Return what a plan holds over the spec's attributes."""
    return {
        c.key: (c.action.value, c.vmid, {a.path: (a.before, a.after) for a in c.attributes}, c.renamed_from)
        for c in plan.changes
    }


def apart(one: Plan, two: Plan) -> list[str]:
    """Return in what two plans differ."""
    mine, theirs = said(one), said(two)
    found = []
    for key in sorted({*mine, *theirs}):
        a, b = mine.get(key), theirs.get(key)
        if a is None or b is None or (a[0], a[1], a[3]) != (b[0], b[1], b[3]):
            found.append(f"{key}: {one.engine} {a}, {two.engine} {b}")
            continue
        found += [
            f"{key} {path}: {one.engine} {a[2].get(path)}, {two.engine} {b[2].get(path)}"
            for path in sorted({*a[2], *b[2]})
            if a[2].get(path) != b[2].get(path)
        ]
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_both_engines_plan_the_same_changes_and_none_after_the_other(site: Site, seed: int) -> None:
    before, after = specs(seed)
    first, second = ("api", "terraform") if seed % 2 else ("terraform", "api")
    for spec, carrier, other in ((before, first, second), (after, second, first)):
        plans = {}
        for engine in (carrier, other):
            site.use(engine)
            plans[engine] = site.plan(spec)
        assert apart(plans[carrier][1], plans[other][1]) == []
        site.use(carrier)
        work, plan = site.plan(spec)
        assert plan.changes
        site.carry_out(work, plan)
        for engine in (other, carrier):
            site.use(engine)
            assert said(site.plan(spec)[1]) == {}, f"{engine} after {carrier}"
        for lease in site.store.leases("test", "farm"):
            assert not site.pending(lease.vmid)
