"""What reaches into guests: Ansible, and the checks over ssh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from atlas.events import Emitter
from atlas.spec import Check


@dataclass(frozen=True, slots=True)
class Target:
    """A guest as ssh and the checks see it; `alias` is the host key's alias (by VMID)."""

    key: str
    address: str
    user: str
    alias: str
    kind: str = "vm"


@dataclass(frozen=True, slots=True)
class HostResult:
    """What became of one guest in a play; `failed` holds the failing task and its message."""

    key: str
    ok: int
    changed: int
    failed: str | None = None


class Configurator(Protocol):
    """Ansible, detached."""

    def versions(self) -> Mapping[str, str]:
        """Return Ansible's version; part of the plan's hash."""

    def configure(
        self, bundle: Path, keys: Sequence[str], run: Path, emit: Emitter, addresses: Mapping[str, str] | None = None
    ) -> Mapping[str, HostResult]:
        """Run the bundle's playbook on some guests; attach if this `run` folder has one that lives or has ended.

        `addresses` are those of guests by key that only the running guest knows (DHCP).
        """


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check and what proved it."""

    check: str
    ok: bool
    evidence: str


class Reach(Protocol):
    """The way to the guests: direct, by a jump, or none."""

    how: str

    def wait(self, target: Target, known_hosts: Path, seconds: float) -> None:
        """Wait until ssh lets us in, that long at most. Raises AnsibleError when it never does."""

    def check(self, target: Target, known_hosts: Path, check: Check, patience: float) -> CheckResult:
        """Carry out one check of the spec on a guest, again for so many seconds until it holds."""

    def forget(self, target: Target, known_hosts: Path) -> None:
        """Forget a guest's host key, because ATLAS itself has ordered that the guest makes a new one."""
