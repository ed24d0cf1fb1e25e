"""What an engine refuses or cannot do leaves everything else as it was."""

from __future__ import annotations

import pytest
from fakes.site import Site, farm

from atlas.errors import PartlyDone, StalePlan


def test_what_changed_since_the_plan_is_refused(site: Site) -> None:
    site.apply(farm({"name": "a"}))
    (lease,) = site.store.leases("test", "farm")
    work, plan = site.plan(farm({"name": "a", "memory": "2GiB"}))
    site.alter(lease.vmid, onboot=0)
    with pytest.raises(StalePlan):
        site.carry_out(work, plan)
    assert str(site.config(lease.vmid)["memory"]) == "1024"


def test_a_guest_of_others_under_our_vmid_is_left_alone(site: Site) -> None:
    work, plan = site.plan(farm({"name": "a"}))
    site.clone(site.vmids[0], "theirs")
    with pytest.raises(StalePlan, match="not ours"):
        site.carry_out(work, plan)
    assert site.config(site.vmids[0])["name"] == "theirs"


def test_one_guest_that_fails_does_not_keep_others(site: Site) -> None:
    work, plan = site.plan(farm({"name": "a"}, {"name": "b", "pool": "nowhere"}))
    with pytest.raises(PartlyDone, match="nowhere"):
        site.carry_out(work, plan)
    assert site.ready == ["a"]
    failed = [e for e in site.events if e.data.get("stage") == "failed"]
    assert [e.guest for e in failed] == ["b"]
