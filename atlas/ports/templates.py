"""Making templates from cloud images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from atlas.events import Emitter
from atlas.templates import Order


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """A template that ATLAS makes or made, and what a probe proved of it.

    Args:
        marker: Stands in its notes beside the stamp, from before it was made.
        uuid: Its recorded identity; None until it was made.
        source: Where its image came from.
        file: What the image is called on the library while it is imported.
        checksum: Of the image, `sha512:…`.
        by: Who approved its making.
        proof: `{agent, cloud_init, evidence, ts}`; None until it was probed.
    """

    cluster: str
    image: str
    vmid: int
    node: str
    storage: str
    library: str
    marker: str
    source: str
    file: str
    checksum: str
    by: str
    ts: float
    uuid: str | None = None
    proof: Mapping[str, Any] | None = None


class Templates(Protocol):
    """Making templates from cloud images; every call may be made again."""

    def settle(self, record: TemplateRecord, emit: Emitter) -> bool:
        """Wait for tasks of ours that may still make this template; return whether there were any."""

    def fetch(self, order: Order, emit: Emitter) -> None:
        """Have the image on the order's library, its checksum verified by the node."""

    def create(self, order: Order, notes: str, emit: Emitter) -> bool:
        """Make the VM with the image as its disk; False where somebody has the VMID."""

    def convert(self, node: str, vmid: int, emit: Emitter) -> None:
        """Make the VM a template."""

    def discard(self, node: str, volid: str, emit: Emitter) -> str | None:
        """Delete an image that was imported; return why it could not be, or None."""

    def host_name(self, vmid: int) -> str | None:
        """Return what a running guest calls itself, None while its agent does not say."""
