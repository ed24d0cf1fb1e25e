"""Leasing: nothing that somebody has is chosen, what a guest has is kept, and all that is wrong is said at once."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import SpecError
from atlas.instances import instances
from atlas.leasing import Origin, Terms, choose
from atlas.settings import AddressPool
from atlas.spec import Stack
from atlas.state import Lease, Observed, State

POOL = AddressPool(network="10.42.0.0/28", gateway="10.42.0.1", first="10.42.0.2")


def leases(
    *guests: dict[str, Any],
    existing: tuple[Lease, ...] = (),
    there: tuple[Observed, ...] = (),
    vmids: tuple[int, int] = (100, 120),
    renames: dict[str, tuple[str, int]] | None = None,
    hidden: tuple[int, ...] = (),
    stolen: tuple[int, ...] = (),
) -> dict[str, Lease]:
    wanted = instances(Stack.model_validate({"metadata": {"name": "s"}, "guests": list(guests)}))
    keys = [i.key for i in wanted]
    terms = Terms(
        stack="s",
        vmids=vmids,
        pools=[POOL],
        nodes=dict.fromkeys(keys, "n1"),
        origins=dict.fromkeys(keys, Origin("9000", "n1")),
        free=lambda vmid: vmid not in hidden,
        renames=renames or {},
        chance=random.Random(1),
        stolen=frozenset(stolen),
    )
    state = State("c", "9", {}, (), {g.vmid: g for g in there})
    return {x.key: x for x in choose(wanted, existing, state, terms)}


def refused(*guests: dict[str, Any], **options: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        leases(*guests, **options)
    return [f"{d.where.path}: {d.summary}" for d in caught.value.diagnostics]


def test_vmids_addresses_and_macs_are_chosen_one_after_the_other() -> None:
    found = leases({"name": "a", "count": 2}, {"name": "b"})
    assert [(x.vmid, x.addresses, x.gateways) for x in found.values()] == [
        (100, ("10.42.0.2/28",), ("10.42.0.1",)),
        (101, ("10.42.0.3/28",), ("10.42.0.1",)),
        (102, ("10.42.0.4/28",), ("10.42.0.1",)),
    ]
    assert len({x.macs for x in found.values()}) == 3
    assert all(x.macs[0].startswith("BC:24:11:") for x in found.values())


def test_what_others_have_is_not_chosen() -> None:
    other = Lease("t", "x", 0, "vm", 100, "n1", "9000", "n1", ("10.42.0.2/28",), (None,), ("BC:24:11:00:00:00",))
    seen = Observed(101, "vm", "y", "n1", attributes={"networks[0].address": "10.42.0.3/28"})
    found = leases({"name": "a"}, existing=(other,), there=(seen,), hidden=(102,))
    assert (found["a"].vmid, found["a"].addresses) == (103, ("10.42.0.4/28",))


def test_an_address_that_was_only_reserved_is_given_up_when_somebody_took_it() -> None:
    before = tuple(leases({"name": "a"}).values())
    taker = Observed(500, "vm", "y", "n1", attributes={"networks[0].address": before[0].addresses[0]})
    assert leases({"name": "a"}, existing=before, there=(taker,))["a"].addresses == ("10.42.0.3/28",)
    made = (replace(before[0], made=True, uuid="u"),)
    assert leases({"name": "a"}, existing=made, there=(taker,))["a"].addresses == before[0].addresses


def test_a_vmid_that_was_stolen_is_replaced_and_all_else_stays() -> None:
    before = leases({"name": "a"}, {"name": "b"})
    taker = Observed(100, "vm", "theirs", "n1")
    after = leases({"name": "a"}, {"name": "b"}, existing=tuple(before.values()), there=(taker,), stolen=(100,))
    assert after == {"a": replace(before["a"], vmid=102), "b": before["b"]}
    assert refused({"name": "a", "vmid": 100}, existing=tuple(before.values()), there=(taker,), stolen=(100,)) == [
        "guests[0].vmid: the VMID 100 is taken"
    ]


def test_a_guest_keeps_what_it_has() -> None:
    before = leases({"name": "a"}, {"name": "b"})
    again = leases({"name": "b"}, {"name": "a"}, {"name": "c"}, existing=tuple(before.values()))
    assert again["a"] == before["a"]
    assert again["b"] == before["b"]
    assert again["c"].vmid == 102


def test_a_guest_that_is_there_cannot_be_given_another_vmid() -> None:
    (made,) = (replace(x, made=True, uuid="u") for x in leases({"name": "a"}).values())
    here = Observed(made.vmid, "vm", "a", "n1", uuid="u")
    assert refused({"name": "a", "vmid": 110}, existing=(made,), there=(here,)) == [
        "guests[0].vmid: a is 100 and cannot become 110"
    ]
    assert leases({"name": "a", "vmid": 110}, existing=(made,))["a"].vmid == 110, "it is gone"
    theirs = replace(here, uuid="v")
    assert leases({"name": "a", "vmid": 110}, existing=(made,), there=(theirs,))["a"].vmid == 110, "somebody's is there"


def test_a_renamed_guest_keeps_its_vmid_and_address() -> None:
    before = leases({"name": "old", "count": 1})
    after = leases({"name": "new", "count": 1}, existing=tuple(before.values()), renames={"new-1": ("old", 1)})
    assert after["new-1"].vmid == before["old-1"].vmid
    assert after["new-1"].addresses == before["old-1"].addresses


def test_a_guest_that_leaves_its_group_stays_the_same_guest() -> None:
    made = tuple(replace(x, made=True, uuid="u") for x in leases({"name": "web", "count": 2}).values())
    after = leases({"name": "web-1"}, {"name": "web-2", "memory": "4GiB"}, existing=made)
    assert {k: x.vmid for k, x in after.items()} == {x.key: x.vmid for x in made}
    assert after["web-2"].addresses == made[1].addresses


def test_what_a_spec_names_is_taken_or_refused() -> None:
    taken = Observed(200, "vm", "theirs", "n1")
    assert leases({"name": "a", "vmid": 210}, there=(taken,))["a"].vmid == 210
    assert refused({"name": "a", "vmid": 200}, there=(taken,)) == ["guests[0].vmid: the VMID 200 is taken"]
    other = Lease("t", "x", 0, "vm", 100, "n1", "9000", "n1", ("10.9.9.9/24",), (None,), ())
    network = {"networks": [{"address": "10.9.9.9/24"}]}
    assert refused({"name": "a", **network}, existing=(other,)) == [
        "guests[0].networks[0].address: the address 10.9.9.9 is taken"
    ]


def test_what_has_run_out_is_said_for_every_guest() -> None:
    assert refused({"name": "a", "count": 3}, vmids=(100, 101)) == ["guests[0]: no VMID is left from 100 to 101"]
    assert refused({"name": "a", "networks": [{"bridge": "vmbr9"}]}) == [
        "guests[0].networks[0].address: there is no address pool for vmbr9"
    ]
    assert len(refused({"name": "a", "count": 20}, vmids=(100, 200))) == 7


@given(st.sets(st.integers(100, 115), max_size=10), st.sets(st.integers(2, 14), max_size=8), st.integers(1, 4))
def test_nothing_is_ever_given_twice(vmids: set[int], hosts: set[int], count: int) -> None:
    there = tuple(Observed(v, "vm", "x", "n1") for v in vmids)
    addresses = tuple(
        Lease("t", f"x{h}", 0, "vm", 900 + h, "n1", "1", "n1", (f"10.42.0.{h}/28",), (None,), ()) for h in hosts
    )
    found = list(leases({"name": "a", "count": count}, existing=addresses, there=there).values())
    assert len({x.vmid for x in found} | vmids) == count + len(vmids)
    given_ = {x.addresses[0] for x in found}
    assert len(given_) == count
    assert not given_ & {a for x in addresses for a in x.addresses}
