"""What a kill leaves: stacks to be killed in the making, and the oracle, which asks the cluster and not ATLAS."""

from __future__ import annotations

import time
from typing import Any

from fakes.ground import BOOT_SECONDS
from fakes.site import Site
from fakes.where import CLUSTER

THEIRS = 900  # the place in our range of a guest that is not ours
ADDRESS = "10.42.0.200/24"


def three(site: Site, *more: dict[str, Any]) -> dict[str, Any]:
    """Return a stack of three guests, and more."""
    base = {"image": "debian-12", "memory": "1GiB", "disks": [{"size": "4GiB"}, {"size": "1GiB"}]}
    guests = [{"name": "a"}, {"name": "b", "node": site.nodes[-1]}, {"name": "c", "start": {"order": 2}}]
    return {"metadata": {"name": "farm"}, "defaults": base, "guests": [*guests, *more]}


def changed(site: Site, *more: dict[str, Any]) -> dict[str, Any]:
    """Return the stack with one guest changed, one replaced, one renamed away (deleted and created)."""
    guests = [
        {
            "name": "a",
            "disks": [{"size": "5GiB"}, {"size": "1GiB"}, {"size": "2GiB"}],
            "networks": [{"address": ADDRESS}],  # cloud-init data: nothing on the cluster tells that a reboot is due
        },
        {"name": "b", "node": site.nodes[-1], "image": "ubuntu-24.04"},
        {"name": "d"},
    ]
    return {**three(site), "guests": [*guests, *more]}


def survived(site: Site, spec: dict[str, Any] | None, theirs: dict[str, Any]) -> None:
    """Assert that every guest is there once, as wanted, none half made, and none that is not ours touched.

    Args:
        site: Where.
        spec: What is wanted; None after a destroy.
        theirs: The configuration, before, of the guest that is not ours.
    """
    leases = {x.key: x for x in site.store.leases(CLUSTER, "farm")}
    wanted = {one.key: one.guest for one in site.instances(spec)}
    assert set(leases) == set(wanted)
    assert site.vmids_there() == {x.vmid for x in leases.values()} | {site.vmids[0] + THEIRS}
    assert site.config(site.vmids[0] + THEIRS) == theirs
    for key, lease in leases.items():
        config, guest = site.config(lease.vmid), site.cluster.guest(lease.vmid)
        assert guest is not None
        assert (guest.name, guest.lock, guest.running, dict(guest.pending)) == (key, None, True, {})
        assert (guest.uuid, lease.made) == (lease.uuid, True)
        assert "atlas-run" not in config["description"]
        assert not [k for k in config if k.startswith("unused")]
        assert guest.attributes["memory"] == wanted[key].memory
        sizes = {p: v for p, v in guest.attributes.items() if p.startswith("disks[") and p.endswith("].size")}
        assert sizes == {f"disks[{i}].size": d.size for i, d in enumerate(wanted[key].disks)}
        if wanted[key].networks[0].address == ADDRESS:
            booted_with(site, lease.vmid, ADDRESS.partition("/")[0])
    assert site.plan(spec, "farm")[1].changes == ()


def booted_with(site: Site, vmid: int, address: str) -> None:
    """Wait until the guest, which may boot just now, says that it has this address."""
    deadline = time.monotonic() + BOOT_SECONDS
    while (found := site.cluster.addresses("vm", vmid)) != (address,):
        assert not found, f"it was not rebooted: it still has {found}"
        assert time.monotonic() < deadline, "it does not say"
        time.sleep(0.1)
