"""Laws of the comparison: the plan of what was just applied is empty, whatever the spec."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from atlas import attributes
from atlas.compare import compare, drift
from atlas.errors import SpecError
from atlas.instances import instances
from atlas.plan import Action, Change
from atlas.ports.cluster import Work
from atlas.spec import Stack
from atlas.state import Attributes, Lease, Observed, Stamp, State

SIZES = st.sampled_from(["1GiB", "2GiB", "512MiB", "8GiB"])
DISK = st.fixed_dictionaries(
    {"size": st.sampled_from(["10GiB", "20GiB"])},
    optional={"ssd": st.booleans(), "storage": st.sampled_from(["a", "b"])},
)
NIC = st.fixed_dictionaries(
    {}, optional={"vlan": st.sampled_from([None, 5, 6]), "bridge": st.sampled_from(["vmbr0", "vmbr1"])}
)
GUEST = st.fixed_dictionaries(
    {"kind": st.sampled_from(["vm", "container"]), "image": st.sampled_from(["debian-12", "debian-13"])},
    optional={
        "memory": SIZES,
        "balloon": SIZES,
        "swap": SIZES,
        "tags": st.lists(st.sampled_from(["x", "y"]), unique=True),
        "pool": st.sampled_from([None, "p"]),
        "machine": st.sampled_from([None, "q35"]),
        "efi": st.sampled_from([None, {}]),
        "cpu": st.fixed_dictionaries({}, optional={"cores": st.integers(1, 4)}),
        "disks": st.lists(DISK, min_size=1, max_size=3),
        "networks": st.lists(NIC, max_size=3),
        "dns": st.fixed_dictionaries({}, optional={"search": st.sampled_from(["a.b", None])}),
        "start": st.fixed_dictionaries({}, optional={"order": st.sampled_from([None, 1]), "on_boot": st.booleans()}),
        "count": st.integers(1, 3),
    },
)
SPEC = st.lists(GUEST, min_size=1, max_size=3)


def _work(spec: list[dict[str, object]], before: Work | None) -> Work:
    guests = [{"name": f"g{n}", **g} for n, g in enumerate(spec)]
    wanted = instances(Stack.model_validate({"metadata": {"name": "s"}, "guests": guests}))
    old = before.leases if before else {}
    leases = dict(old)
    for n, one in enumerate(wanted):
        nics = len(one.guest.networks)
        fresh = Lease(
            "s",
            one.group,
            one.index,
            one.guest.kind,
            max((x.vmid for x in leases.values()), default=999) + 1,
            "n",
            "x",
            "n",
        )
        lease = old.get(one.key, fresh)
        addresses = tuple(f"10.0.{n}.{i}/24" for i in range(nics))
        leases[one.key] = replace(lease, kind=one.guest.kind, addresses=addresses, gateways=(None,) * nics)
    state = before.state if before else State("i", "9", {}, (), {})
    return Work("s", "i", "ssh-ed25519 AAAA atlas", wanted, leases, before.applied if before else {}, state, Path("/x"))


def _carried_out(work: Work, changes: tuple[Change, ...]) -> Work:
    """Carry changes out on the facts, exactly as they are written and no more."""
    guests, applied, leases = dict(work.state.guests), dict(work.applied), dict(work.leases)
    wanted = {one.key: attributes.wanted(one, leases[one.key], work) for one in work.instances}
    for change in changes:
        lease = leases[change.key]
        if change.action is Action.DELETE:
            del guests[change.vmid], applied[change.key], leases[change.key]
            continue
        shown: dict[str, object] = {}
        if change.action is Action.UPDATE:
            shown = dict(guests[change.vmid].attributes)
        values = (
            dict(wanted[change.key])
            if change.action is not Action.UPDATE
            else {a.path: a.after for a in change.attributes}
        )
        shown = {p: v for p, v in {**shown, **values}.items() if v is not None}
        leases[change.key] = replace(lease, made=True, uuid=str(change.vmid))
        guests[change.vmid] = _observed(lease, shown)  # type: ignore[arg-type]  # values of attributes
        applied[change.key] = wanted[change.key]
    return replace(work, state=replace(work.state, guests=guests), applied=applied, leases=leases)


def _observed(lease: Lease, shown: Attributes) -> Observed:
    config = {"description": str(Stamp("i", "s", lease.vmid))}
    kept = {p: v for p, v in shown.items() if p not in attributes.UNSEEN}
    return Observed(lease.vmid, lease.kind, "", "n", True, config=config, attributes=kept, uuid=str(lease.vmid))


@settings(max_examples=60, deadline=None)
@given(SPEC, SPEC)
def test_the_plan_of_what_was_just_applied_is_empty(
    first: list[dict[str, object]], second: list[dict[str, object]]
) -> None:
    before = _work(first, None)
    made = _carried_out(before, compare(before))
    assert compare(made) == ()
    assert drift(made) == ()
    after = _work(second, made)
    try:
        changes = compare(after)
    except SpecError:
        return  # a shrunk disk and the like: refused, nothing was carried out
    settled = _carried_out(after, changes)
    assert compare(settled) == ()
    assert drift(settled) == ()
