"""Spec files: every fault with its place, hostile input refused, round trips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas.errors import SpecError
from atlas.specfile import LARGEST, dump, read_file, read_text, schema

HEAD = "apiVersion: atlas/v1\nkind: Stack\nmetadata: {name: shop}\n"

FAULTS = [
    ("guests: [{name: a, memry: 1GiB}]", "guests[0].memry", 4, "did you mean `memory`?"),
    ("guests: [{name: a, ram: 1GiB}]", "guests[0].ram", 4, "did you mean `memory`?"),
    ("guests: [{name: a, memory: 8}]", "guests[0].memory", 4, "did you mean 8GiB or 8MiB?"),
    ("guests:\n- name: a\n  disks:\n  - size: 40GB", "guests[0].disks[0].size", 7, "did you mean 40GiB?"),
    ("guests: [{name: a, kind: vmm}]", "guests[0].kind", 4, "did you mean `vm`?"),
    ("guests: [{name: A_b}]", "guests[0].name", 4, "letters a to z"),
    ("guests: [{name: a, networks: [{address: 10.0.0.1}]}]", "guests[0].networks[0].address", 4, "10.0.0.1/24"),
    ("guests: [{name: a, networks: [{address: 10.0.0.1/33}]}]", "guests[0].networks[0].address", 4, "10.42.0.11/24"),
    ("guests: [{name: a, networks: [{address: 127.0.0.1/8}]}]", "guests[0].networks[0].address", 4, "is a loopback"),
    ("guests: [{name: a, networks: [{address: 224.0.0.1/8}]}]", "guests[0].networks[0].address", 4, "is a multicast"),
    ("guests: [{name: a, tags: [b, 'c d']}]", "guests[0].tags[1]", 4, "lower-case letters"),
    ("guests: [{name: a, user: {name: 'c d'}}]", "guests[0].user.name", 4, "on Linux"),
    ("guests: [{name: a, networks: [{bridge: 'b c'}]}]", "guests[0].networks[0].bridge", 4, "such as vmbr0"),
    ("guests: [{name: a, memory: %sGiB}]" % ("9" * 400), "guests[0].memory", 4, "at most 1024TiB"),
    ("guests: [{name: a, checks: [{port: 1, service: x}]}]", "guests[0].checks[0]", 4, ""),
    ("guests: [{name: a, software: nginx}]", "guests[0].software", 4, "`software: [nginx]`"),
    ("guests: [{name: a, cpu: 4}]", "guests[0].cpu", 4, "cpu: {cores: 4}"),
    ("guests: [{count: 2}]", "guests[0].name", 4, "add `name:`"),
    ("guests: []", "guests", 4, "at least one entry"),
    ("guests: [{name: a}]\nzzz: red", "zzz", 5, "known here"),
    ("guests: [{name: a, name: b}]", "guests[0].name", 4, "keep one"),
]


@pytest.mark.parametrize(("text", "path", "line", "hint"), FAULTS)
def test_a_fault_has_its_place_and_a_suggestion(text: str, path: str, line: int, hint: str) -> None:
    found = read_text(HEAD + text, "f.yaml").diagnostics
    assert [(d.where.path, d.where.line, d.where.file) for d in found] == [(path, line, "f.yaml")]
    assert hint in found[0].hint


@pytest.mark.parametrize(
    ("guest", "says"),
    [
        ("cpu: {cores: 0}", "`cores` cannot be 0: it is at least 1"),
        ("cpu: {cores: 9999}", "`cores` cannot be 9999: it is at most 128"),
        ("count: two", "`count` cannot be 'two': it is a whole number"),
        ("count: 1.5", "`count` cannot be 1.5: it is a whole number"),
        ("spread: maybe", "`spread` cannot be 'maybe': it is true or false"),
        ("node: 3", "`node` cannot be 3: it is text; put it into quotes"),
        ("node: null", "`node` cannot be nothing: it is text; put it into quotes"),
    ],
)
def test_a_fault_says_what_the_value_has_to_be(guest: str, says: str) -> None:
    (found,) = read_text(f"{HEAD}guests: [{{name: a, {guest}}}]", "f").diagnostics
    assert f"{found.summary}: {found.detail}" == says


def test_all_faults_come_at_once_and_the_rest_can_still_be_checked() -> None:
    text = HEAD + "guests:\n- {name: a, memry: 1}\n- {name: a, count: 0}\n- {memory: 7}\n"
    draft = read_text(text, "f")
    assert [d.where.path for d in draft.diagnostics] == [
        "guests[0].memry",
        "guests[1].count",
        "guests[2].name",
        "guests[2].memory",
    ]
    assert draft.stack is not None
    assert [g.name for g in draft.stack.guests] == ["a", "a", "unnamed"]


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("- a", "fields by name"),
        ("a: [1", "not YAML"),
        ("a: *b", "not YAML"),
        ("\0", "not YAML"),
        ("a: 1\n---\nb: 2", "several documents"),
        ("[" * 50_000, "nested too deeply"),
        ("a: &a [x, *a]", "expand to too much"),
    ],
)
def test_what_is_no_spec_is_refused_in_words(text: str, summary: str) -> None:
    draft = read_text(text, "f")
    assert draft.stack is None
    assert summary in draft.diagnostics[0].summary


def test_aliases_that_explode_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert "expand to too much" in read_text("\n".join(lines), "f").diagnostics[0].summary


def test_aliases_and_merges_that_people_use_are_fine() -> None:
    text = HEAD + "guests:\n- &base {name: a, memory: 1GiB}\n- {<<: *base, name: b}\n"
    stack = read_text(text, "f").stack
    assert stack is not None
    assert [(g.name, g.memory) for g in stack.guests] == [("a", 1024), ("b", 1024)]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    large, latin = tmp_path / "large.yaml", tmp_path / "latin.yaml"
    with large.open("wb") as out:
        out.truncate(LARGEST + 1)
    latin.write_bytes(b"name: \xff")
    for path, text in (
        (large, "too large"),
        (latin, "not UTF-8"),
        (tmp_path, "is a folder"),
        (tmp_path / "x", "does not exist"),
    ):
        with pytest.raises(SpecError) as caught:
            read_file(path)
        assert text in caught.value.diagnostics[0].summary


def test_json_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps(
            {"apiVersion": "atlas/v1", "kind": "Stack", "metadata": {"name": "x"}, "guests": [{"name": "a"}]},
            indent="\t",
        )
    )
    draft = read_file(path)
    assert draft.diagnostics == ()
    assert draft.stack is not None


def test_what_is_dumped_reads_back_the_same() -> None:
    text = HEAD + "guests: [{name: a, memory: 1536MiB, disks: [{size: 3GiB}], checks: [{http: {path: /x}}]}]"
    stack = read_text(text, "f").stack
    assert stack is not None
    again = read_text(dump(stack), "g")
    assert again.diagnostics == ()
    assert again.stack == stack


def test_the_schema_knows_sizes_as_text_and_refuses_unknown_fields() -> None:
    made = schema()
    assert made["additionalProperties"] is False
    assert made["$defs"]["Guest"]["properties"]["memory"]["type"] == "string"
    assert made["$defs"]["Guest"]["properties"]["memory"]["default"] == "2GiB"
    assert set(made["required"]) == {"apiVersion", "guests", "kind", "metadata"}
