"""Terraform's state of a stack, read and mended: which guests it knows, and those that a killed run left it wrong on.

Source: the local backend's state file, format version 4.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlas import privatefile
from atlas.errors import TerraformError
from atlas.state import Attributes, Kind
from atlas.terraform.table import KINDS

NAME = "terraform.tfstate"
PARTS = {"efi_disk": "efi", "tpm_state": "tpm"}
"""What the provider never drops from its state by reading, and the attribute that says whether it is there."""

KEPT = 10
"""Backups that are kept of a stack's state."""


@dataclass(frozen=True, slots=True)
class Known:
    """A guest that the state holds.

    Args:
        key: Its key.
        kind: Its kind.
        vmid: Its VMID.
        node: Where it was when Terraform last looked.
        tainted: Whether Terraform would make it anew.
        cloned: Whether the state says from what it was cloned.
        disks: Its disks' interfaces.
        parts: Of `efi_disk` and `tpm_state` those that it has.
    """

    key: str
    kind: Kind
    vmid: int
    node: str
    tainted: bool
    cloned: bool
    disks: frozenset[str]
    parts: frozenset[str]


def known(folder: Path) -> tuple[Known, ...]:
    """Return the guests that the state in a folder holds; none where there is no state yet."""
    return tuple(_known(kind, i) for kind, i in _guests(_load(folder)))


def _known(kind: Kind, i: Mapping[str, Any]) -> Known:
    values = i["attributes"]
    disks = frozenset(str(d["interface"]) for d in values.get("disk") or () if kind == "vm")
    return Known(
        str(i["index_key"]),
        kind,
        int(values["id"]),
        str(values.get("node_name")),
        tainted=i.get("status") == "tainted",
        cloned=bool(values.get("clone")),
        disks=disks,
        parts=frozenset(name for name in PARTS if values.get(name)),
    )


Mend = Callable[[Kind, dict[str, Any]], bool]
"""Mends an instance in place; when it returns False, the state forgets the guest."""


def mend(folder: Path, wrong: Mapping[str, Sequence[Mend]]) -> None:
    """Change or drop guests in the state.

    Args:
        folder: Where the state lies.
        wrong: What mends each instance, by key.
    """
    if not any(wrong.values()):
        return
    data = _load(folder)
    for resource in data.get("resources", ()):
        kind = KINDS.get(resource["type"])
        resource["instances"] = [
            i
            for i in resource["instances"]
            if kind is None or all(mends(kind, i) for mends in wrong.get(i.get("index_key"), ()))
        ]
    data["resources"] = [r for r in data.get("resources", ()) if r["instances"]]
    data["serial"] = int(data["serial"]) + 1
    back_up(folder)
    privatefile.write(folder / NAME, json.dumps(data, indent=2))


def untaint(_: Kind, instance: dict[str, Any]) -> bool:
    """Take the mark off an instance that would have it made anew: it is there and ours, so it is finished instead."""
    instance.pop("status", None)
    return True


def forget(_: Kind, __: dict[str, Any]) -> bool:
    """Let the state forget a guest, which is somebody else's by now."""
    return False


def renamed(key: str) -> Mend:
    """Return what gives an instance another key: the guest was renamed by the other engine."""

    def mends(_: Kind, instance: dict[str, Any]) -> bool:
        instance["index_key"] = key
        return True

    return mends


def moved(node: str) -> Mend:
    """Return what tells the state where a guest is: the provider looks for a container on the node it knows alone."""

    def mends(_: Kind, instance: dict[str, Any]) -> bool:
        instance["attributes"]["node_name"] = node
        return True

    return mends


def without(names: Iterable[str]) -> Mend:
    """Return what takes parts out of the state that a guest has no more."""

    def mends(_: Kind, instance: dict[str, Any]) -> bool:
        instance["attributes"] |= {name: [] for name in names}
        return True

    return mends


def imported(observed: Attributes) -> Mend:
    """Return what makes an imported instance look like one that Terraform made itself.

    An import leaves out what is as the provider has it by default; it would be planned as an addition, and some of
    those reboot the guest.

    Args:
        observed: What the guest shows.
    """

    def mends(kind: Kind, instance: dict[str, Any]) -> bool:
        values = instance["attributes"]
        if kind == "container":
            values |= {"vm_id": int(values["id"]), **_TIMES}
            values["memory"] = values.get("memory") or [{"dedicated": 512, "swap": 0}]
            values["cpu"] = values.get("cpu") or [{"architecture": "amd64", "cores": 1, "limit": 0, "units": 0}]
            return True
        values |= {"delete_unreferenced_disks_on_destroy": False, "purge_on_destroy": True, "reboot_after_update": True}
        for agent in values.get("agent") or ():
            agent["wait_for_ip"] = [{"disabled": True, "ipv4": False, "ipv6": False}]
        values["memory"] = values.get("memory") or [_MEMORY]
        values["cpu"] = values.get("cpu") or [_CPU]
        if observed.get("tpm") and not values.get("tpm_state"):
            values["tpm_state"] = [{"datastore_id": observed.get("tpm.storage"), "version": "v2.0"}]
        return True

    return mends


def whole(kind: Kind, instance: dict[str, Any]) -> bool:
    """Let the provider read all of a VM: of what it cloned, and of disks, it reads only what the state had before."""
    if kind == "vm":
        instance["attributes"] |= {"clone": [], "disk": []}
    return True


_TIMES = {
    "timeout_clone": 1800,
    "timeout_create": 1800,
    "timeout_delete": 60,
    "timeout_start": 300,
    "timeout_update": 1800,
}
"""The provider's defaults; an import leaves them out, and a delete would then have no time at all."""

_MEMORY = {"dedicated": 512, "floating": 0, "hugepages": "", "keep_hugepages": False, "shared": 0}
_CPU = {
    "affinity": "", "architecture": "", "cores": 1, "flags": [], "hotplugged": 0, "limit": 0, "numa": False,
    "sockets": 1, "type": "qemu64", "units": 0,
}  # fmt: skip


def back_up(folder: Path) -> None:
    """Keep a copy of the state before something may change it."""
    path, backups = folder / NAME, folder / "backups"
    if not path.exists():
        return
    backups.mkdir(exist_ok=True, mode=0o700)
    copy = backups / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{time.time_ns() % 10**9:09}.tfstate"
    shutil.copyfile(path, copy)
    copy.chmod(0o600)
    for old in sorted(backups.glob("*.tfstate"))[:-KEPT]:
        old.unlink(missing_ok=True)


def _load(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    if not path.exists() or not path.stat().st_size:
        return {}
    try:
        data: dict[str, Any] = json.loads(path.read_text())
    except ValueError as problem:
        raise TerraformError(
            f"Terraform's state {path} cannot be read: {problem}", f"put a copy from {folder / 'backups'} in its place"
        ) from problem
    if data.get("version") != 4:
        raise TerraformError(f"Terraform's state {path} has format {data.get('version')}, not 4")
    return data


def _guests(data: Mapping[str, Any]) -> Iterator[tuple[Kind, dict[str, Any]]]:
    for resource in data.get("resources", ()):
        if (kind := KINDS.get(resource["type"])) and resource["mode"] == "managed":
            yield from ((kind, i) for i in resource["instances"] if "index_key" in i)
