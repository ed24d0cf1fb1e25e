"""Guests as ssh and the checks see them: address, user, and the alias of the host key."""

from __future__ import annotations

import time
from pathlib import Path

from atlas.errors import AnsibleError
from atlas.generators.ansible import alias, user
from atlas.instances import Instance
from atlas.ports.cluster import Work
from atlas.ports.guests import Target
from atlas.runs.site import Site
from atlas.spec import interface


def known_hosts(work: Work) -> Path:
    """Return the stack's file of known host keys."""
    return work.folder / "known_hosts"


def target(site: Site, work: Work, instance: Instance, patience: float, *, address: str | None = None) -> Target:
    """Return where a guest is reached; for one with dhcp the agent is asked until it answers.

    Raises:
        AnsibleError: It reported no address within `patience` seconds.
    """
    lease = work.leases[instance.key]
    found = address or next((str(a.ip) for text in lease.addresses if (a := interface(text)) is not None), None)
    end = time.monotonic() + patience
    while found is None:
        found = next(iter(site.cluster.addresses(lease.kind, lease.vmid)), None)
        if found is None and time.monotonic() > end:
            text = f"{instance.key} has reported no address for {patience:.0f} s"
            raise AnsibleError(text, "look at its console: is the agent installed, does DHCP answer?")
        if found is None:
            time.sleep(1.0)  # asked again until the deadline above
    return Target(instance.key, found, user(instance), alias(lease.vmid), lease.kind)
