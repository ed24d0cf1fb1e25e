"""Reads whose answer is the same in every lab: shaped by their schema, or of a fixed content."""

from __future__ import annotations

from typing import Any

from atlas.lab.call import Call, PVEError, shaped
from atlas.lab.cluster import VERSION, clustered
from atlas.lab.formats import split_list
from atlas.lab.nodes import FINGERPRINT
from atlas.lab.shapes import shape

# No node has devices to find, no second factor is known, no protocol of routing runs.
for _template in (
    *("/access/tfa", "/access/tfa/{userid}", "/access/users/{userid}/tfa", "/cluster/config/qdevice"),
    "/cluster/metrics/export",
    *("/nodes/{node}/hardware/pci/{pci-id-or-mapping}/mdev", "/nodes/{node}/scan/cifs", "/nodes/{node}/scan/iscsi"),
    *("/nodes/{node}/scan/nfs", "/nodes/{node}/scan/pbs"),
    *("/nodes/{node}/sdn/fabrics/{fabric}/neighbors", "/nodes/{node}/sdn/fabrics/{fabric}/routes"),
    *("/nodes/{node}/sdn/vnets/{vnet}/mac-vrf", "/nodes/{node}/sdn/zones/{zone}/ip-vrf"),
    "/nodes/{node}/storage/{storage}/identity",
):
    shape(_template)

_FLAGS = {
    "nested-virt": "Controls nested virtualization, namely 'svm' for AMD CPUs and 'vmx' for Intel CPUs.",
    "md-clear": "Required to let the guest OS know if MDS is mitigated correctly.",
    "pcid": "Meltdown fix cost reduction on Westmere, Sandy-, and IvyBridge Intel CPUs.",
    "spec-ctrl": "Allows improved Spectre mitigation with Intel CPUs.",
    "ssbd": 'Protection for "Speculative Store Bypass" for Intel models.',
    "aes": "Activate AES instruction set for HW acceleration.",
    "pdpe1gb": "Allow guest OS to use 1GB size pages, if host HW supports it.",
}


def _flags(call: Call) -> list[dict[str, Any]]:
    return [{"name": n, "description": d, "supported-on": list(call.lab.nodes)} for n, d in _FLAGS.items()]


shaped("GET", "/cluster/qemu/cpu-flags")(_flags)
shaped("GET", "/nodes/{node}/capabilities/qemu/cpu-flags")(_flags)


# id -> class, vendor, device, what they are called
_PCI = {
    "0000:00:00.0": ("0x060000", "0x8086", "0x0c00", "Intel Corporation", "Host bridge"),
    "0000:00:02.0": ("0x030000", "0x8086", "0x0402", "Intel Corporation", "Graphics controller"),
    "0000:00:1f.2": ("0x010601", "0x8086", "0x8c02", "Intel Corporation", "SATA controller"),
    "0000:01:00.0": ("0x020000", "0x8086", "0x1533", "Intel Corporation", "Network connection"),
    "0000:02:00.0": ("0x030000", "0x10de", "0x1eb8", "NVIDIA Corporation", "Accelerator"),
}


@shaped("GET", "/nodes/{node}/hardware/pci")
def pci_devices(call: Call) -> list[dict[str, Any]]:
    """List a node's PCI devices, by default without memory, bridges and processors."""
    hidden = tuple(f"0x{kind}" for kind in split_list(call.params.get("pci-class-blacklist", "05;06;0b")))
    rows = []
    for group, (place, (kind, vendor, device, maker, name)) in enumerate(_PCI.items()):
        row = {"id": place, "class": kind, "vendor": vendor, "device": device, "iommugroup": group}
        names = {"vendor_name": maker, "device_name": name} if call.params.get("verbose", 1) else {}
        if not kind.startswith(hidden):
            rows.append({**row, **names})
    return rows


@shaped("GET", "/nodes/{node}/capabilities/qemu/migration")
def migration(_: Call) -> dict[str, Any]:
    """Say what migrations between nodes can carry along."""
    return {"has-dbus-vmstate": 0}


@shaped("GET", "/cluster/config/apiversion")
def join_version(_: Call) -> str:
    """Return the version of the calls that join nodes."""
    return "1"


@shaped("GET", "/cluster/config/totem")
def totem(call: Call) -> dict[str, Any] | None:
    """Return the settings of the cluster's protocol; a node of its own has none."""
    if not clustered(call.lab):
        return None
    name = "atlas-lab"
    links = {"0": {"linknumber": "0"}}
    shown = {"cluster_name": name, "config_version": str(len(call.lab.nodes)), "interface": links}
    return {**shown, "ip_version": "ipv4-6", "link_mode": "passive", "secauth": "on", "version": "2"}


@shaped("GET", "/cluster/config/join")
def join_info(call: Call) -> dict[str, Any]:
    """Return what a node would need to join."""
    if not clustered(call.lab):
        raise PVEError(424, "node is not in a cluster, no join info available!")

    nodes = [
        {
            "name": name,
            "nodeid": node.number,
            "pve_addr": node.network.get("vmbr0", {}).get("address", "127.0.0.1"),
            "pve_fp": FINGERPRINT,
            "quorum_votes": 1,
        }
        for name, node in call.lab.nodes.items()
    ]
    return {"config_digest": "0" * 40, "nodelist": nodes, "preferred_node": call.lab.local_node, "totem": totem(call)}


@shaped("GET", "/nodes/{node}/report")
def report(call: Call) -> str:
    """Return the text that support would ask for."""
    return f"==== general system info ====\n\n# hostname\n{call.params['node']}\n\npve-manager/{VERSION['version']}\n"
