"""Backups are not modelled: `vzdump` checks what it would need, then says so."""

from __future__ import annotations

from atlas.lab.call import Call, PVEError, api
from atlas.lab.guest_config import split_list


@api("POST", "/nodes/{node}/vzdump")
def vzdump(call: Call) -> object:
    """Refuse to back guests up, in PVE's words where the caller may not, else in the lab's."""
    storage_id = str(call.params.get("storage") or "local")
    if not call.params.get("dumpdir"):
        call.lab.storage(storage_id, str(call.params["node"]))
        call.need(f"/storage/{storage_id}", "Datastore.AllocateSpace")
    for vmid in split_list(call.params.get("vmid")):
        call.need(f"/vms/{vmid}", "VM.Backup")
    raise PVEError(501, "backups are not modelled by this lab")
