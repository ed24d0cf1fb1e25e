"""Templates through the API alone: an image fetched or uploaded, imported as a VM's disk, converted."""

from __future__ import annotations

from typing import Any

from atlas.errors import ApiRefused, TaskFailed
from atlas.events import Emitter
from atlas.ports.templates import TemplateRecord
from atlas.proxmox import tasks
from atlas.proxmox.client import Client
from atlas.proxmox.facts import row_of
from atlas.proxmox.refusals import missing, taken
from atlas.templates import Order

_KINDS = ("qmcreate", "qmtemplate")


class PveTemplates:
    """Implements `ports.Templates`.

    Args:
        client: The API.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def settle(self, record: TemplateRecord, emit: Emitter) -> bool:
        """Wait for tasks of ours that may still make this template; return whether there were any."""
        found = [u for kind in _KINDS for u in tasks.find(self._client, record.node, kind, record.vmid, record.ts)]
        for upid in found:
            try:
                tasks.wait(self._client, upid, emit)
            except TaskFailed:
                continue  # what it left is judged by what is there
        return bool(found)

    def fetch(self, order: Order, emit: Emitter) -> None:
        """Have the image on the order's library, its checksum verified by the node.

        Raises:
            TaskFailed: The node cannot have it, or it is another file.
        """
        source = order.source
        where = ("nodes", order.node, "storage", order.library)
        params: dict[str, Any] = {
            "content": "import",
            "checksum": source.checksum,
            "checksum-algorithm": source.algorithm,
        }
        if source.url is not None:  # a file that is there already with this checksum is taken as it is
            upid = self._client.post(*where, "download-url", url=source.url, filename=order.file, **params)
            tasks.wait(self._client, str(upid), emit)
            return
        if source.path is None:
            raise ValueError("an image comes from a URL or a file")
        upid = self._client.upload(*where, "upload", file=source.path, name=order.file, **params)
        tasks.wait(self._client, str(upid), emit)

    def create(self, order: Order, notes: str, emit: Emitter) -> bool:
        """Make the VM with the image as its disk; False where somebody has the VMID."""
        tag = f",tag={order.vlan}" if order.vlan else ""
        params = {
            "name": order.image,
            "description": notes,
            "ostype": "l26",
            "cores": 2,
            "memory": 2048,
            "cpu": "x86-64-v2-AES",
            "scsihw": "virtio-scsi-single",
            "scsi0": f"{order.storage}:0,import-from={order.volid},discard=on",
            "ide2": f"{order.storage}:cloudinit",
            "boot": "order=scsi0",
            "net0": f"virtio,bridge={order.bridge}{tag}",
            "serial0": "socket",
            "vga": "serial0",
            "agent": "enabled=1",
            "ciupgrade": 0,
        }
        try:
            upid = self._client.post("nodes", order.node, "qemu", vmid=order.vmid, **params)
        except ApiRefused as refused:
            if taken(refused):
                return False
            raise
        tasks.wait(self._client, str(upid), emit)
        return True

    def convert(self, node: str, vmid: int, emit: Emitter) -> None:
        """Make the VM a template."""
        upid = self._client.post("nodes", node, "qemu", vmid, "template")
        if upid:
            tasks.wait(self._client, str(upid), emit)

    def discard(self, node: str, volid: str, emit: Emitter) -> str | None:
        """Delete an image that was imported; return why it could not be, or None."""
        storage = volid.partition(":")[0]
        try:
            upid = self._client.delete("nodes", node, "storage", storage, "content", volid)
            if upid:
                tasks.wait(self._client, str(upid), emit)
        except ApiRefused as refused:
            return None if missing(refused) else refused.reason
        except TaskFailed as failed:
            return failed.exitstatus
        return None

    def host_name(self, vmid: int) -> str | None:
        """Return what a running guest calls itself, None while its agent does not say.

        Raises:
            ApiRefused: The token may not ask, which waiting does not change.
        """
        row = row_of(self._client, vmid)
        if row is None:
            return None
        try:
            answer = self._client.get("nodes", row["node"], "qemu", vmid, "agent", "get-host-name")
        except ApiRefused as refused:
            if refused.status == 403:
                raise
            return None
        name = (answer or {}).get("result", {}).get("host-name")
        return str(name) if name else None
