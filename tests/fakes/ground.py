"""The cluster under the tests: what there is, what it says of a guest, and what others do to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from fakes.where import CLUSTER, lacking, profile_of

from atlas.configs.catalogue import images
from atlas.errors import ApiRefused, TaskFailed
from atlas.events import Emitter
from atlas.proxmox import tasks
from atlas.proxmox.client import Client
from atlas.proxmox.facts import PveCluster
from atlas.proxmox.refusals import lock_timeout
from atlas.sources import find_archive, find_image
from atlas.state import Observed

BOOT_SECONDS = 300.0


class Ground:
    """A cluster without ATLAS's own records of it.

    Args:
        status: What `where.cluster` says: `url`, `token`, `ca_file`, and a site's own `profile`.
        vmids: The VMIDs to use in a lab; a site's profile says its own.
    """

    def __init__(self, status: Mapping[str, Any], vmids: tuple[int, int]) -> None:
        self.status = dict(status)
        self.profile = profile_of(status, vmids)
        self.vmids = self.profile.vmids
        self.client = Client(status["url"], status["token"], ca_file=Path(status["ca_file"]))
        self.cluster = PveCluster(CLUSTER, self.client)

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that are online."""
        return tuple(n.name for n in self.cluster.look().nodes.values() if n.online)

    @cached_property
    def template(self) -> Observed:
        """The template of most tests."""
        found = find_image(self.cluster.look(), images()["debian-12"], self.profile.images)
        return found if found is not None else lacking("template for debian-12")

    @cached_property
    def storages(self) -> tuple[str, ...]:
        """The storages for guests' disks beside the template; the template's own is the first."""
        rows = self.client.get("nodes", self.template.node, "storage", content="images", enabled=1)
        own = str(self.template.attributes["disks[0].storage"])
        return own, *sorted(r["storage"] for r in rows if r["active"] and r["storage"] != own)

    @property
    def other_storage(self) -> str:
        """A storage for guests' disks that is not the template's; the test is skipped where there is none."""
        return self.storages[1] if len(self.storages) > 1 else lacking("second storage for disks beside the template")

    def node(self, number: int) -> str:
        """Return the nth node, counted from 1; the test is skipped where there are not as many."""
        return self.nodes[number - 1] if number <= len(self.nodes) else lacking(f"{number} nodes")

    @cached_property
    def vlan(self) -> dict[str, int]:
        """A tag for a network, where the bridge can carry one: it knows VLANs, or leads out of its node."""
        bridge = self.client.get("nodes", self.nodes[0], "network", "vmbr0")
        return {"vlan": 7} if bridge.get("bridge_vlan_aware") or bridge.get("bridge_ports") else {}

    def at(self, vmid: int) -> tuple[Any, ...]:
        """Return a guest's place in the API, which names its node."""
        row = self.cluster.row(vmid)
        assert row is not None
        return "nodes", row["node"], row["type"], vmid

    def alter(self, vmid: int, **values: Any) -> None:
        """Set a guest's options as others do; PVE's own cleaning up after a stop may hold its lock for a while."""
        self.patiently(lambda: self.client.put(*self.at(vmid), "config", **values))

    def patiently(self, call: Callable[[], str | None]) -> None:
        """Make a call, and wait for its task, again where PVE gave up waiting for a guest's lock."""
        for tries_left in (5, 4, 3, 2, 1, 0):
            try:
                self.task(call())
            except (ApiRefused, TaskFailed) as problem:
                said = problem.exitstatus if isinstance(problem, TaskFailed) else problem.reason
                if not tries_left or not lock_timeout(said):
                    raise
            else:
                return

    def containers(self, *guests: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Return these containers of a spec, or none where the site has no archive to make them from."""
        archive = find_archive(self.cluster.look(), images()["debian-12"])
        return tuple({**g, "kind": "container"} for g in guests) if archive else ()

    def clone(self, newid: int, name: str, *, template: bool = False) -> None:
        """Clone the template as others do, not ATLAS; into another template, which is waited for until it shows."""
        node = self.template.node
        self.task(self.client.post("nodes", node, "qemu", self.template.vmid, "clone", newid=newid, name=name, full=0))
        if not template:
            return
        self.task(self.client.post("nodes", node, "qemu", newid, "template"))
        deadline = time.monotonic() + BOOT_SECONDS
        while (newid, name) not in {(t.vmid, t.name) for t in self.cluster.look().templates()}:
            assert time.monotonic() < deadline, f"{newid} does not show as a template"
            time.sleep(0.2)

    def config(self, vmid: int) -> dict[str, Any]:
        """Return a guest's running configuration as the API has it, `{}` where there is none."""
        if self.cluster.row(vmid) is None:
            return {}
        answer: dict[str, Any] = self.client.get(*self.at(vmid), "config", current=1)
        return answer

    def pending(self, vmid: int) -> dict[str, Any]:
        """Return what waits for a reboot."""
        rows = self.client.get(*self.at(vmid), "pending")
        return {r["key"]: r.get("pending", "deleted") for r in rows if "pending" in r or "delete" in r}

    def running(self, vmid: int) -> bool:
        """Tell whether a guest runs."""
        status = self.client.get(*self.at(vmid), "status", "current")
        return bool(status["status"] == "running")

    def all_booted(self) -> None:
        """Wait until every guest of ours that runs has booted."""
        for vmid in self.vmids_there():
            self.booted(vmid)

    def booted(self, vmid: int) -> None:
        """Wait until a running guest's agent answers: before that, nobody in it hears that it shall go down."""
        row = self.cluster.row(vmid)
        if row is None or row["type"] != "qemu" or not self.running(vmid):
            return
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            try:
                self.client.post("nodes", row["node"], "qemu", vmid, "agent", "ping")
            except ApiRefused:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def vmids_there(self) -> set[int]:
        """Return the VMIDs in the tests' range that are taken by guests, not by templates."""
        rows = self.client.get("cluster", "resources", type="vm")
        first, last = self.vmids
        return {int(r["vmid"]) for r in rows if not r.get("template") and first <= int(r["vmid"]) <= last}

    def volumes(self) -> set[str]:
        """Return the volumes for guests' disks on every node that sees them."""
        at = ((node, storage) for node in self.nodes for storage in self.storages)
        return {f"{n} {r['volid']}" for n, s in at for r in self.client.get("nodes", n, "storage", s, "content")}

    def sweep(self) -> None:
        """Delete every guest in the test's range."""
        for vmid in self.vmids_there():
            at = self.at(vmid)
            try:
                if self.config(vmid).get("protection"):
                    self.alter(vmid, protection=0)
                if self.running(vmid):
                    self.patiently(partial(self.client.post, *at, "status", "stop"))
                self.patiently(partial(self.client.delete, *at))
            except ApiRefused as refused:
                if "does not exist" not in refused.reason:
                    raise

    def task(self, upid: str | None) -> None:
        """Wait for a task."""
        if upid:
            tasks.wait(self.client, upid, Emitter())
