"""The draft as a spec: like guests share an entry, units are written out, and what a spec cannot say is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.instances import instances
from atlas.language.draft import Draft
from atlas.language.known import Known, catalogue
from atlas.language.stack import draft_to_stack, stack_name
from atlas.language.understand import understand
from atlas.spec import Stack
from atlas.specfile import dump, read_text

KNOWN = Known(
    software=("nginx", "postgresql", "prometheus-node-exporter"),
    images=("debian-12", "ubuntu-24.04", "debian-13"),
    aliases={"postgres": "postgresql"},
)


def stack_of(*words: str) -> Stack:
    draft = Draft()
    for said in words:
        draft = understand(said, draft, KNOWN)
    result = draft_to_stack(draft, stack_name(draft), KNOWN)
    assert isinstance(result, Stack), result
    return result


def faults_of(words: str) -> list[str]:
    result = draft_to_stack(understand(words, Draft(), KNOWN), "s", KNOWN)
    assert isinstance(result, list), result
    return [f"{d.summary} {d.hint}" for d in result]


def data(stack: Stack) -> list[dict[str, Any]]:
    return [g.model_dump(mode="json", exclude_unset=True) for g in stack.guests]


def test_like_guests_share_an_entry_and_others_do_not() -> None:
    stack = stack_of("two debian web servers with nginx, 2 cores, 4 GB, and a postgres box with 8 GB on 10.42.0.20")
    assert stack.metadata.name == "web"
    assert data(stack) == [
        {"name": "web", "count": 2, "image": "debian-12", "cpu": {"cores": 2}, "memory": "4GiB", "software": ["nginx"]},
        {"name": "postgres", "memory": "8GiB", "networks": [{"address": "10.42.0.20/24"}], "software": ["postgresql"]},
    ]


def test_consecutive_addresses_are_one_entry_that_counts_up() -> None:
    stack = stack_of("3 edge vms, ips starting at 10.0.0.5/24 gw .1, vmid 200")
    assert data(stack) == [
        {
            "name": "edge",
            "count": 3,
            "kind": "vm",
            "vmid": 200,
            "networks": [{"address": "10.0.0.5/24", "gateway": "10.0.0.1"}],
        }
    ]
    assert [i.guest.networks[0].address for i in instances(stack)] == ["10.0.0.5/24", "10.0.0.6/24", "10.0.0.7/24"]


def test_a_group_with_an_exception_is_written_out() -> None:
    stack = stack_of("3 web vms", "the second one should have 8 GB")
    assert [(g.name, g.count) for g in stack.guests] == [("web-1", None), ("web-2", None), ("web-3", None)]
    assert [g.memory for g in stack.guests] == [2048, 8192, 2048]


def test_names_are_names() -> None:
    stack = stack_of("two VMs named Web01 and db-main, 1 TB disk on ceph")
    assert [g.name for g in stack.guests] == ["web01", "db-main"]
    assert data(stack)[0]["disks"] == [{"size": "1TiB", "storage": "ceph"}]


def test_an_alias_and_a_part_of_a_name_stand_for_software() -> None:
    assert stack_of("a vm with pg and node exporter").guests[0].software == ("postgresql", "prometheus-node-exporter")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("a windows server 2022 vm", "no image 'windows-2022'"),
        ("a vm with gitea", "no software 'gitea'"),
        ("a vm with an RTX 3090", "GPU"),
        ("a vm, open 53/udp", "53/udp"),
        ("a vm, open 22 only from 10.0.0.0/8", "22@10.0.0.0/8"),
        ("a container, mount /tank of the host at /data", "/tank"),
        ("a vm with nightly backups", "backup job"),
        ("a container with swap 0", "nothing"),
    ],
)
def test_what_a_spec_cannot_say_is_refused_by_name(words: str, said: str) -> None:
    assert any(said in fault for fault in faults_of(words)), faults_of(words)


def test_a_misspelt_name_gets_a_suggestion() -> None:
    assert "did you mean postgresql" in faults_of("install postgresq1 on a vm")[0]


def test_the_spec_file_reads_back_as_the_same_spec() -> None:
    stack = stack_of("two debian web servers with nginx, check http on port 80, 20 GB disk, vlan 7, tags a and b, HA")
    read = read_text(dump(stack), "spec.yaml")
    assert (read.stack, read.diagnostics) == (stack, ())


def test_the_catalogue_prefers_the_default_version() -> None:
    known = catalogue()
    assert "nginx" in known.software
    draft = understand("a debian vm", Draft(), known)
    stack = draft_to_stack(draft, "s", known)
    assert isinstance(stack, Stack)
    assert stack.guests[0].image == "debian-12"


@given(st.integers(1, 40), st.integers(1, 128), st.integers(1, 512), st.integers(1, 4000))
@settings(max_examples=40, deadline=None)
def test_every_number_that_is_said_arrives(count: int, cores: int, memory: int, disk: int) -> None:
    stack = stack_of(f"{count} debian web servers with {cores} cores, {memory} GB ram and a {disk} GB disk")
    found = instances(stack)
    assert len(found) == count
    assert {(i.guest.cpu.cores, i.guest.memory, i.guest.disks[0].size) for i in found} == {
        (cores, memory * 1024, disk * 1024)
    }
