"""Routes of the API table, and the bodies that calls arrive in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.lab.body import from_query
from atlas.lab.call import HANDLERS
from atlas.lab.handlers import load_handlers
from atlas.lab.table import load


@pytest.mark.parametrize(
    ("path", "template", "values"),
    [
        ("/", "/", {}),
        ("/version", "/version", {}),
        ("/nodes/pve1/qemu/100/config", "/nodes/{node}/qemu/{vmid}/config", {"node": "pve1", "vmid": "100"}),
        ("/nodes//pve1/qemu/100/", "/nodes/{node}/qemu/{vmid}", {"node": "pve1", "vmid": "100"}),
        (
            "/nodes/n/storage/s/content/s:100/vm-100-disk-0.qcow2",
            "/nodes/{node}/storage/{storage}/content/{volume}",
            {"node": "n", "storage": "s", "volume": "s:100/vm-100-disk-0.qcow2"},
        ),
        (
            "/nodes/n/storage/s/content/s%3Aiso%2Fa.iso",
            "/nodes/{node}/storage/{storage}/content/{volume}",
            {"node": "n", "storage": "s", "volume": "s:iso/a.iso"},
        ),
        (
            "/cluster/firewall/ipset/a/10.0.0.0%2F8",
            "/cluster/firewall/ipset/{name}/{cidr}",
            {"name": "a", "cidr": "10.0.0.0/8"},
        ),
    ],
)
def test_a_path_finds_its_template(path: str, template: str, values: dict[str, str]) -> None:
    assert load().route(path) == (template, values)


@pytest.mark.parametrize(
    "path", ["/{}", "/nodes/{}/{}", "/nothing", "/nodes/pve1/nothing", "/pools/a/b", "/version/deeper"]
)
def test_other_paths_find_none(path: str) -> None:
    assert load().route(path) is None


@given(st.text())
def test_no_path_breaks_the_routing(path: str) -> None:
    load().route(path)


def test_every_handler_is_one_of_the_tables_methods() -> None:
    load_handlers()
    unknown = [key for key in HANDLERS if load().method(*key) is None]
    assert unknown == []
    assert len(HANDLERS) > 300


def test_bodies_give_texts_as_forms_do() -> None:
    assert from_query("a=1&b=x+y%20z&c=&d=1&d=2") == {"a": "1", "b": "x y z", "c": "", "d": ["1", "2"]}


@pytest.mark.parametrize("path", ["/pools/a%20b", "/access/users/a%2Fb/token/c", "/nodes/n/qemu/1%2F2/config"])
def test_a_path_is_decoded_before_it_is_taken_apart(path: str) -> None:
    assert load().route(path) is None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1&b=%2B+", {"a": "1", "b": "+ "}),
        ("a=b=c", {"a": "b"}),
        ("boot=order%3Dscsi0;net0", {"boot": "order=scsi0", "net0": None}),
        ("a=&b", {"a": "", "b": None}),
        ("a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
        ("", {}),
    ],
)
def test_forms_are_taken_apart_as_pve_does(text: str, values: dict[str, object]) -> None:
    assert from_query(text) == values
