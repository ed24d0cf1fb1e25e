"""Inventories: every fault is named at once, secrets go, and nothing in one leads out of the lab's own folder."""

from __future__ import annotations

import json
from typing import Any

import pytest

from atlas.lab.inventory import FORMAT, SECRETS, InventoryError, check, parse, public


def inventory(**parts: Any) -> dict[str, Any]:
    return {"format": FORMAT, "version": 1, "nodes": [{"name": "pve1"}], **parts}


def faults(**parts: Any) -> str:
    with pytest.raises(InventoryError) as found:
        check(inventory(**parts))
    return str(found.value)


def test_yaml_and_json_say_the_same() -> None:
    from ruamel.yaml import YAML

    text = json.dumps(inventory(storages=[{"storage": "local", "type": "dir"}]))
    assert parse(text) == parse(f"# by hand\n{text}") == check(YAML(typ="safe").load(text))


@pytest.mark.parametrize("text", ["{", "a: [", "[]", "", "format: other", "format: atlas-inventory"])
def test_what_is_no_inventory_is_refused(text: str) -> None:
    with pytest.raises(InventoryError):
        parse(text)


def test_a_later_version_is_not_guessed_at() -> None:
    assert "version 2" in faults(version=2)


def test_all_faults_come_together() -> None:
    words = faults(
        guests=[{"vmid": 99, "type": "qemu", "node": "pve1", "config": {}}, {"vmid": 100, "type": "vbox"}],
        storages=[{"storage": "local", "type": "dir", "space": {"pve1": [1]}}],
        sections={"firewall": {}},
        pets=[],
    )
    for part in ("guests[0].vmid", "guests[1].type", "guests[1].config is missing", "space", "firewall", "pets"):
        assert part in words


def test_what_names_something_that_is_not_there_is_refused() -> None:
    guest = {"vmid": 100, "type": "qemu", "node": "gone", "config": {}}
    volume = {"volid": "lost:vm-100-disk-0", "content": "images", "format": "raw", "size": 1}
    words = faults(guests=[guest, guest], volumes=[volume])
    assert "'gone'" in words
    assert "'lost'" in words
    assert "100 is there twice" in words
    assert "there is none" in faults(nodes=[])


@pytest.mark.parametrize(
    "volid", ["local:../../etc/passwd", "local:100/../../x.raw", "../x:vm-100-disk-0", "local:/etc/passwd", "local:.."]
)
def test_a_volume_cannot_lead_elsewhere(volid: str) -> None:
    volume = {"volid": volid, "content": "images", "format": "raw", "size": 1}
    assert "volumes[0].volid" in faults(storages=[{"storage": "local", "type": "dir"}], volumes=[volume])


@pytest.mark.parametrize("name", ["..", "a/b", "a b", "", "-a"])
def test_a_node_cannot_lead_elsewhere(name: str) -> None:
    assert "nodes[0].name" in faults(nodes=[{"name": name}])


@pytest.mark.parametrize(
    ("key", "row"),
    [
        ("nodes", {"name": "pve1", "network": [{"type": "bridge"}]}),
        ("guests", {"vmid": 100, "type": "qemu", "node": "pve1", "config": {}, "pending": ["memory"]}),
        ("guests", {"vmid": 100, "type": "qemu", "node": "pve1", "config": {}, "snapshots": {"a": 1}}),
        ("users", {"userid": "a@pve", "tokens": [{"privsep": 1}]}),
    ],
)
def test_lists_inside_of_rows_are_looked_at_too(key: str, row: dict[str, Any]) -> None:
    assert f"{key}[0]." in faults(**{key: [row]})


def test_numbers_may_be_texts_as_the_api_gives_some() -> None:
    guest = {"vmid": "100", "type": "qemu", "node": "pve1", "config": {}, "uptime": "7"}
    assert check(inventory(guests=[guest]))["guests"] == [guest]
    assert "guests[0].uptime" in faults(guests=[{**guest, "uptime": "long"}])


def test_a_password_in_a_url_is_dropped() -> None:
    found = check(inventory(cluster={"options": {"http_proxy": "http://me:s3cret@proxy.example.org:3128"}}))
    assert found["cluster"]["options"] == {"http_proxy": "http://proxy.example.org:3128"}


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_in_a_file_is_dropped(name: str) -> None:
    guest = {"vmid": 100, "type": "qemu", "node": "pve1", "config": {name: "s3cret"}}
    guest["pending"] = [{"key": name, "pending": "s3cret"}, {"key": "cores", "pending": 2}]
    found = check(inventory(guests=[guest], sections={"domains": {"corp": {"type": "openid", name: "s3cret"}}}))
    assert "s3cret" not in json.dumps(found)
    assert found["guests"][0]["pending"] == [{"key": "cores", "pending": 2}]
    assert public({name: 1, "a": [{name: 1}]}) == {"a": [{}]}
