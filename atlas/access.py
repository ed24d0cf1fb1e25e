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


IMAGES: Mapping[str, frozenset[str]] = {
    "/storage": frozenset({"Datastore.AllocateTemplate"}),
    # Rights on a deeper path replace what is inherited, so that it has to be said again that nodes may be looked at.
    "/nodes": frozenset({"Sys.AccessNetwork", "Sys.Audit"}),
}
"""What `atlas images add` needs beside them: to upload an image, and to let a node fetch one."""


_BEFORE = {9: {"VM.GuestAgent.Audit": "VM.Monitor"}}
"""By the major version that brought it: a privilege, and which one gave the same before. Source: PVE 9.0's notes."""


def needs(engine: str, version: str = "") -> dict[str, frozenset[str]]:
    """Return the privileges that an engine needs, by path.

    Args:
        engine: `api` or `terraform`.
        version: Proxmox VE's, such as `8.4.1`; left out: the latest that is known.
    """
    major = version.partition(".")[0]
    older: dict[str, str] = {}
    for since, names in _BEFORE.items():
        older |= names if major.isdigit() and int(major) < since else {}
    return {path: frozenset(older.get(name, name) for name in names) for path, names in NEEDS[engine].items()}


def missing(held: Mapping[str, Iterable[str]], engine: str, version: str = "") -> dict[str, list[str]]:
    """Return what a token lacks for an engine, by path.

    Args:
        held: `GET access/permissions`: privileges by path; a path inherits from those above it.
        engine: `api` or `terraform`.
        version: Proxmox VE's.
    """
    lacks = {}
    for path, wanted in needs(engine, version).items():
        left = sorted(wanted - _effective(held, path))
        if left:
            lacks[path] = left
    return lacks


def _effective(held: Mapping[str, Iterable[str]], path: str) -> set[str]:
    # The answer names the paths that matter; one that is not named has what the nearest above it has.
    while path not in held and path != "/":
        path = path.rpartition("/")[0] or "/"
    return set(held.get(path, ()))


def commands(engine: str, version: str = "") -> list[str]:
    """Return the `pveum` commands, for root on a node of that version, that make the role, the user and the token."""
    given = [line for path, names in needs(engine, version).items() for line in _role(path, names)]
    token = f"pveum user token add {USER} {TOKEN} --privsep 0"
    return [f"pveum user add {USER} --comment ATLAS", *given, token]


def image_commands() -> list[str]:
    """Return the commands that let the same user make templates from cloud images."""
    return [line for path, names in IMAGES.items() for line in _role(path, names, "Images")]


def _role(path: str, names: Iterable[str], kind: str = "") -> list[str]:
    name = f"{ROLE}{kind}{path.split('/')[1].capitalize()}"
    return [
        f'pveum role add {name} --privs "{",".join(sorted(names))}"',
        f"pveum acl modify {path} --users {USER} --roles {name}",
    ]
