"""A stack that one engine made is taken over by the other without a change."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.site import Site, farm

pytestmark = [pytest.mark.provider, pytest.mark.parametrize("engine", ["terraform"], indirect=True)]


def test_what_the_other_engine_took_away_is_not_planned_again(site: Site) -> None:
    secured = farm({"name": "a", "efi": {}, "tpm": {}})
    site.apply(secured)
    site.use("api")
    site.apply(farm({"name": "a"}))
    site.use("terraform")
    assert site.plan(farm({"name": "a"}))[1].changes == ()


def test_after_one_engine_the_other_plans_nothing(site: Site) -> None:
    guests: list[dict[str, Any]] = [
        {
            "name": "web",
            "count": 2,
            "tags": ["x"],
            "start": {"order": 2},
            "networks": [{**site.vlan, "address": "10.44.0.5/24"}, {"bridge": "vmbr0"}],
        },
        {"name": "db", "disks": [{"size": "5GiB"}, {"size": "1GiB", "storage": site.other_storage, "ssd": True}]},
        *site.containers({"name": "ct", "mounts": [{"path": "/srv", "size": "1GiB"}]}),
    ]
    site.use("api")
    site.apply(farm(*guests))
    site.use("terraform")
    assert site.plan(farm(*guests))[1].changes == ()
    site.use("api")
    moved = [{**g, "node": site.node(2)} if g.get("kind") == "container" else g for g in guests]
    site.apply(farm(*moved))
    site.use("terraform")
    assert site.plan(farm(*moved))[1].changes == ()
    assert site.plan(farm(*guests))[1].changes == (), "it stays where it was moved to"
    more = farm(*guests, {"name": "late"}, memory="2GiB")
    site.apply(more)
    assert site.plan(more)[1].changes == ()
    site.use("api")
    assert site.plan(more)[1].changes == ()
    site.apply(None, "farm")
    assert not site.store.leases("test", "farm")
