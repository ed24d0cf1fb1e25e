"""A lab whose root makes tokens with chosen privileges."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import role

from atlas.lab import control
from atlas.proxmox.client import Client


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("lab")
    status = control.start(folder, latency="instant")
    secret = json.loads((folder / "secrets.json").read_text())["root@pam!lab"]
    status = {**status, "root": f"root@pam!lab={secret}"}
    yield status
    control.stop(folder)


@pytest.fixture(scope="module")
def root(lab: dict[str, Any]) -> Client:
    """Return root's client, once there is a template without a cloud-init drive."""
    client = Client(lab["url"], lab["root"], ca_file=Path(lab["ca_file"]))
    role.bare(client)
    return client
