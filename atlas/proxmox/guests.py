"""Each operation on a guest as one call; what makes a task returns its UPID."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atlas.proxmox.client import Client
from atlas.proxmox.devices import gib
from atlas.proxmox.facts import place
from atlas.state import Kind


@dataclass(frozen=True, slots=True)
class At:
    """Where a guest is just now."""

    node: str
    kind: Kind
    vmid: int

    @property
    def path(self) -> tuple[object, ...]:
        """The guest's path in the API."""
        return place(self.node, self.kind, self.vmid)

    def type(self, action: str) -> str:
        """Return PVE's type of the task of an action, such as `qmstart` or `vzstart`."""
        vm = self.kind == "vm"
        odd = {
            "resize": "resize",
            "move": "qmmove" if vm else "move_volume",
            "migrate": "qmigrate" if vm else "vzmigrate",
        }
        return odd.get(action) or f"{'qm' if vm else 'vz'}{action}"


def clone(
    client: Client,
    source: At,
    newid: int,
    *,
    name: str,
    description: str,
    full: bool,
    storage: str | None = None,
    pool: str | None = None,
    target: str | None = None,
) -> str:
    """Clone a template; its task is that of the source.

    Args:
        client: The API.
        source: The template.
        newid: The new VMID.
        name: The new guest's name.
        description: Its notes, which hold stamp and marker.
        full: Whether to copy the disks rather than to lay linked ones over them.
        storage: Where a full clone's disks go.
        pool: The pool that it becomes a member of.
        target: Another node, for templates on shared storage.
    """
    params = {"name": name, "description": description, "storage": storage if full else None}
    upid = client.post(*source.path, "clone", newid=newid, full=int(full), pool=pool, target=target, **params)
    return str(upid)


def create_container(client: Client, node: str, vmid: int, params: Mapping[str, Any]) -> str:
    """Make a container from an archive; keys and password can be given only here."""
    return str(client.post("nodes", node, "lxc", vmid=vmid, **params))


def configure(client: Client, at: At, put: Mapping[str, Any], delete: Sequence[str], digest: str | None) -> str | None:
    """Set and delete options. Volumes that are made in passing take time, so a VM's then go through a task."""
    params = {**put, "digest": digest, "delete": ",".join(dict.fromkeys(delete)) or None}
    if at.kind == "vm" and allocates(put):
        upid = client.post(*at.path, "config", **params)
        return str(upid) if upid else None
    client.put(*at.path, "config", **params)
    return None


def allocates(put: Mapping[str, Any]) -> bool:
    """Tell whether options make new volumes: `storage:SIZE` or `storage:cloudinit`."""
    heads = (str(v).partition(",")[0].partition(":")[2] for v in put.values())
    return any(h == "cloudinit" or h.replace(".", "").isdigit() for h in heads)


def resize(client: Client, at: At, slot: str, size: int) -> str | None:
    """Grow a disk to `size` MiB, absolute, so that it may be repeated."""
    text = f"{gib(size)}G" if size % 1024 == 0 else f"{size}M"
    return _upid(client.put(*at.path, "resize", disk=slot, size=text))


def move(client: Client, at: At, slot: str, storage: str) -> str | None:
    """Move a disk to another storage; what it leaves behind there is freed."""
    if at.kind == "container":
        return _upid(client.post(*at.path, "move_volume", volume=slot, storage=storage, delete=1))
    return _upid(client.post(*at.path, "move_disk", disk=slot, storage=storage, delete=1))


def migrate(client: Client, at: At, target: str, *, running: bool, storage: str | None = None) -> str | None:
    """Take a guest to another node with its local disks: a running VM lives on, a container is restarted there."""
    if at.kind == "container":
        return _upid(
            client.post(*at.path, "migrate", target=target, restart=int(running), **{"target-storage": storage})
        )
    options = {"with-local-disks": 1, "targetstorage": storage}
    return _upid(client.post(*at.path, "migrate", target=target, online=int(running), **options))


def power(client: Client, at: At, action: str, **options: Any) -> str | None:
    """Start, stop, shut down or reboot a guest; a reboot through PVE applies what is pending."""
    return _upid(client.post(*at.path, "status", action, **options))


def delete(client: Client, at: At) -> str | None:
    """Delete a guest with the disks that its configuration names, and only those."""
    return _upid(client.delete(*at.path, purge=1, **{"destroy-unreferenced-disks": 0}))


def join_pool(client: Client, pool: str, vmid: int) -> None:
    """Make a guest a member of a pool, leaving the one that it is in."""
    client.put("pools", poolid=pool, vms=vmid, **{"allow-move": 1})


def leave_pool(client: Client, pool: str, vmid: int) -> None:
    """Take a guest out of a pool."""
    client.put("pools", poolid=pool, vms=vmid, delete=1)


def _upid(answer: object) -> str | None:
    return str(answer) if answer else None
