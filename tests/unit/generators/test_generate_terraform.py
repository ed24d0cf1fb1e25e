"""The Terraform half of a bundle: golden files, the provider's names, and DESIGN's decisions."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fakes import stacks
from fakes.effort import calls
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.errors import GenerateError
from atlas.generators import terraform
from atlas.plan import Value
from atlas.ports.cluster import Work

ROOT = Path(__file__).parents[2] / "golden"
FARM: tuple[dict[str, Any], ...] = (
    {
        "count": 2,
        "cpu": {"cores": 4},
        "memory": "8GiB",
        "disks": [{"size": "40GiB", "storage": "local-lvm"}, {"size": "10GiB", "ssd": True, "discard": True}],
        "networks": [
            {"bridge": "vmbr0", "vlan": 20, "address": "10.42.0.11/24", "gateway": "10.42.0.1"},
            {"address": "dhcp"},
            {"address": "fd00::5/64", "mtu": 9000},
        ],
        "tags": ["web"],
        "start": {"order": 1},
        "balloon": "4GiB",
    },
    {
        "name": "uefi",
        "efi": {"secure_boot": True},
        "tpm": {},
        "machine": "q35",
        "pool": "prod",
        "node": "pve2",
        "clone": "linked",
        "dns": {"servers": ["10.0.0.1"], "search": "example.org"},
        "protection": True,
    },
    {
        "name": "box",
        "kind": "container",
        "mounts": [{"path": "/srv", "size": "5GiB", "backup": True}],
        "features": {"nesting": True},
        "swap": "1GiB",
    },
)


def cases() -> Iterator[tuple[str, Work]]:
    new = stacks.work(*FARM)
    yield "new", new
    yield "made", stacks.made(new)
    renamed = stacks.made(stacks.work({"name": "old", "count": 1}))
    wanted = stacks.work({"name": "new", "count": 1, "renamed_from": "old"}).instances
    yield "renamed", replace(renamed, instances=wanted, renames={"new-1": "old-1"})


@pytest.mark.parametrize(("name", "work"), list(cases()), ids=lambda x: x if isinstance(x, str) else "")
def test_the_files_are_the_golden_ones(name: str, work: Work) -> None:
    folder = ROOT / "terraform" / name
    texts = terraform.generate(work)
    if os.environ.get("ATLAS_UPDATE_GOLDEN"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path, text in texts.items():
            (folder / path).write_text(text)
    assert texts == {f.name: f.read_text() for f in folder.iterdir()}, "ATLAS_UPDATE_GOLDEN=1 rewrites them"
    assert list(terraform.generate(work).items()) == list(texts.items())


@pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no terraform on PATH")
def test_terraform_finds_nothing_to_format() -> None:
    subprocess.run(["terraform", "fmt", "-check", "-diff", "-recursive", ROOT / "terraform"], check=True)


def blocks(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every attribute and block of the resources in a file, with the blocks around it."""
    around: list[str] = []
    for line in text.splitlines():
        if match := re.match(r'\s*resource "(\w+)"', line):
            around = [match[1]]
        elif match := re.match(r'\s*(?:dynamic "(\w+)"|(\w+)) \{', line):
            around.append(match[1] or match[2])
            if around[-1] not in ("content", "lifecycle"):
                yield tuple(a for a in around[:-1] if a != "content"), around[-1]
        elif line.strip() == "}":
            around.pop()
        elif (match := re.match(r"\s*(\w+)\s+= ", line)) and "lifecycle" not in around:
            yield tuple(a for a in around if a != "content"), match[1]


@pytest.mark.parametrize("file", ["vms.tf", "containers.tf"])
def test_everything_that_is_written_is_in_the_providers_schema(file: str) -> None:
    schema = json.loads((ROOT / "provider-schema.json").read_text())
    assert schema["provider"] == {"bpg/proxmox": terraform.PROVIDER}
    seen = 0
    for around, name in blocks(terraform.generate(stacks.work(*FARM))[file]):
        if name == "for_each":
            continue
        place = schema["resources"]
        for part in around:
            place = place[part]
        assert name in place, f"{'.'.join(around)} has no {name}"
        assert isinstance(place[name], dict) or (place[name][0] in "RO" and "D" not in place[name].split()[0])
        seen += 1
    assert seen > 30


