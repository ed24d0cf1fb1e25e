"""The least rights that ATLAS needs on a cluster, as data, and the commands that give them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ROLE = "ATLAS"
USER = "atlas@pve"
TOKEN = "atlas"  # noqa: S105  the token's name

GUESTS = frozenset(
    {
        "VM.Allocate",
        "VM.Audit",
        "VM.Clone",
        "VM.Config.CDROM",
        "VM.Config.CPU",
        "VM.Config.Cloudinit",
        "VM.Config.Disk",
        "VM.Config.HWType",
        "VM.Config.Memory",
        "VM.Config.Network",
        "VM.Config.Options",
        "VM.GuestAgent.Audit",
        "VM.Migrate",
        "VM.PowerMgmt",
    }
)
"""What both engines do with guests. Source: the permissions of each call in PVE's API description."""

NEEDS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "api": {
        "/vms": GUESTS,
        "/storage": frozenset({"Datastore.AllocateSpace", "Datastore.Audit"}),
        "/": frozenset({"Sys.Audit"}),
        "/sdn/zones/localnetwork": frozenset({"SDN.Use"}),
        "/pool": frozenset({"Pool.Allocate", "Pool.Audit"}),
    },
    "terraform": {
        "/vms": GUESTS,
        "/storage": frozenset({"Datastore.AllocateSpace", "Datastore.Audit"}),
        "/": frozenset({"Sys.Audit"}),
        "/sdn/zones/localnetwork": frozenset({"SDN.Use"}),
        "/pool": frozenset({"Pool.Allocate", "Pool.Audit"}),
    },
}
"""Privileges by engine and path."""


def missing(held: Mapping[str, Iterable[str]], engine: str) -> dict[str, list[str]]:
    """Return what a token lacks for an engine, by path.

    Args:
        held: `GET access/permissions`: privileges by path; a path inherits from those above it.
        engine: `api` or `terraform`.
    """
    lacks = {}
    for path, needs in NEEDS[engine].items():
        left = sorted(needs - _effective(held, path))
        if left:
            lacks[path] = left
    return lacks


def _effective(held: Mapping[str, Iterable[str]], path: str) -> set[str]:
    # The answer names the paths that matter; one that is not named has what the nearest above it has.
    while path not in held and path != "/":
        path = path.rpartition("/")[0] or "/"
    return set(held.get(path, ()))


def commands(engine: str) -> list[str]:
    """Return the `pveum` commands, for root on a node, that make the role, the user and the token."""
    parts = NEEDS[engine]
    lines = [f"pveum user add {USER} --comment ATLAS"]
    for path, needs in parts.items():
        name = f"{ROLE}{path.split('/')[1].capitalize()}"
        lines.append(f'pveum role add {name} --privs "{",".join(sorted(needs))}"')
        lines.append(f"pveum acl modify {path} --users {USER} --roles {name}")
    lines.append(f"pveum user token add {USER} {TOKEN} --privsep 0")
    return lines
