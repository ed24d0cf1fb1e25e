"""What Proxmox VE means by the words of its refusals."""

from __future__ import annotations

from atlas.errors import ApiRefused, TaskFailed


def missing(refused: ApiRefused) -> bool:
    """Tell whether PVE says that the guest is not there (or not on that node any more)."""
    words = ("does not exist", "no such", "unable to find configuration file")
    return refused.status in (404, 500) and any(w in refused.reason for w in words)


def lock_timeout(words: str) -> bool:
    """Tell whether PVE gave up waiting for one of its own short locks, so that the call can be made again.

    Source: pve-common Tools.pm lock_file_full, pve-cluster Cluster.pm cfs_lock.
    """
    return ("can't lock file" in words and "got timeout" in words) or "got lock request timeout" in words


def taken(refused: ApiRefused) -> bool:
    """Tell whether PVE refuses because a guest with this VMID exists."""
    return "already exists" in refused.reason or "already exists" in " ".join(refused.errors.values())


def changed_meanwhile(refused: ApiRefused) -> bool:
    """Tell whether the configuration was changed since its digest was read."""
    return "checksum mismatch" in refused.reason or "detected modified configuration" in refused.reason


def said(problem: ApiRefused | TaskFailed) -> str:
    """Return PVE's words, whether it refused the call or the task that it began has failed."""
    return problem.exitstatus if isinstance(problem, TaskFailed) else problem.reason
