"""The adapters that a run works with, as one value that the composition root makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from atlas.ports import Cluster, Configurator, Engine, Reach, Store, Work
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
        ssh_key: ATLAS's public key.
        engine: Chooses an engine; also says why.
        playbook: Generates the Ansible part of a bundle.
        write: Persists a bundle below a folder, exactly these files.
    """

    profile: Profile
    home: Path
    cluster: Cluster
    store: Store
    configurator: Configurator
    reach: Reach
    ssh_key: str
    engine: Callable[[EngineChoice], tuple[Engine, str]]
    playbook: Callable[[Work], Mapping[str, str]]
    write: Callable[[Path, Mapping[str, str]], None]

    def folder(self, stack: str) -> Path:
        """Return the stack's folder; it exists, and only its owner may enter."""
        path = self.home / "stacks" / self.profile.name / stack
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path
