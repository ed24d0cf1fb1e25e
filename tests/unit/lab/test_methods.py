"""What the lab says of each method of the API is what proofs have shown."""

from __future__ import annotations

import pytest
from fakes.labapi import Api
from fakes.proof import Method, holds, load_proofs, run
from tools.methods import PAGE

from atlas.lab.call import HANDLERS, REFUSED, SHAPED, PVEError
from atlas.lab.handlers import load_handlers
from atlas.lab.methods import counts, document, methods
from atlas.lab.shapes import empty

PROVED: dict[str, set[Method]] = {}


@pytest.mark.parametrize("name", sorted(load_proofs()))
async def test_what_one_call_writes_another_reads(name: str) -> None:
    proved = await run(name)
    assert proved
    assert not proved & SHAPED, "a method that is proved is no longer only shaped"
    assert not proved & set(REFUSED)
    PROVED[name] = proved


async def test_the_page_says_what_the_code_does() -> None:
    for name in set(load_proofs()) - set(PROVED):  # other processes may have run the rest
        PROVED[name] = await run(name)
    proved = set[Method]().union(*PROVED.values())
    found = counts(proved)
    assert found["modelled"] >= 300
    assert found["refused"] <= 100
    assert sum(found.values()) == 675
    assert PAGE.read_text(encoding="utf-8") == document(proved), "run PYTHONPATH=tests python tests/tools/methods.py"


def test_every_method_is_answered() -> None:
    load_handlers()
    assert [method for method in methods() if method not in HANDLERS] == []


async def test_what_is_refused_says_so() -> None:
    api = await Api.fresh()
    with pytest.raises(PVEError, match="consoles are not modelled by this lab") as caught:
        await api.call("POST", "/nodes/pve1/qemu/9000/vncproxy")
    assert caught.value.status == 501
    with pytest.raises(PVEError, match="binary not installed: /usr/bin/ceph-mon") as caught:
        await api.call("GET", "/cluster/ceph/status")
    assert caught.value.status == 500


def test_a_shape_is_the_least_that_a_schema_allows() -> None:
    fields = {"a": {"type": "string", "enum": ["x", "y"]}, "b": {"type": "integer", "minimum": 3}, "c": {"optional": 1}}
    assert empty({"type": "object", "properties": fields}) == {"a": "x", "b": 3}
    assert empty({"type": "array"}) == []
    assert empty({"type": "null"}) is None


@pytest.mark.parametrize(
    ("answer", "has", "true"),
    [
        ([{"a": 1}, {"a": 2, "b": 3}], {"a": 2}, True),
        ([{"a": 1}], {"a": 2}, False),
        ({"a": {"b": "text"}}, {"a": {"b": "text"}}, True),
        ("error: it does not exist", {"a": 1}, False),
        ([], {"a": 1}, False),
        ("12", "1", False),
    ],
)
def test_a_proof_sees_what_an_answer_holds(answer: object, has: object, true: bool) -> None:
    assert holds(answer, has) is true
