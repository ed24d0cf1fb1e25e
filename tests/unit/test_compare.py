"""Golden cases of the comparison: facts in, changes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import stacks

from atlas import attributes
from atlas.compare import compare, drift, warnings
from atlas.errors import SpecError
from atlas.instances import instances
from atlas.plan import Action, Change, Effect, Value
from atlas.ports import Work
from atlas.spec import Stack
from atlas.state import Lease, Node, Observed, Stamp, State, Storage

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAtlas atlas"
VM = {"kind": "vm", "image": "debian-12"}
CT = {"kind": "container", "image": "debian-12"}
STORAGES = (
    Storage("local", "pve1", "dir", False, frozenset({"images"}), 100_000, 50_000),
    Storage("thin", "pve1", "lvmthin", False, frozenset({"images"}), 100_000, 50_000),
)


def work(*guests: Mapping[str, Any], renames: Mapping[str, str] | None = None, destroy: bool = False) -> Work:
    """Return the work of a stack whose guests do not exist yet, each with a lease."""
    stack = Stack.model_validate({"metadata": {"name": "s"}, "guests": [{"name": "web", **VM, **g} for g in guests]})
    wanted = instances(stack)
    leases = {}
    for n, one in enumerate(wanted):
        nics = one.guest.networks
        leases[one.key] = Lease(
            "s",
            one.group,
            one.index,
            one.guest.kind,
            10_000 + n,
            "pve1",
            "9000",
            "pve1",
            tuple(f"10.0.0.{i + 1}/24" if x.address == "auto" else x.address for i, x in enumerate(nics)),
            tuple(x.gateway for x in nics),
            tuple(f"BC:24:11:00:00:{i:02X}" for i, _ in enumerate(nics)),
        )
    nodes = {name: Node(name, True, 8, 32_000) for name in ("pve1", "pve2")}
    template = Observed(
        9000, "vm", "tpl", "pve1", template=True, attributes={"disks[0].size": 3072, "disks[0].bus": "scsi"}
    )
    state = State("id", "9.2", nodes, STORAGES, {9000: template})
    return Work("s", "inst", KEY, wanted, leases, {}, state, Path("/nowhere"), renames or {}, destroy)


def done(before: Work) -> Work:
    """Return the work after its guests were made exactly as wanted."""
    applied, leases, guests = {}, {}, dict(before.state.guests)
    for one in before.instances:
        lease = replace(before.leases[one.key], uuid=f"u{before.leases[one.key].vmid}", made=True)
        leases[one.key] = lease
        applied[one.key] = attributes.wanted(one, lease, before)
        guests[lease.vmid] = observed(lease, applied[one.key])
    return replace(before, applied=applied, leases=leases, state=replace(before.state, guests=guests))


def observed(lease: Lease, values: Mapping[str, Value]) -> Observed:
    """Return a running guest that shows these values."""
    shown: dict[str, Value] = {p: v for p, v in values.items() if p not in attributes.UNSEEN}
    for i in attributes.items(values, "disks"):
        shown = {f"disks[{i}].storage": "thin", f"disks[{i}].bus": "scsi", **shown}
    stamp = str(Stamp("inst", "s", lease.vmid))
    return Observed(
        lease.vmid,
        lease.kind,
        str(values["name"]),
        "pve1",
        running=True,
        config={"description": stamp},
        attributes=shown,
        uuid=lease.uuid,
    )


def seen(whole: Work, key: str = "web", **fields: Any) -> Work:
    """Return the work with facts of one observed guest changed; `attributes` and `config` are merged."""
    vmid = whole.leases[key].vmid
    guest = whole.state.guests[vmid]
    for name in ("attributes", "config"):
        merged = {**getattr(guest, name), **fields.get(name, {})}
        fields[name] = {k: v for k, v in merged.items() if v is not None}
    return replace(whole, state=replace(whole.state, guests={**whole.state.guests, vmid: replace(guest, **fields)}))


def then(made: Work, *guests: Mapping[str, Any], **more: Any) -> Work:
    """Return the work when the spec changes after `made`; guests that stay keep their leases."""
    after = work(*guests, **more)
    used = {lease.vmid for lease in made.leases.values()}
    fresh = iter(v for v in range(10_100, 10_200) if v not in used)
    leases = dict(made.leases)
    for key, lease in after.leases.items():
        old = made.leases.get(after.renames.get(key, key))
        if old is not None:
            nics = {"addresses": lease.addresses, "gateways": lease.gateways, "macs": lease.macs}
            leases[old.key] = replace(old, **nics, kind=lease.kind)  # type: ignore[arg-type]  # one dict, many types
        else:
            leases[key] = replace(lease, vmid=next(fresh))
    return replace(after, leases=leases, applied=made.applied, state=made.state)


def text(changes: tuple[Change, ...]) -> list[str]:
    """Return changes in one line each: action, key, then each attribute with its effect unless it is nothing."""
    lines = []
    for change in changes:
        words = [change.action.value, change.key]
        if change.action in (Action.UPDATE, Action.REPLACE):
            for a in change.attributes:
                mark = {Effect.NOTHING: "", Effect.REBOOT: "!", Effect.REPLACE: "!!", Effect.PENDING: "?"}[a.effect]
                words.append(f"{a.path}:{a.before}>{a.after}{mark}")
        lines.append(" ".join(words))
    return lines


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
    ({}, {"disks": [{"storage": "local"}]}, ["disks[0].storage:thin>local"]),
    ({"disks": [{"storage": "local"}]}, {"disks": [{}]}, []),
    ({}, {"disks": [{"bus": "scsi"}]}, []),
    ({}, {"disks": [{"ssd": True, "discard": True}]}, ["disks[0].discard:False>True!", "disks[0].ssd:False>True!"]),
    ({}, {"disks": [{"iothread": True}]}, ["disks[0].iothread:False>True!"]),
    ({}, {"backup": False}, ["disks[0].backup:True>False"]),
    (
        {},
        {"disks": [{}, {"size": "5GiB", "storage": "thin"}]},
        [
            "disks[1].backup:None>True",
            "disks[1].bus:None>scsi",
            "disks[1].discard:None>False",
            "disks[1].iothread:None>False",
            "disks[1].size:None>5120",
            "disks[1].ssd:None>False",
            "disks[1].storage:None>thin",
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
    ({}, {"networks": [{"address": "dhcp"}]}, ["networks[0].address:10.0.0.1/24>dhcp!"]),
    ({}, {"networks": [{"gateway": "10.0.0.254"}]}, ["networks[0].gateway:None>10.0.0.254!"]),
    (
        {},
        {"networks": [{}, {"bridge": "vmbr1"}]},
        [
            "networks[1].address:None>10.0.0.2/24!",
            "networks[1].bridge:None>vmbr1",
            "networks[1].mac:None>BC:24:11:00:00:01",
        ],
    ),
    (
        {"networks": [{}, {}]},
        {"networks": [{}]},
        [
            "networks[1].address:10.0.0.2/24>None!",
            "networks[1].bridge:vmbr0>None",
            "networks[1].mac:BC:24:11:00:00:01>None",
        ],
    ),
]


@pytest.mark.parametrize(("before", "after", "expected"), UPDATES)
def test_updates_of_a_running_vm(before: dict[str, Any], after: dict[str, Any], expected: list[str]) -> None:
    changes = compare(then(done(work(before)), after))
    action = "replace" if any(e.endswith("!!") for e in expected) else "update"
    assert text(changes) == ([" ".join([action, "web", *expected])] if expected else [])


@pytest.mark.parametrize(("before", "after", "expected"), UPDATES)
def test_a_stopped_vm_is_changed_without_reboot_and_started(
    before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    stopped = seen(done(work(before)), running=False, attributes={"running": False})
    (change,) = compare(then(stopped, after))
    assert not change.reboots
    assert [a.path for a in change.attributes if a.path != "running"] == [e.split(":")[0] for e in expected]


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
    ({}, {"disks": [{"storage": "local"}]}, ["disks[0].storage:thin>local!"]),
    ({}, {"networks": [{"address": "dhcp"}]}, ["networks[0].address:10.0.0.1/24>dhcp"]),
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
    changes = compare(then(done(work({**CT, **before})), {**CT, **after}))
    action = "replace" if any(e.endswith("!!") for e in expected) else "update"
    assert text(changes) == ([" ".join([action, "web", *expected])] if expected else [])


BY_HAND: list[tuple[dict[str, Any], list[str]]] = [
    # what somebody changed on the guest; what the next plan does about it
    ({"attributes": {"memory": 4096}}, ["memory:4096>2048!"]),
    ({"attributes": {"tags": ("atlas", "mine")}}, []),
    ({"attributes": {"tags": ("mine",)}}, ["tags:('mine',)>('atlas', 'mine')"]),
    ({"attributes": {"tags": None}}, ["tags:None>('atlas',)"]),
    ({"attributes": {"disks[3].size": 1024, "disks[3].bus": "scsi"}}, []),
    ({"attributes": {"networks[1].bridge": "vmbr7"}}, []),
    ({"attributes": {"pool": "theirs"}}, []),
    ({"attributes": {"balloon": 512}}, []),
    ({"attributes": {"name": "other"}}, ["name:other>web"]),
    ({"attributes": {"disks[0].size": 8192}}, ["disks[0].size:8192>10240"]),
    ({"node": "pve2", "attributes": {"node": "pve2"}}, []),
    ({"pending": {"memory": 2048}, "attributes": {"memory": 1024}}, ["memory:1024>2048!"]),
    ({"pending": {"memory": 8192}}, ["memory:8192>2048"]),
    ({"pending": {"balloon": 512}}, []),
    ({"running": False, "attributes": {"running": False}}, ["running:False>True"]),
    ({"lock": "backup", "attributes": {"memory": 1024}}, ["memory:1024>2048!"]),
]


@pytest.mark.parametrize(("facts", "expected"), BY_HAND)
def test_what_others_changed(facts: dict[str, Any], expected: list[str]) -> None:
    changes = compare(seen(done(work({})), **facts))
    assert text(changes) == ([" ".join(["update", "web", *expected])] if expected else [])


A, B, C = {"name": "a"}, {"name": "b"}, {"name": "c"}
SETS: list[tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]] = [
    ([], [A], ["create a"]),
    ([A], [A, B], ["create b"]),
    ([A, B], [B], ["delete a"]),
    ([B, A], [A, B], []),
    ([A], [B], ["delete a", "create b"]),
    ([{"count": 3}], [{"count": 1}], ["delete web-2", "delete web-3"]),
    ([{"count": 1}], [{"count": 3}], ["create web-2", "create web-3"]),
    ([{"count": 2}], [{}], ["create web", "delete web-1", "delete web-2"]),
    ([{"count": 12}], [{"count": 10}], ["delete web-11", "delete web-12"]),
]


@pytest.mark.parametrize(("before", "after", "expected"), SETS)
def test_guests_that_come_and_go(
    before: list[dict[str, Any]], after: list[dict[str, Any]], expected: list[str]
) -> None:
    made = done(work(*before)) if before else replace(work(A), instances=(), leases={})
    assert sorted(text(compare(then(made, *after)))) == sorted(expected)


def test_destroy_deletes_all() -> None:
    made = replace(done(work(A, B)), destroy=True)
    assert text(compare(made)) == ["delete a", "delete b"]


def test_a_rename_is_explicit_and_keeps_the_guest() -> None:
    made = done(work(A))
    (change,) = compare(then(made, {"name": "b", "renamed_from": "a"}, renames={"b": "a"}))
    assert (text((change,)), change.renamed_from, change.vmid) == (["update b name:a>b"], "a", 10_000)
    assert any("boots next" in note for note in change.notes)


def test_a_rename_of_a_counted_group_keeps_every_guest() -> None:
    made = done(work({"name": "a", "count": 2}))
    renames = {"b-1": "a-1", "b-2": "a-2"}
    changes = compare(then(made, {"name": "b", "count": 2, "renamed_from": "a"}, renames=renames))
    assert text(changes) == ["update b-1 name:a-1>b-1", "update b-2 name:a-2>b-2"]


REFUSALS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    # VM before, VM after, facts, words of the refusal
    ({}, {"disks": [{"size": "5GiB"}]}, {}, "cannot shrink from 10GiB to 5GiB"),
    ({}, {}, {"attributes": {"disks[0].size": 20480}}, "cannot shrink from 20GiB to 10GiB"),
    ({}, {"disks": [{"bus": "virtio"}]}, {}, "is on scsi and cannot be put on virtio"),
    ({}, {"disks": [{"storage": "local"}]}, {"snapshots": ("s1",)}, "block moving disks[0] to local"),
    (
        {"disks": [{"storage": "local"}]},
        {"disks": [{"storage": "local", "size": "20GiB"}]},
        {"snapshots": ("s1",)},
        "block growing disks[0]",
    ),
    ({"protection": True}, {"protection": True, "image": "debian-13"}, {}, "is protected"),
    (
        {"protection": True, "disks": [{}, {}]},
        {"protection": True, "disks": [{}]},
        {},
        "is protected, so disks[1] cannot be changed",
    ),
    (
        {},
        {"disks": [{}, {"size": "5GiB"}]},
        {"attributes": {"disks[1].size": 2048, "disks[1].bus": "scsi"}},
        "has a disks[1] already that ATLAS did not make",
    ),
    (
        {},
        {"networks": [{}, {"bridge": "vmbr1"}]},
        {"attributes": {"networks[1].bridge": "vmbr7"}},
        "has a networks[1] already that ATLAS did not make",
    ),
    ({}, {}, {"uuid": "another"}, "is not ours"),
    ({}, {}, {"config": {"description": "mine"}}, "has lost its stamp"),
    ({}, {}, {"config": {"description": "atlas:other:s:10000"}}, "has lost its stamp"),
    ({}, {}, {"config": {"description": "atlas:inst:s:10001"}}, "has lost its stamp"),
]


@pytest.mark.parametrize(("before", "after", "facts", "words"), REFUSALS)
def test_refusals(before: dict[str, Any], after: dict[str, Any], facts: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        compare(then(seen(done(work(before)), **facts), after))
    (found,) = caught.value.diagnostics
    assert words in found.summary
    assert found.hint
    assert found.where.path.startswith("guests[0]")


def test_a_disk_on_block_storage_grows_in_spite_of_snapshots() -> None:
    made = seen(done(work({})), snapshots=("s1",))
    assert text(compare(then(made, {"disks": [{"size": "20GiB"}]}))) == ["update web disks[0].size:10240>20480"]


def test_all_faults_come_at_once() -> None:
    made = done(work(A, B))
    made = seen(seen(made, "a", uuid="x"), "b", attributes={"disks[0].size": 99_999})
    with pytest.raises(SpecError) as caught:
        compare(made)
    assert len(caught.value.diagnostics) == 2


def test_less_than_the_templates_disk_is_refused() -> None:
    with pytest.raises(SpecError, match="1 fault"):
        compare(work({"disks": [{"size": "2GiB"}]}))


def test_another_bus_than_the_templates_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        compare(work({"disks": [{"bus": "virtio"}]}))
    assert "boot disk is on scsi" in caught.value.diagnostics[0].summary


def test_protection_refuses_destroy() -> None:
    with pytest.raises(SpecError) as caught:
        compare(replace(done(work({"protection": True})), destroy=True))
    assert "protected" in caught.value.diagnostics[0].summary


def test_a_foreign_guest_under_a_lease_that_ends_is_left_alone() -> None:
    (change,) = compare(replace(seen(done(work({})), uuid="x"), destroy=True))
    assert (change.action, change.notes) == (
        Action.DELETE,
        ("another guest has its VMID now and is left alone; its lease ends",),
    )


def test_a_lease_that_was_never_made_is_no_change() -> None:
    assert compare(replace(work({}), destroy=True)) == ()


def test_a_guest_that_vanished_is_made_anew() -> None:
    made = done(work({}))
    guests = {9000: made.state.guests[9000]}
    (change,) = compare(replace(made, state=replace(made.state, guests=guests)))
    assert change.action is Action.CREATE
    assert "made anew" in change.notes[0]


def test_a_guest_with_our_stamp_that_no_run_recorded_is_taken_over() -> None:
    made = done(work({}))
    leases = {"web": replace(made.leases["web"], made=False, uuid=None)}
    (change,) = compare(seen(replace(made, leases=leases, applied={}), attributes={"memory": 512}))
    assert text((change,)) == ["update web memory:512>2048!"]
    assert "taken over" in change.notes[0]


def test_a_guest_that_goes_names_what_goes_with_it() -> None:
    made = seen(done(work({})), snapshots=("before",), config={"unused0": "thin:vm-10000-disk-9"})
    (change,) = compare(replace(made, destroy=True))
    assert "before" in " ".join(change.notes)
    assert "thin:vm-10000-disk-9" in " ".join(change.notes)


def test_a_dropped_disk_is_kept() -> None:
    (change,) = compare(then(done(work({"disks": [{}, {"size": "5GiB"}]})), {"disks": [{}]}))
    assert change.notes == ("disks[1] (5GiB) is detached and kept as an unused disk",)


def test_changed_keys_of_a_container_are_a_warning() -> None:
    made = done(work(CT))
    after = then(made, {**CT, "user": {"ssh_keys": [KEY.replace("Atlas", "More")]}})
    assert compare(after) == ()
    assert "stay as they are" in warnings(after)[0].summary


DRIFTS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"attributes": {"memory": 1024}}, ["memory:2048>1024"]),
    ({"attributes": {"tags": ("atlas", "x")}}, ["tags:('atlas',)>('atlas', 'x')"]),
    ({"attributes": {"disks[2].size": 1024}}, ["disks[2].size:None>1024"]),
    ({"attributes": {"networks[1].bridge": "b"}}, ["networks[1].bridge:None>b"]),
    ({"attributes": {"running": False}, "running": False}, ["running:True>False"]),
    ({"uuid": "x"}, ["running:True>None"]),
]


@pytest.mark.parametrize(("facts", "expected"), DRIFTS)
def test_drift(facts: dict[str, Any], expected: list[str]) -> None:
    assert [f"{d.path}:{d.expected}>{d.observed}" for d in drift(seen(done(work({})), **facts))] == expected


def test_what_ansible_did_is_no_attribute_of_the_cluster() -> None:
    before = stacks.made(stacks.work({}))
    (key,) = before.applied
    after = replace(before, applied={key: {**before.applied[key], "configured": "5d3f", "software": ("nginx",)}})
    assert compare(after) == ()
