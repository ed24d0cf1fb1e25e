"""From Terraform's events to ours: stages, what became of each guest, and the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from atlas.attributes import known, updated
from atlas.compare import Subject
from atlas.diagnostics import Diagnostic, Severity
from atlas.events import Emitter, EventType, Stage
from atlas.plan import Action, Change
from atlas.ports.cluster import Cluster, Entry, GuestReady, Journal
from atlas.state import Kind, Observed
from atlas.terraform import program
from atlas.terraform.detached import Detached, Fate
from atlas.terraform.table import KINDS

Reboot = Callable[[Kind, int], None]
"""Reboots a guest through PVE, so that what is pending is taken, and waits for it."""

_STAGES = {"create": Stage.CREATING, "update": Stage.UPDATING, "delete": Stage.DELETING}


@dataclass(slots=True)
class Follower:
    """Follows runs of one approved plan and records what they did.

    Args:
        changes: The approved changes by key.
        subjects: The guests by key.
        cluster: Reads identities.
        reboot: For what the provider leaves pending.
    """

    changes: Mapping[str, Change]
    subjects: Mapping[str, Subject]
    cluster: Cluster
    journal: Journal
    emit: Emitter
    ready: GuestReady
    reboot: Reboot | None = None
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    errors: list[Diagnostic] = field(default_factory=list)
    attempt: str = ""

    def follow(self, process: Detached) -> Fate:
        """Follow a Terraform from its first event to its end."""
        self.failed.clear()
        self.errors.clear()
        self.attempt = process.folder.name
        for event in process.events():
            self._event(event)
        fate = process.wait()
        if fate != 0:
            unplaced = [d for d in self.errors if not _key_of(d.where.path)]
            for key, why in self.failed.items():
                if not why:  # the provider did not say which guest its error is about
                    self.failed[key] = (
                        f"{unplaced[0].summary} {unplaced[0].detail}".strip() if unplaced else "it failed"
                    )
                self.emit(EventType.GUEST_STAGE, key, stage=Stage.FAILED, reason=self.failed[key])
        return fate

    def _event(self, event: Mapping[str, Any]) -> None:
        kind = event["type"]
        if kind == "diagnostic":
            found = program.diagnostic(event["diagnostic"])
            if found.severity is Severity.ERROR:
                self.errors.append(found)
                if key := _key_of(found.where.path):
                    self.failed[key] = f"{found.summary} {found.detail}".strip()
            return
        hook = event.get("hook") or {}
        resource = hook.get("resource") or {}
        if resource.get("resource_type") not in KINDS:
            return
        key, action = str(resource["resource_key"]), str(hook.get("action"))
        if kind == "apply_start":
            self._begin(key, action)
        elif kind == "apply_errored":
            self.failed.setdefault(key, "")
        elif kind == "apply_complete":
            self._complete(key, action)

    def _begin(self, key: str, action: str) -> None:
        if self._reboots(key) and self.changes[key].action is Action.UPDATE and not self._due(key):
            # Once cloud-init's data are set nothing on the cluster tells that a reboot is due, nor does the provider
            # know of it when the Terraform that set them is killed before that.
            self.journal.intend(key, "reboot-due", attempt=self.attempt)
        self.emit(EventType.GUEST_STAGE, key, stage=self._stage(key, action))

    def _reboots(self, key: str) -> bool:
        return key in self.changes and self.changes[key].reboots

    def _due(self, key: str) -> list[Entry]:
        if not self._reboots(key):
            return []
        return [e for e in self.journal.entries(key) if e.step == "reboot-due" and e.outcome is None]

    def _stage(self, key: str, action: str) -> Stage:
        replaced = key in self.changes and self.changes[key].action is Action.REPLACE
        return Stage.REPLACING if replaced else _STAGES.get(action, Stage.UPDATING)

    def _complete(self, key: str, action: str) -> None:
        if action != "delete":
            for entry in self._due(key):
                if entry.intent["attempt"] == self.attempt:  # the provider has seen to it
                    self.journal.settle(entry.id, done=True)
            self.record(key)
        elif key in self.changes and self.changes[key].action is Action.DELETE:
            self.gone(key)

    def gone(self, key: str) -> None:
        """Record that a guest is deleted."""
        self.journal.gone(key)
        self.done.add(key)
        self.emit(EventType.GUEST_STAGE, key, stage=Stage.DONE)

    def record(self, key: str) -> None:
        """Record that a guest is as wanted: its identity, what was applied; reboot it if the plan says so."""
        subject = self.subjects.get(key)
        if subject is None or key in self.done:
            return
        vmid = subject.lease.vmid
        guest = self.cluster.guest(vmid)
        if guest is None or guest.uuid is None:
            self.failed[key] = f"the guest {vmid} cannot be read"
            return
        self._reboot(key, guest)
        self.journal.made(key, uuid=str(guest.uuid), node=guest.node)
        change = self.changes.get(key)
        anew = change is not None and change.action in (Action.CREATE, Action.REPLACE)
        values = subject.wanted if anew else updated(subject.wanted, subject.applied, guest.kind)
        self.journal.applied(key, values, [p for p in subject.applied if p not in subject.wanted and known(p)])
        self.done.add(key)
        self.failed.pop(key, None)
        self.ready(key)

    def _reboot(self, key: str, guest: Observed) -> None:
        due = self._due(key)
        if self.reboot and self._reboots(key) and guest.running and (guest.pending or due):
            self.emit(EventType.GUEST_STAGE, key, stage=Stage.REBOOTING)
            self.reboot(guest.kind, guest.vmid)
        for entry in due:
            self.journal.settle(entry.id, done=True)


def _key_of(address: str) -> str | None:
    """Return the key in an address such as `proxmox_virtual_environment_vm.guests["web-1"]`."""
    type_, _, rest = address.partition(".")
    return rest.partition('["')[2].rpartition('"]')[0] or None if type_ in KINDS else None
