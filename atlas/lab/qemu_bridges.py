"""Whether the node has the bridges that a VM's cards are plugged into, found out when the VM starts."""

from __future__ import annotations

from atlas.lab.entities import Guest
from atlas.lab.guest_config import truth
from atlas.lab.guest_devices import parse_net
from atlas.lab.guests import refuse
from atlas.lab.sdn import configured
from atlas.lab.tasks import Task
from atlas.lab.world import Lab


def check_plugs(lab: Lab, guest: Guest, task: Task) -> None:
    """Find every bridge of a VM that starts; a tag needs one that knows VLANs, or that leads out of the node.

    Raises:
        PVEError: a bridge is not there, or cannot carry the tag, which only the task's log tells.
    """
    bridges = lab.nodes[guest.node].network
    for key in sorted(k for k in guest.config if k.startswith("net") and k[3:].isdigit()):
        net = parse_net(str(guest.config[key]))
        name = net.get("bridge")
        if not name or name in configured(lab, "vnets"):
            continue
        bridge = bridges.get(name)
        if bridge is None:
            raise refuse(f"bridge '{name}' does not exist")
        plain = bridge.get("type") == "bridge" and not truth(bridge.get("bridge_vlan_aware"))
        if net.get("tag") and plain and not bridge.get("bridge_ports"):
            task.log(f"no physical interface on bridge '{name}'")
            raise refuse("start failed: QEMU exited with code 1")
