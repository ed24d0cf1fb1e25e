"""Templates: names, checksums and URLs that are taken, where one goes, and what a person is shown."""

from __future__ import annotations

from typing import Any

import pytest

from atlas.errors import UsageError
from atlas.settings import Profile
from atlas.state import Node, Observed, State, Storage
from atlas.templates import (
    Order,
    Source,
    checked_name,
    checked_sum,
    checked_url,
    describe,
    place,
    probe_name,
    standing,
)

SUM = "ab" * 32
SOURCE = Source("sha256", SUM, "given", url="https://example.org/noble.img")
PROFILE = Profile.model_validate(
    {"name": "c", "endpoint": "https://c", "token": {"env": "T"}, "vmids": (100, 110), "defaults": {}}
)


def storage(name: str, node: str, content: str, *, shared: bool = False, active: bool = True) -> Storage:
    return Storage(name, node, "dir", shared, frozenset(content.split(",")), 100, 50, active)


STORAGES = (
    storage("local", "n1", "iso"),
    storage("local", "n2", "iso,import"),
    storage("fast", "n1", "images"),
    storage("fast", "n2", "images"),
    storage("nfs", "n2", "images", shared=True),
    storage("off", "n2", "images,import", shared=True, active=False),
)


def placed(**options: Any) -> tuple[int, str, str, str]:
    nodes = {n: Node(n, online=n != "n3", cpus=1, memory=1) for n in ("n1", "n2", "n3")}
    state = State("c", "9", nodes, options.pop("storages", STORAGES), {110: Observed(110, "vm", "x", "n1")})
    given: dict[str, Any] = {"node": None, "storage": None, "vmid": None, "leased": {109}, "free": lambda v: v != 108}
    return place(state, options.pop("profile", PROFILE), **{**given, **options})


def test_a_template_goes_where_its_image_and_its_disk_can_go_and_takes_the_end_of_the_range() -> None:
    assert placed() == (107, "n2", "nfs", "local")
    assert placed(storage="fast", vmid=105) == (105, "n2", "fast", "local")
    defaults = {"disks": [{"storage": "fast"}]}
    assert placed(profile=Profile.model_validate({**PROFILE.model_dump(), "defaults": defaults}))[2] == "fast"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"node": "n1"}, "no storage of n1 takes images to import"),
        ({"node": "n3"}, "there is no node 'n3' online"),
        ({"node": "n2", "storage": "off"}, "the storage 'off' holds no disks of VMs on n2"),
        ({"vmid": 110}, "the VMID 110 is taken"),
        ({"vmid": 109}, "the VMID 109 is taken"),
        ({"vmid": 108}, "the VMID 108 is taken"),
        ({"free": lambda _: False}, "no VMID is left from 100 to 110"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        placed(**options)
    assert caught.value.message == words
    assert caught.value.hint


@pytest.mark.parametrize("name", ["../x", "a:b", "A", "-a", "a b", "", "a..b", "x" * 80, "a\n"])
def test_a_name_is_one_that_a_file_and_a_guest_can_have(name: str) -> None:
    with pytest.raises(UsageError):
        checked_name(name)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/b.qcow2",
        "https://u:p@a/b.qcow2",
        "https://a/b.iso",
        "https://a",
        "https://a/b c.qcow2",
        "file:///x.raw",
    ],
)
def test_a_url_is_that_of_an_image(url: str) -> None:
    with pytest.raises(UsageError):
        checked_url(url)
    assert checked_url("https://a.org/x/b.img?v=1")


def test_a_checksum_has_the_digits_of_its_algorithm() -> None:
    assert checked_sum("sha256", SUM.upper() + "\n") == SUM
    for text in (SUM[:-1], SUM + "0", "x" * 64):
        with pytest.raises(UsageError):
            checked_sum("sha256", text)
    with pytest.raises(UsageError):
        checked_sum("sha512", SUM)


def test_the_stamp_of_a_template_is_no_stacks_and_belongs_to_one_vmid() -> None:
    order = Order("ubuntu-24.04", SOURCE, 107, "n2", "nfs", "local")
    notes = {"description": f"{order.stamp('here')}\nmore"}
    assert standing(Observed(107, "vm", "x", "n2", config=notes), "here", "ubuntu-24.04")
    for vmid, where, image in ((108, "here", "ubuntu-24.04"), (107, "there", "ubuntu-24.04"), (107, "here", "ubuntu")):
        assert not standing(Observed(vmid, "vm", "x", "n2", config=notes), where, image)
    assert order.file == "ubuntu-24.04-abababababab.qcow2"
    assert probe_name("ubuntu-24.04") == "probe-ubuntu-24-04"


def test_an_approval_binds_to_all_that_is_done() -> None:
    order = Order("debian-12", SOURCE, 107, "n2", "nfs", "local")
    other = Order("debian-12", Source("sha256", "cd" * 32, "given", url=SOURCE.url), 107, "n2", "nfs", "local")
    assert len({order.hash, other.hash, Order("debian-12", SOURCE, 107, "n2", "fast", "local").hash}) == 3
    for words in (SUM, "https://example.org/noble.img", "local:import/debian-12-abababababab.qcow2", "vm 107 on n2"):
        assert words in describe(order, "c")
