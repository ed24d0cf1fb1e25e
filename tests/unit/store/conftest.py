"""A store in a folder of its own, plans and leases to put into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atlas.plan import Plan
from atlas.state import Lease
from atlas.store import SqliteStore


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(home)
    yield store
    store.close()


@pytest.fixture
def plan() -> Plan:
    return make_plan()


def make_plan(stack: str = "web", **fields: Any) -> Plan:
    whole: dict[str, Any] = {
        "stack": stack,
        "cluster": "lab",
        "identity": "cluster-1",
        "engine": "api",
        "changes": (),
        "leases": (),
        "bundle": {"playbook.yaml": "ab"},
        "versions": {"atlas": "1"},
        "destroy": False,
        "spec": {"metadata": {"name": stack}},
        **fields,
    }
    return Plan(**whole)


def lease(stack: str = "web", group: str = "web", index: int = 1, vmid: int = 100, **fields: Any) -> Lease:
    whole = {"kind": "vm", "node": "pve1", "source": "9000", "source_node": "pve1", **fields}
    return Lease(stack, group, index, vmid=vmid, **whole)


@pytest.fixture
def make_lease() -> Any:
    return lease


@pytest.fixture
def plan_of() -> Any:
    return make_plan
