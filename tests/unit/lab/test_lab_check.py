"""Parameters are checked as PVE checks them, with its words."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.lab.call import PVEError
from atlas.lab.check import check, check_call, schema_of
from atlas.lab.formats import MISSING, UNDEFINED, parse_properties, split_list
from atlas.lab.table import load


def parameters(verb: str, path: str) -> dict[str, Any]:
    method = load().method(verb, path)
    assert method is not None
    return method.parameters


CREATE = parameters("POST", "/nodes/{node}/qemu")
RESIZE = parameters("PUT", "/nodes/{node}/qemu/{vmid}/resize")
BAD, NEEDED = "invalid format - format error", "missing property required by"
TAKEN = "key alias 'model' is already defined"
BASE = {"node": "pve1", "vmid": "100"}


def faults(values: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(PVEError) as caught:
        check(CREATE, {**BASE, **values})
    assert caught.value.status == 400
    assert caught.value.message == "Parameter verification failed."
    return {key: text.rstrip("\n") for key, text in (caught.value.errors or {}).items()}


def test_values_get_their_types() -> None:
    typed = check(CREATE, {**BASE, "cores": "4", "onboot": "1", "name": "web", "memory": "512", "cpulimit": "1.5"})
    assert typed == {
        "node": "pve1",
        "vmid": 100,
        "cores": 4,
        "onboot": 1,
        "name": "web",
        "memory": "512",
        "cpulimit": 1.5,
    }


def test_a_name_without_a_value_is_as_if_it_were_not_there_unless_nobody_knows_it() -> None:
    assert "onboot" not in check(CREATE, {**BASE, "onboot": None})
    assert faults({"colour": None}) == {"colour": UNDEFINED}


def test_a_fault_in_a_types_own_part_names_the_type() -> None:
    method = load().method("POST", "/cluster/ha/rules")
    assert method is not None
    given = {"rule": "r1", "type": "node-affinity", "affinity": "positive", "strict": "5"}
    with pytest.raises(PVEError) as caught:
        check_call(method, given, {})
    assert caught.value.errors == {
        "affinity": UNDEFINED,
        "oneOf[node-affinity].nodes": MISSING,
        "oneOf[node-affinity].resources": MISSING,
        "oneOf[node-affinity].strict": "type check ('boolean') failed - got '5'",
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"cores": "0"}, {"cores": "value must have a minimum value of 1"}),
        ({"cores": "x"}, {"cores": "type check ('integer') failed - got 'x'"}),
        ({"cores": ["1", "2"]}, {"cores": "type check ('integer') failed - got ARRAY"}),
        ({"onboot": "yes"}, {"onboot": "type check ('boolean') failed - got 'yes'"}),
        ({"colour": "red"}, {"colour": UNDEFINED}),
        ({"name": "a b"}, {"name": "invalid format - value does not look like a valid DNS name"}),
        ({"net32": "virtio"}, {"net32": UNDEFINED}),
        ({"net0": "virtio,tag=5000"}, {"net0": f"{BAD}\nnet0.tag: value must have a maximum value of 4094"}),
        ({"net0": "bridge=vmbr0"}, {"net0": f"{BAD}\nnet0.model: {MISSING}"}),
        ({"net0": "virtio,e1000=BC:24:11:00:00:01"}, {"net0": f"invalid format - {TAKEN}"}),
        ({"ipconfig0": "gw=10.0.0.1"}, {"ipconfig0": f"{BAD}\nipconfig0.ip: {NEEDED} 'ipconfig0.gw'"}),
        ({"cpu": "custom-x"}, {"cpu": "invalid format - Custom cputype 'x' not found"}),
        ({"cdrom": "x"}, {"cdrom": f"{BAD}\ncdrom.file: invalid format - unable to parse volume ID 'x'"}),
        ({"net0": "virtio,tag=\n"}, {"net0": "invalid format - missing key in comma-separated list property"}),
        ({"hostpci0": "x"}, {"hostpci0": f"{BAD}\nhostpci0.host: value does not match the regex pattern"}),
        ({"cores": "0", "sockets": "0"}, dict.fromkeys(("cores", "sockets"), "value must have a minimum value of 1")),
        ({"vmid": "99"}, {"vmid": "invalid format - value does not look like a valid VM ID"}),
    ],
)  # fmt: skip
def test_faults_are_named_in_pves_words(values: dict[str, Any], expected: dict[str, str]) -> None:
    assert faults(values) == expected


def test_what_is_missing_is_named() -> None:
    with pytest.raises(PVEError) as caught:
        check(RESIZE, BASE)
    assert caught.value.errors == {"disk": MISSING, "size": MISSING}


def test_numbered_parameters_have_their_limits() -> None:
    assert schema_of(CREATE, "scsi30") is not None
    assert schema_of(CREATE, "scsi31") is None
    assert schema_of(CREATE, "scsi01") is None


def test_property_strings_know_default_keys_and_aliases() -> None:
    net = CREATE["net[n]"]["format"]
    assert parse_properties(net, "virtio=BC:24:11:00:00:01,bridge=vmbr0") == (
        {"model": "virtio", "macaddr": "BC:24:11:00:00:01", "bridge": "vmbr0"},
        None,
    )
    assert parse_properties(net, "e1000")[0] == {"model": "e1000"}


@given(
    st.dictionaries(st.text(max_size=8), st.text(max_size=30) | st.lists(st.text(max_size=3), max_size=2), max_size=4)
)
def test_nothing_that_is_sent_breaks_the_check(values: dict[str, Any]) -> None:
    with contextlib.suppress(PVEError):
        check(CREATE, values)


@given(st.lists(st.from_regex(r"[a-z0-9.:-]{1,8}", fullmatch=True)), st.sampled_from([",", ";", " ", ", ", "\0"]))
def test_lists_split_at_every_separator_that_pve_takes(items: list[str], separator: str) -> None:
    assert split_list(separator.join(items)) == items
