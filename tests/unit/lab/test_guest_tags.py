"""Tags of guests under the datacenter's options."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.lab.call import Call, PVEError
from atlas.lab.clock import Clock
from atlas.lab.entities import Acl, Guest, User
from atlas.lab.guest_tags import check_tags, mac_prefix, normal_tags
from atlas.lab.simulated import SimulatedBackend
from atlas.lab.world import Lab


def world(**options: str) -> Lab:
    lab = Lab(SimulatedBackend(), Clock("instant"))
    lab.options("datacenter").update({name.replace("_", "-"): value for name, value in options.items()})
    return lab


@given(st.lists(st.from_regex(r"[a-zA-Z][a-z0-9_-]{0,5}", fullmatch=True)))
def test_tags_are_lower_case_sorted_and_each_there_once(tags: list[str]) -> None:
    found = normal_tags(world(), " ;,".join(tags))
    assert [t for t in found.split(";") if t] == sorted({t.lower() for t in tags})
    assert normal_tags(world(), found) == found


def test_the_tag_style_keeps_case_and_order() -> None:
    assert normal_tags(world(tag_style="ordering=config"), "b;A;b") == "b;a"
    assert normal_tags(world(tag_style="case-sensitive=1"), "b;A;a") == "A;a;b"
    assert normal_tags(world(tag_style="case-sensitive=1,ordering=config"), "b;A;a") == "b;A;a"


@pytest.mark.parametrize(
    ("access", "tag", "allowed"),
    [
        ("", "new", True),
        ("user-allow=existing", "new", False),
        ("user-allow=existing", "old", True),
        ("user-allow=none", "old", False),
        ("user-allow=list,user-allow-list=mine;yours", "mine", True),
        ("user-allow=list,user-allow-list=mine;yours", "old", False),
        ("", "locked", False),
    ],
)
def test_who_may_set_a_tag(access: str, tag: str, allowed: bool) -> None:
    lab = world(user_tag_access=access, registered_tags="locked")
    lab.users["u@pve"] = User("u@pve")
    lab.acl["/vms/101"] = Acl("/vms/101", users={"u@pve": {"PVEVMAdmin": 1}})
    lab.guests["101"] = Guest(101, "qemu", "pve1", {"tags": "old"})
    call = Call(lab, "PUT", "", {}, "u@pve")
    if allowed:
        check_tags(call, 101, "old", f"old;{tag}" if tag != "old" else "")
    else:
        with pytest.raises(PVEError, match=f"Sys.Modify for modifying tag '{tag}'"):
            check_tags(call, 101, "" if tag == "old" else "old", f"old;{tag}" if tag != "old" else "old")


def test_made_up_addresses_begin_as_the_datacenter_says() -> None:
    assert mac_prefix(world()) == "BC:24:11"
    lab = world()
    lab.options("datacenter")["mac_prefix"] = "02:00"
    assert mac_prefix(lab) == "02:00"
