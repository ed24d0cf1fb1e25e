"""Indexes that list something else than the paths below them."""

from __future__ import annotations

from collections.abc import Callable

from atlas.lab.call import Call, shaped

# template -> the key of each entry, and the entries. Source: what a genuine server answers.
_INDEXES: dict[str, tuple[str, str]] = {
    "/": ("subdir", "access cluster nodes pools storage version"),
    "/access": ("subdir", "acl domains groups openid password roles tfa ticket users"),
    "/cluster": (
        "name",
        (
            "acme backup backup-info bulk-action ceph config firewall ha jobs log mapping metrics nextid notifications "
            "options qemu replication resources sdn status tasks"
        ),
    ),
    "/cluster/ha": ("id", "groups resources rules status"),
    "/cluster/firewall": ("name", "aliases groups ipset macros options refs rules"),
    "/cluster/sdn": ("id", "controllers dns fabrics ipams vnets zones"),
    "/cluster/metrics": ("name", "server"),
    "/cluster/mapping": ("name", "dir pci usb"),
    "/nodes/{node}/qemu/{vmid}": (
        "subdir",
        (
            "agent cloudinit config firewall migrate monitor move mtunnel pending remote_migrate resize rrd rrddata "
            "sendkey snapshot spiceproxy status termproxy unlink vncproxy"
        ),
    ),
    "/nodes/{node}/scan": ("method", "cifs iscsi lvm nfs pbs zfs"),
    "/nodes/{node}/firewall": ("name", "log options rules"),
    "/nodes/{node}/qemu/{vmid}/firewall": ("name", "aliases ipset options refs rules"),
    "/nodes/{node}/lxc/{vmid}/firewall": ("name", "aliases ipset options refs rules"),
}


def _index(key: str, names: str) -> Callable[[Call], object]:
    return lambda _: [{key: name} for name in names.split()]


for _template, (_key, _names) in _INDEXES.items():
    shaped("GET", _template)(_index(_key, _names))
