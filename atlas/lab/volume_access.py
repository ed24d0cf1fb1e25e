"""Who may use which volume and bridge for a guest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atlas.lab.call import Call
from atlas.lab.guest_config import split_list
from atlas.lab.guests import refuse
from atlas.lab.volume_ids import parse, split_volid

ONLY_ROOT_PATHS = "Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 563."


def check_access(call: Call, vmid: int, volid: str, content: str | None = None) -> None:
    """Refuse a volume that the caller may not use for a guest.

    Args:
        call: the call.
        vmid: the guest it would be used for.
        volid: the volume, or a path, which only root@pam may give.
        content: the kind of content that it must have.

    Raises:
        PVEError: 403 or 500 as PVE says it.
    """
    parts = split_volid(volid)
    if parts is None:
        if not call.is_root:
            raise refuse(ONLY_ROOT_PATHS)
        return
    storage, name = parse(call.lab, volid)
    if content and name.vtype != content and not (content == "rootdir" and name.vtype == "images"):
        raise refuse(f"unable to use volume {volid} - content type needs to be '{content}'")
    where = f"/storage/{storage.id}"
    if call.may(where, "Datastore.Allocate"):
        return
    if name.vtype in {"iso", "vztmpl", "import"}:
        call.need(where, "Datastore.AllocateSpace", "Datastore.Audit", any=True)
    elif name.vmid == vmid:
        return
    elif name.vtype == "backup" and name.vmid:
        call.need(where, "Datastore.AllocateSpace")
        call.need(f"/vms/{name.vmid}", "VM.Backup")
    elif name.vmid:
        call.need(where, "Datastore.Audit")
        call.need(f"/vms/{name.vmid}", "VM.Config.Disk")
    else:
        raise refuse(f"missing privileges to access {volid}")


def check_bridge(call: Call, net: Mapping[str, Any]) -> None:
    """Refuse a bridge (with its VLAN) that the caller may not put a guest on."""
    bridge = net.get("bridge")
    if call.is_root or not bridge:
        return
    vnet = call.lab.section("sdn/vnets").get(str(bridge))
    path = f"/sdn/zones/{vnet.data.get('zone') if vnet else 'localnetwork'}/{bridge}"
    if not net.get("tag") and not net.get("trunks"):
        call.need(path, "SDN.Use")
        return
    if net.get("tag"):
        call.need(f"{path}/{net['tag']}", "SDN.Use")
    for part in split_list(net.get("trunks")):
        first, _, last = part.partition("-")
        for tag in range(int(first), int(last or first) + 1):
            call.need(f"{path}/{tag}", "SDN.Use")
