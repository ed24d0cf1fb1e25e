"""Quorum: a cluster that lost the majority of its nodes still answers, starts nothing and writes nothing down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas.lab.call import Call, PVEError

if TYPE_CHECKING:
    from atlas.lab.world import Lab

_KINDS = ("qemu", "lxc")
_ASKED = frozenset(
    (verb, f"/nodes/{{node}}/{kind}{path}")
    for kind in _KINDS
    for verb, path in (
        ("POST", ""),
        ("POST", "/{vmid}/status/start"),
        ("POST", "/{vmid}/clone"),
        ("GET", "/{vmid}/migrate"),
        ("POST", "/{vmid}/migrate"),
        ("POST", "/{vmid}/remote_migrate"),
    )
) | {("POST", "/nodes/{node}/migrateall")}
"""Calls that ask for the quorum by themselves (`check_cfs_quorum` in PVE's API2 modules)."""

_FILES = {
    "/access/": "file-user_cfg",
    "/pools": "file-user_cfg",
    "/storage": "file-storage_cfg",
    "/cluster/backup": "file-jobs_cfg",
    "/cluster/options": "file-datacenter_cfg",
    "/cluster/ha/": "domain-ha",
    "/cluster/replication": "file-replication_cfg",
}
"""Calls that lock a file of the cluster, by the beginning of their path; and the lock's name."""

_UNLOCKED = ("/access/ticket", "/access/vncticket")


def quorate(lab: Lab) -> bool:
    """Tell whether more than half of the nodes are there."""
    return 2 * sum(map(lab.online, lab.nodes)) > len(lab.nodes)


def check(call: Call) -> None:
    """Refuse what needs a majority of the nodes.

    Raises:
        PVEError: 500 in PVE's words.
    """
    verb, path = call.method, call.path
    if quorate(call.lab):
        return
    if (verb, path) in _ASKED:
        raise PVEError(500, "cluster not ready - no quorum?")
    if verb == "GET" or path in _UNLOCKED:
        return
    for prefix, lock in _FILES.items():
        if path.startswith(prefix):
            raise PVEError(500, f"cfs-lock '{lock}' error: no quorum!")
    if verb == "PUT" and path in {f"/nodes/{{node}}/{kind}/{{vmid}}/config" for kind in _KINDS}:
        folder = "qemu-server" if "/qemu/" in path else "lxc"
        file = (
            f"/etc/pve/nodes/{call.params['node']}/{folder}/{call.params['vmid']}.conf.tmp.{call.lab.tasks.new_pid()}"
        )
        raise PVEError(500, f"unable to open file '{file}' - Permission denied")
