"""The adapters that a run works with, as one value that the composition root makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from atlas.ports.cluster import Cluster, Engine
from atlas.ports.guests import Configurator, Reach
from atlas.ports.store import Store
from atlas.settings import EngineChoice, Profile


@dataclass(frozen=True, slots=True)
class Site:
    """One cluster with everything that is needed to work on it.

    Args:
        profile: The cluster's profile.
        home: ATLAS's own folder.
        cluster: Reads the cluster.
        store: Keeps everything.
        configurator: Ansible.
        reach: The way to the guests.
        identity: ATLAS's private key; the public one lies beside it.
        engine: Chooses an engine; also says why.
    """

    profile: Profile
    home: Path
    cluster: Cluster
    store: Store
    configurator: Configurator
    reach: Reach
    identity: Path
    engine: Callable[[EngineChoice], tuple[Engine, str]]

    @property
    def ssh_key(self) -> str:
        """ATLAS's public key."""
        return self.identity.with_suffix(".pub").read_text().strip()

    def folder(self, stack: str) -> Path:
        """Return the stack's folder; it exists, and only its owner may enter."""
        path = self.home / "stacks" / self.profile.name / stack
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path
