"""A token with chosen privileges, and a stack whose life needs every privilege that ATLAS asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atlas.events import Emitter
from atlas.proxmox import tasks
from atlas.proxmox.client import Client

BARE = 9900
SHARED = {"storage": "shared-nfs"}

Needs = Mapping[str, frozenset[str]]
"""Privileges by path."""


def token(root: Client, user: str, needs: Needs) -> str:
    """Make a user whose token has these privileges and no more."""
    root.post("access", "users", userid=f"{user}@pve")
    for number, (path, privileges) in enumerate(needs.items()):
        role = f"{user}{number}"
        root.post("access", "roles", roleid=role, privs=",".join(sorted(privileges)))
        root.put("access", "acl", path=path, users=f"{user}@pve", roles=role)
    made = root.post("access", "users", f"{user}@pve", "token", "tested", privsep=0)
    return f"{made['full-tokenid']}={made['value']}"


def bare(root: Client) -> None:
    """Make a template that has no cloud-init drive, as people's own have."""
    tasks.wait(root, root.post("nodes", "pve1", "qemu", 9000, "clone", newid=BARE, full=1), Emitter())
    root.put("nodes", "pve1", "qemu", BARE, "config", delete="ide2")
    tasks.wait(root, root.post("nodes", "pve1", "qemu", BARE, "template"), Emitter())


def first(pool: str) -> dict[str, Any]:
    """Return a VM in a pool, a container, and a VM from the bare template, as a spec."""
    common = {"node": "pve1", "disks": [{"size": "4GiB", **SHARED}]}
    common["networks"] = [{"bridge": "vmbr0", "address": "auto"}]
    vm = {**common, "machine": "q35", "memory": "1GiB"}
    guests = [
        {**vm, "name": "vm", "image": "debian-12", "pool": pool},
        {**common, "name": "ct", "kind": "container", "image": "debian-12", "memory": "512MiB"},
        {**vm, "name": "bare", "template": BARE},
    ]
    return {"metadata": {"name": "least"}, "guests": guests}


def second(pool: str) -> dict[str, Any]:
    """Return the stack after it was changed, moved, grown, and put into a pool."""
    spec = first(pool)
    spec["guests"][0] |= {
        "node": "pve2",
        "memory": "2GiB",
        "cpu": {"cores": 4},
        "tags": ["a"],
        "user": {"name": "admin"},
        "disks": [{"size": "5GiB", **SHARED}, {"size": "1GiB", **SHARED}],
    }
    spec["guests"][1] |= {"memory": "768MiB"}
    spec["guests"][2] |= {"pool": pool}
    return spec
