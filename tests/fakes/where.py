"""Where live suites run: a lab of their own, or the site whose cluster profile `ATLAS_TEST_PROFILE` names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from atlas.settings import AddressPool, Profile, TokenSource

CLUSTER = "test"
VARIABLE = "ATLAS_TEST_PROFILE"
TOKEN = "ATLAS_TEST_TOKEN"
POOL = AddressPool(network="10.42.0.0/24", first="10.42.0.10", gateway="10.42.0.1")


@contextmanager
def cluster(folder: Path, latency: str) -> Iterator[dict[str, Any]]:
    """Start a lab and stop it in the end; or, with a profile named, use that site and leave it running.

    The site's profile is one of ATLAS's own, as a YAML file. Tests delete guests in its `vmids` only, and every one
    of them.

    Args:
        folder: Where a lab is kept.
        latency: How quick a lab is.

    Returns:
        What `Site` needs: `url`, `token`, `ca_file`, and `profile` where it is no lab.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        from atlas.lab import control

        yield control.start(folder, latency=latency)
        control.stop(folder)
        return
    from ruamel.yaml import YAML

    said = YAML(typ="safe").load(Path(named).read_text())
    profile = Profile.model_validate({"name": CLUSTER, **said})
    token = profile.read_token().get_secret_value()
    yield {"url": profile.endpoint, "token": token, "ca_file": str(profile.ca_file), "profile": dict(said)}


def profile_of(status: Mapping[str, Any], vmids: tuple[int, int]) -> Profile:
    """Return the cluster profile of a site; that of a lab is made up here."""
    os.environ[TOKEN] = status["token"]
    own = {"token": TokenSource(env=TOKEN), "name": CLUSTER}
    if "profile" in status:
        return Profile.model_validate({**status["profile"], **own})
    return Profile(endpoint=status["url"], ca_file=Path(status["ca_file"]), vmids=vmids, pools=(POOL,), **own)


def lacking(what: str) -> NoReturn:
    """Skip a test, in one plain line, because the site has not got what it needs."""
    pytest.skip(f"this site has no {what}")
