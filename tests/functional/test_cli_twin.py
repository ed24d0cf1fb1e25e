"""`atlas lab seed` and `atlas lab export`: from a cluster that is only read, by a file, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.program import Api, Program


@pytest.fixture
def ended(atlas: Program) -> Iterator[Program]:
    """Return the program; the lab of its own folder is stopped at the end."""
    yield atlas
    atlas("lab", "stop").ended(0)


def rows(api: Api) -> list[dict[str, Any]]:
    kept = ("vmid", "name", "node", "type", "template", "maxmem", "maxdisk")
    return [{key: row[key] for key in kept} for row in api.rows().values()]


def test_a_cluster_becomes_a_lab(ended: Program, lab_api: Api) -> None:
    before = lab_api.world()
    profile = ended.config / "clusters" / "lab.yaml"
    profile.write_text(json.dumps({**yaml.safe_load(profile.read_text()), "vmids": [3000, 3100]}))
    ended("lab", "seed", "--from", "lab", "--latency", "fast").ended(0)
    status = json.loads(ended("lab", "status", "--json").ended(0).out)
    assert rows(Api(status)) == rows(lab_api)
    assert lab_api.world() == before
    twin = yaml.safe_load((ended.config / "clusters" / "twin.yaml").read_text())
    assert (twin["endpoint"], twin["vmids"]) == (status["url"], [3000, 3100])
    assert twin["pools"] == yaml.safe_load(profile.read_text())["pools"]
    ended("doctor", "--cluster", "twin", "--engine", "api").ended(0)
    again = ended("lab", "seed", "--from", "lab").ended(1).text
    assert "there is a lab" in again


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_an_exported_inventory_makes_the_same_lab(ended: Program, lab_api: Api, suffix: str) -> None:
    file = ended.folder / f"inventory.{suffix}"
    ended("lab", "export", file, "--from", "lab").ended(0)
    secret = str(lab_api.status["token"]).partition("=")[2]
    assert secret not in file.read_text()
    done = ended("lab", "seed", "--from-file", file, "--latency", "fast", "--json").ended(0).one("result")
    assert done["left_out"] == []
    assert not {"token", "tokens"} & set(done)
    status = json.loads(ended("lab", "status", "--json").ended(0).out)
    assert rows(Api(status)) == rows(lab_api)
    here = json.loads(ended("lab", "export").ended(0).out)
    assert [g["vmid"] for g in here["guests"]] == [r["vmid"] for r in rows(lab_api)]


def test_what_a_twin_cannot_be_made_from(ended: Program) -> None:
    file = ended.write("format: atlas-inventory\nversion: 1\nnodes: [{name: ../x}]\n", "inventory.yaml")
    assert "nodes[0].name" in ended("lab", "seed", "--from-file", file).ended(1).text
    assert "cannot read" in ended("lab", "seed", "--from-file", ended.folder / "none.json").ended(1).text
    assert "one source" in ended("lab", "seed").ended(2).text
    assert "one source" in ended("lab", "seed", "--from", "lab", "--from-file", file).ended(2).text
    assert "itself" in ended("lab", "seed", "--from", "lab", "--name", "lab").ended(2).text
    assert "no lab runs here" in ended("lab", "export").ended(1).text
    assert not Path(ended.env["ATLAS_LAB_DIR"]).exists()
