"""What the lab asks of whatever carries its guests: the Backend protocol and the description of one machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class BackendError(Exception):
    """The machine could not be made, started or changed; the text goes into the task's log as it is."""


class AgentSilent(BackendError):
    """The guest agent did not answer in time: not installed, not up yet, or the machine does not run."""


class AgentRefused(BackendError):
    """The guest agent answered with an error of its own."""


@dataclass(frozen=True)
class Disk:
    """One drive of a machine.

    Args:
        slot: PVE's key: `scsi0`, `virtio1`, `ide2`, `sata0`, `efidisk0`.
        path: the disk's name below the backend's folder, as given to `create_disk`.
        cdrom: a read-only drive holding an ISO image.
    """

    slot: str
    path: str
    cdrom: bool = False


@dataclass(frozen=True)
class Nic:
    """One network card: PVE's `netN`, on a bridge (the same network on every node) and perhaps a VLAN."""

    slot: str
    mac: str
    bridge: str
    vlan: int | None = None
    model: str = "virtio"
    link: bool = True


@dataclass(frozen=True)
class Machine:
    """All that a start needs, taken from the guest's configuration at that moment.

    Args:
        uuid: the SMBIOS uuid, as PVE's `smbios1` has it.
        cores: cores of each socket.
        memory: MiB.
        cloudinit: texts of the NoCloud seed by file name (`user-data`, `meta-data`, `network-config`,
            `vendor-data`), or None without a cloud-init drive.
        boot: slots in boot order; empty means the first disk.
        agent: whether the configuration enables the guest agent.
    """

    vmid: int
    name: str
    uuid: str
    cores: int = 1
    sockets: int = 1
    cpu: str = "x86-64-v2-AES"
    memory: int = 512
    disks: Sequence[Disk] = ()
    nics: Sequence[Nic] = ()
    cloudinit: Mapping[str, str] | None = None
    boot: Sequence[str] = ()
    agent: bool = True


class Backend(Protocol):
    """Carry machines and disks. Every method but `alive`, `console` and `jump` may take real time.

    Disks are named by relative paths (`shared-nfs/images/101/vm-101-disk-0.qcow2`) that the caller chooses;
    sizes are bytes. Methods raise BackendError.
    """

    on_exit: Callable[[int], None] | None
    """Called with the VMID when a machine ends by itself (shut down from inside, killed)."""

    async def open(self) -> None:
        """Adopt what still lives from before; call once, before anything else, within the lab's loop."""

    async def close(self, *, stop: bool) -> None:
        """Let go of everything; with `stop` end all machines and helpers, else leave them running."""

    async def start(self, machine: Machine, snapshot: str | None = None) -> None:
        """Power on; with `snapshot` go on from the memory saved under that name."""

    async def stop(self, vmid: int) -> None:
        """Power off at once; nothing happens if it does not run."""

    async def shutdown(self, vmid: int, timeout: float) -> bool:
        """Ask the guest to power off (agent, else ACPI); False if it still runs after `timeout` seconds."""

    async def reset(self, vmid: int) -> None:
        """Press the reset button."""

    async def suspend(self, vmid: int) -> None:
        """Pause the processors."""

    async def resume(self, vmid: int) -> None:
        """Go on after `suspend`."""

    def adopt(self, machine: Machine) -> bool:
        """Take up a machine that ran before the lab's restart; False if it is gone."""

    def alive(self, vmid: int) -> bool:
        """Tell whether the machine is powered on (also when suspended)."""

    async def agent(
        self,
        vmid: int,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        timeout: float = 5.0,
    ) -> Any:
        """Run one guest agent command (`guest-ping`, ...) and return what it returned.

        Raises:
            AgentSilent: no answer within `timeout` seconds.
            AgentRefused: the agent's own error.
        """

    async def create_disk(self, path: str, size: int, image: str | None = None) -> None:
        """Make a disk of `size` bytes: empty, or with the content of a catalogue image (`debian-12`)."""

    async def put_file(self, path: str, file: str, form: str) -> None:
        """Keep a copy of an image file (`raw`, also an ISO, `qcow2` or `vmdk`) as a disk, over one of that name."""

    async def clone_disk(self, source: str, target: str, *, linked: bool = False, snapshot: str | None = None) -> None:
        """Copy a disk (also of a running machine), or lay a linked clone over it."""

    async def resize_disk(self, path: str, size: int) -> None:
        """Grow a disk to `size` bytes; a running machine sees the new size at once."""

    async def delete_disk(self, path: str) -> None:
        """Free a disk; nothing happens if it does not exist."""

    async def snapshot(self, vmid: int, name: str, paths: Sequence[str], *, memory: bool = False) -> None:
        """Snapshot these disks of a machine at one moment, with its memory if it runs and `memory` is set."""

    async def rollback(self, vmid: int, name: str, paths: Sequence[str]) -> None:
        """Return these disks of a stopped machine; saved memory is taken up by `start(machine, snapshot=name)`."""

    async def delete_snapshot(self, vmid: int, name: str, paths: Sequence[str]) -> None:
        """Drop a snapshot from these disks, of a running or stopped machine."""

    async def plug(self, vmid: int, device: Disk | Nic) -> None:
        """Add a disk or a NIC to a running machine."""

    async def unplug(self, vmid: int, slot: str) -> None:
        """Take a disk or a NIC out of a running machine; nothing happens if it is not there."""

    def console(self, vmid: int) -> str:
        """Return what the machine wrote to its serial console since its first start (the last 256 KiB)."""

    def jump(self) -> dict[str, str] | None:
        """Tell how guests are reached: `{socks, proxy_command}`, or None where they are records only."""