def test_a_guest_that_becomes_of_the_other_kind_is_not_imported() -> None:
    before = stacks.made(stacks.work({"name": "a"}))
    (lease,) = before.leases.values()
    after = replace(
        before,
        instances=stacks.work({"name": "a", "kind": "container"}).instances,
        leases={"a": replace(lease, kind="container", source=stacks.ARCHIVE)},
    )
    assert "imports.tf" in terraform.generate(before)
    assert {"vms.tf", "imports.tf"} & set(terraform.generate(after)) == set()


def test_nothing_needs_ssh_to_a_node_or_holds_a_secret() -> None:
    text = "".join(terraform.generate(stacks.work(*FARM)).values())
    for word in (
        "file_id =",
        "user_data_file_id",
        "proxmox_virtual_environment_file",
        "idmap",
        "password",
        "hook_script_file_id =",
    ):
        assert word not in text.replace("template_file_id =", "")


def test_a_template_under_another_vmid_changes_no_byte_but_the_ignored_block() -> None:
    before = stacks.made(stacks.work({}))
    guests = dict(before.state.guests)
    guests[9100] = replace(guests.pop(9000), vmid=9100)
    leases = {k: replace(x, source="9100") for k, x in before.leases.items()}
    after = replace(before, leases=leases, state=replace(before.state, guests=guests))
    old, new = terraform.generate(before), terraform.generate(after)
    assert {p for p in old if old[p] != new[p]} == {"guests.tf"}
    changed = set(new["guests.tf"].splitlines()) - set(old["guests.tf"].splitlines())
    assert [line.split() for line in changed] == [["vm_id", "=", "9100"]]


@pytest.mark.parametrize(
    ("index", "slot", "beside"),
    [(3, "sata3", {}), (201, "virtio1", {"scsi1": "local:vm-1-disk-9,size=1G"})],  # 1 is scsi1's already
)
def test_what_others_added_to_a_guest_stays_in_its_description(index: int, slot: str, beside: dict[str, str]) -> None:
    work = stacks.made(stacks.work({"tags": ["web"]}))
    guest = work.state.guests[10_000]
    more: dict[str, Value] = {
        f"disks[{index}].size": 5120,
        f"disks[{index}].storage": "local",
        f"disks[{index}].bus": slot[:-1],
        "tags": ("atlas", "theirs", "web"),
    }
    config = {**guest.config, slot: "local:vm-1-disk-7", **beside}
    theirs = replace(guest, config=config, attributes={**guest.attributes, **more})
    work = replace(work, state=replace(work.state, guests={**work.state.guests, 10_000: theirs}))
    text = terraform.generate(work)["guests.tf"]
    assert f'interface = "{slot}", storage = "local", size = 5' in text
    assert '["atlas", "theirs", "web"]' in text


def test_too_many_networks_for_the_provider_are_refused() -> None:
    with pytest.raises(GenerateError, match="9 networks"):
        terraform.generate(stacks.work({"networks": [{} for _ in range(9)]}))


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30))
def test_no_text_of_the_cluster_ends_its_literal(text: str) -> None:
    work = stacks.made(stacks.work({}))
    guest = work.state.guests[10_000]
    theirs = replace(guest, config={**guest.config, "scsihw": text}, attributes={**guest.attributes, "machine": text})
    work = replace(work, state=replace(work.state, guests={**work.state.guests, 10_000: theirs}))
    plain = terraform.generate(stacks.made(stacks.work({})))["guests.tf"]
    assert terraform.generate(work)["guests.tf"].count("\n") == plain.count("\n")


def test_twice_the_guests_are_twice_the_work_and_no_more() -> None:
    terraform.generate(stacks.work({}))
    once, twice = (calls(partial(terraform.generate, stacks.work({"count": n}))) for n in (50, 100))
    assert twice < 2.2 * once
