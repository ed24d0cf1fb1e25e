"""Deleting a guest: only one that is proven ours, read again right before; safe to be called again."""

from __future__ import annotations

from atlas.errors import ApiRefused, EngineError, TaskFailed
from atlas.ownership import Owner, owner
from atlas.proxmox import guests
from atlas.proxmox.facts import PveCluster
from atlas.proxmox.guests import At
from atlas.proxmox.hands import Hands, Watch
from atlas.proxmox.making import stale
from atlas.proxmox.refusals import said
from atlas.state import Lease, Observed


def remove(hands: Hands, cluster: PveCluster, lease: Lease, installation: str) -> None:
    """Stop and delete a guest, if it is there and ours; another one under its VMID is left alone.

    Args:
        hands: What carries out the calls.
        cluster: Where it is looked up.
        lease: Its identity as it was recorded.
        installation: The id of this installation.

    Raises:
        EngineError: Whose it is, is not certain; or it is still there afterwards.
        ProxmoxError: PVE refused, or a task failed.
    """
    observed = _mine(cluster, lease, installation)
    if observed is None:
        return
    if observed.running:
        at = At(observed.node, observed.kind, observed.vmid)
        try:
            hands.task("stop", Watch.of(at, "stop"), lambda: guests.power(hands.client, at, "stop"))
        except (ApiRefused, TaskFailed) as problem:
            if not said(problem).rstrip().endswith("not running"):
                raise
        observed = _mine(cluster, lease, installation)
        if observed is None:
            return
    at = At(observed.node, observed.kind, observed.vmid)
    call = Watch.of(at, "destroy")
    hands.task("delete", call, lambda: guests.delete(hands.client, at), uuid=observed.uuid)
    if _mine(cluster, lease, installation) is not None:
        raise EngineError(
            f"{lease.key} ({lease.vmid}) was deleted, but is still there", "look into the node's task log"
        )


def _mine(cluster: PveCluster, lease: Lease, installation: str) -> Observed | None:
    observed = cluster.guest(lease.vmid)
    whose = owner(lease, observed, installation)
    if observed is None or whose in (Owner.NOBODY, Owner.OTHER):
        return None
    if whose is Owner.UNSTAMPED:
        raise EngineError(
            f"{lease.key} ({lease.vmid}) has lost its stamp, so it is not deleted",
            "put the line back into its notes, then resume",
        )
    if observed.lock is not None:
        raise stale(observed)
    return observed
