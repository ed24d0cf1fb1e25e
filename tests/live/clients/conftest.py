"""A lab for each module of tests, its administrator by token and password, and programs that are led to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fakes import collection

from atlas.lab import control
from atlas.proxmox.client import Client


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Start a lab; its status names its administrator's token and password, too."""
    folder = tmp_path_factory.mktemp("lab")
    status = control.start(folder, latency="instant")
    secrets = json.loads((folder / "secrets.json").read_text())
    where = urlsplit(status["url"])
    yield {
        **status,
        "host": where.hostname,
        "port": where.port,
        "token": f"root@pam!lab={secrets['root@pam!lab']}",
        "token_value": secrets["root@pam!lab"],
        "password": secrets["root@pam"],
        "folder": str(folder),
    }
    control.stop(folder)


@pytest.fixture(scope="module")
def reader(lab: dict[str, Any]) -> Client:
    """Return another client than the one that is tested, to see what that one did."""
    return Client(lab["url"], lab["token"], ca_file=Path(lab["ca_file"]))


@pytest.fixture(scope="session")
def collections() -> Path:
    """Return the folder with Ansible's collections; skip where `community.proxmox` cannot be had."""
    try:
        return collection.folder()
    except collection.Missing as reason:
        pytest.skip(f"the collection {collection.NAME} {reason}")


@pytest.fixture(scope="module")
def modules(lab: dict[str, Any], collections: Path) -> Iterator[collection.Modules]:
    """Return the modules of `community.proxmox`, led to the lab."""
    access = {"api_host": lab["host"], "api_port": lab["port"], "ca_path": lab["ca_file"], "api_user": "root@pam"}
    made = collection.Modules(collections, {**access, "api_password": lab["password"]})
    yield made
    made.end()
