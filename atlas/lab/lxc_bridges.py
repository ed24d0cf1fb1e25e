"""Whether the node has the bridges of a container that stands still, looked for whenever its settings are written."""

from __future__ import annotations

from atlas.lab.entities import Guest
from atlas.lab.guest_devices import parse_net
from atlas.lab.guests import refuse
from atlas.lab.sdn import configured
from atlas.lab.world import Lab

_MTU = 1500


def check_bridges(lab: Lab, guest: Guest) -> None:
    """Find every bridge of a container; what was changed stays changed where one is missing.

    Raises:
        PVEError: a bridge is not there, or lets only smaller packets through.
    """
    if guest.status == "running":
        return
    bridges = lab.nodes[guest.node].network
    for key in sorted(k for k in guest.config if k.startswith("net") and k[3:].isdigit()):
        net = parse_net(str(guest.config[key]))
        name = str(net.get("bridge", ""))
        if name in configured(lab, "vnets"):
            continue
        if name not in bridges:
            raise refuse(f"bridge '{name}' does not exist")
        most = int(bridges[name].get("mtu") or _MTU)
        if int(net.get("mtu") or most) > most:
            raise refuse(f"{key}: MTU size '{net['mtu']}' is bigger than bridge MTU '{most}'")
