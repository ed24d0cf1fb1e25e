"""Who else is there when ATLAS plans: guests of others with their addresses, and a run that works on the same stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.program import Api, Program

from atlas.store.hold import hold

THEIRS = 700
SPEC: dict[str, Any] = {
    "metadata": {"name": "newcomer"},
    "guests": [
        {
            "name": "a",
            "image": "debian-12",
            "memory": "1GiB",
            "disks": [{"size": "4GiB"}],
            "networks": [{"bridge": "vmbr0", "address": "auto"}],
        }
    ],
}
WORDS = ("--cluster", "lab", "--engine", "api", "--json")


@pytest.fixture
def theirs(atlas: Program, lab_api: Api) -> Iterator[str]:
    """A guest of others that has the address which ATLAS would lease first; returns that address."""
    first = str(atlas("plan", atlas.write(SPEC), *WORDS).ended(0).all("lease.taken")[0]["addresses"][0])
    at = ("nodes", "pve1", "qemu")
    lab_api.wait(lab_api.client.post(*at, 9000, "clone", newid=THEIRS, name="theirs", full=0))
    lab_api.client.put(*at, THEIRS, "config", ipconfig0=f"ip={first}")
    yield first
    lab_api.wait(lab_api.client.delete(*at, THEIRS))


def test_an_address_that_a_guest_of_others_has_is_not_leased(atlas: Program, theirs: str) -> None:
    lease = atlas("plan", atlas.write(SPEC), *WORDS).ended(0).all("lease.taken")[0]
    assert lease["addresses"] != [theirs]
    static = {**SPEC, "guests": [{**SPEC["guests"][0], "networks": [{"bridge": "vmbr0", "address": theirs}]}]}
    refused = atlas("plan", atlas.write(static), *WORDS).ended(2)
    assert f"the address {theirs.partition('/')[0]} is taken" in refused.text


def test_no_plan_touches_the_bundle_that_a_run_works_with(atlas: Program) -> None:
    atlas("plan", atlas.write(SPEC), *WORDS).ended(0)
    bundle = atlas.home / "stacks" / "lab" / "newcomer" / "bundle"
    before = {p: p.read_bytes() for p in bundle.rglob("*") if p.is_file()}
    with hold(atlas.home / "locks", "stack", "lab-newcomer"):
        for words in (("plan", atlas.write(SPEC), *WORDS), ("generate", atlas.write(SPEC), *WORDS)):
            refused = atlas(*words).ended(1)
            assert "works on stack lab-newcomer" in refused.text
    assert {p: p.read_bytes() for p in bundle.rglob("*") if p.is_file()} == before
