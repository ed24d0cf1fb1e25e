"""The simulated backend: machines and disks are records only, nothing is written, no process is started."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atlas.lab import guest_system
from atlas.lab.backend import AgentRefused, AgentSilent, BackendError, Disk, Machine, Nic
from atlas.lab.netconfig import Address, addresses_by_mac


@dataclass
class _Running:
    machine: Machine
    since: float
    suspended: bool = False
    frozen: bool = False


class SimulatedBackend:
    """Keep machines as records.

    Args:
        now: the lab's clock in seconds; tests and latency profiles drive it.
        boot_seconds: how long after a start the guest agent begins to answer.
        lan: the network on which `dhcp` cards get their address.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, boot_seconds: float = 20.0, lan: str = "10.42.0.0/24"
    ) -> None:
        self.on_exit: Callable[[int], None] | None = None
        self._now = now
        self._boot_seconds = boot_seconds
        self._lan = ipaddress.IPv4Network(lan)
        self._running: dict[int, _Running] = {}
        self._disks: dict[str, int] = {}
        self._dhcp: dict[str, str] = {}
        self._systems: dict[str, guest_system.System] = {}

    async def open(self) -> None:
        """Do nothing: records do not outlive the process."""

    async def close(self, *, stop: bool) -> None:
        """Forget the machines if they are to be stopped."""
        if stop:
            self._running.clear()

    def adopt(self, machine: Machine) -> bool:
        """Take a machine for long booted: what ran before the lab's restart runs on after it."""
        self._running[machine.vmid] = _Running(machine, self._now() - self._boot_seconds)
        return True

    async def start(self, machine: Machine, snapshot: str | None = None) -> None:
        """Note it as running; the agent answers once the boot's time is over (at once from saved memory)."""
        if machine.vmid in self._running:
            raise BackendError(f"VM {machine.vmid} already running")
        since = self._now() - (self._boot_seconds if snapshot else 0)
        self._running[machine.vmid] = _Running(machine, since)

    async def stop(self, vmid: int) -> None:
        """Note it as stopped."""
        self._running.pop(vmid, None)

    async def shutdown(self, vmid: int, timeout: float) -> bool:
        """Stop it, unless it is suspended and so cannot hear."""
        del timeout
        entry = self._running.get(vmid)
        if entry is not None and entry.suspended:
            return False
        await self.stop(vmid)
        return True

    async def reset(self, vmid: int) -> None:
        """Begin the boot again."""
        self._entry(vmid).since = self._now()

    async def suspend(self, vmid: int) -> None:
        """Make its agent silent."""
        self._entry(vmid).suspended = True

    async def resume(self, vmid: int) -> None:
        """Let its agent answer again."""
        self._entry(vmid).suspended = False

    def alive(self, vmid: int) -> bool:
        """Tell whether it is noted as running."""
        return vmid in self._running

    async def agent(
        self,
        vmid: int,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        timeout: float = 5.0,
    ) -> Any:
        """Answer what a record can answer; commands that would have to run something are refused."""
        del timeout
        entry = self._running.get(vmid)
        if entry is None or entry.suspended or not entry.machine.agent:
            raise AgentSilent(f"VM {vmid}: no agent answers")
        if self._now() - entry.since < self._boot_seconds:
            raise AgentSilent(f"VM {vmid} is still booting")
        answer = _ANSWERS.get(command)
        if answer is not None:
            return answer(entry)
        if guest_system.knows(command):
            system = self._systems.setdefault(entry.machine.uuid, guest_system.System())
            return guest_system.run(system, entry.machine, command, arguments)
        if command == "guest-get-fsinfo":
            return self._filesystems(entry.machine)
        if command == "guest-network-get-interfaces":
            return self._interfaces(entry.machine)
        if command == "guest-get-time":
            return int(self._now() * 1e9)
        if command in ("guest-fsfreeze-freeze", "guest-fsfreeze-thaw"):
            was, entry.frozen = entry.frozen, command.endswith("freeze")
            return len(entry.machine.disks) if was != entry.frozen else 0
        if command == "guest-shutdown":
            await self.stop(vmid)
            if self.on_exit is not None:
                self.on_exit(vmid)
            return None
        raise AgentRefused(f"The command {command} has been disabled for this instance: the guest is simulated")

    async def create_disk(self, path: str, size: int, image: str | None = None) -> None:
        """Record a disk."""
        del image
        self._disks[path] = size

    async def put_file(self, path: str, file: str, form: str) -> None:
        """Record a file's size."""
        del form
        self._disks[path] = Path(file).stat().st_size

    async def clone_disk(self, source: str, target: str, *, linked: bool = False, snapshot: str | None = None) -> None:
        """Record a copy; a source from before a restart has no record and counts as empty."""
        del linked, snapshot
        self._disks[target] = self._disks.get(source, 0)

    async def resize_disk(self, path: str, size: int) -> None:
        """Record the new size."""
        self._disks[path] = size

    async def delete_disk(self, path: str) -> None:
        """Drop the record."""
        self._disks.pop(path, None)

    async def snapshot(self, vmid: int, name: str, paths: Sequence[str], *, memory: bool = False) -> None:
        """Do nothing: the lab's own state holds the snapshot."""

    async def rollback(self, vmid: int, name: str, paths: Sequence[str]) -> None:
        """Do nothing: the lab's own state holds the snapshot."""

    async def delete_snapshot(self, vmid: int, name: str, paths: Sequence[str]) -> None:
        """Do nothing: the lab's own state holds the snapshot."""

    async def plug(self, vmid: int, device: Disk | Nic) -> None:
        """Add the device to the record."""
        entry = self._entry(vmid)
        await self.unplug(vmid, device.slot)
        old = entry.machine
        if isinstance(device, Disk):
            entry.machine = replace(old, disks=(*old.disks, device))
        else:
            entry.machine = replace(old, nics=(*old.nics, device))

    async def unplug(self, vmid: int, slot: str) -> None:
        """Take the device out of the record."""
        entry = self._entry(vmid)
        old = entry.machine
        entry.machine = replace(
            old,
            disks=tuple(disk for disk in old.disks if disk.slot != slot),
            nics=tuple(nic for nic in old.nics if nic.slot != slot),
        )

    def console(self, vmid: int) -> str:
        """Say that there is none."""
        return f"VM {vmid} is simulated: it has no console.\n"

    def jump(self) -> dict[str, str] | None:
        """There is nothing to reach."""
        return None

    def _entry(self, vmid: int) -> _Running:
        entry = self._running.get(vmid)
        if entry is None:
            raise BackendError(f"VM {vmid} not running")
        return entry

    def _filesystems(self, machine: Machine) -> list[dict[str, Any]]:
        """Show one file system, on the first disk."""
        sizes = [self._disks.get(disk.path, 0) for disk in machine.disks if not disk.cdrom][:1]
        root = {"name": "sda1", "mountpoint": "/", "type": "ext4", "disk": []}
        return [{**root, "total-bytes": size, "used-bytes": size // 4} for size in sizes]

    def _interfaces(self, machine: Machine) -> list[dict[str, Any]]:
        """Shape guest-network-get-interfaces: loopback, then a card for each NIC with its configured addresses."""
        configured = addresses_by_mac((machine.cloudinit or {}).get("network-config", ""))
        shown: list[dict[str, Any]] = [_interface("lo", "00:00:00:00:00:00", [Address("127.0.0.1", 8)])]
        for number, nic in enumerate(machine.nics):
            mac = nic.mac.lower()
            found = configured.get(mac, [])
            static = [address for address in found if not address.dhcp]
            if any(address.dhcp for address in found):
                static.append(Address(self._leased(mac), self._lan.prefixlen))
            shown.append(_interface(f"eth{number}", mac, static))
        return shown

    def _leased(self, mac: str) -> str:
        """Give each MAC the next address from .100 on, and always the same."""
        if mac not in self._dhcp:
            self._dhcp[mac] = str(self._lan[100 + len(self._dhcp) % max(1, self._lan.num_addresses - 110)])
        return self._dhcp[mac]


def _interface(name: str, mac: str, addresses: Sequence[Address]) -> dict[str, Any]:
    return {
        "name": name,
        "hardware-address": mac,
        "ip-addresses": [
            {"ip-address": a.ip, "prefix": a.prefix, "ip-address-type": "ipv6" if ":" in a.ip else "ipv4"}
            for a in addresses
        ],
        "statistics": dict.fromkeys(
            ("rx-bytes", "rx-packets", "rx-errs", "rx-dropped", "tx-bytes", "tx-packets", "tx-errs", "tx-dropped"), 0
        ),
    }


_BLOCK = 128 * 1024**2
_ANSWERS: dict[str, Callable[[_Running], Any]] = {
    "guest-ping": lambda _: {},
    "guest-get-host-name": lambda entry: {"host-name": entry.machine.name},
    "guest-get-timezone": lambda _: {"zone": "UTC", "offset": 0},
    "guest-get-users": lambda _: [],
    "guest-fsfreeze-status": lambda entry: "frozen" if entry.frozen else "thawed",
    "guest-fstrim": lambda _: {"paths": []},
    "guest-get-memory-block-info": lambda _: {"size": _BLOCK},
    "guest-get-memory-blocks": lambda entry: [
        {"phys-index": n, "online": True, "can-offline": True} for n in range(entry.machine.memory * 1024**2 // _BLOCK)
    ],
    "guest-get-vcpus": lambda entry: [
        {"logical-id": n, "online": True, "can-offline": n > 0}
        for n in range(entry.machine.cores * entry.machine.sockets)
    ],
    "guest-info": lambda _: {
        "version": "7.2.0",
        "supported_commands": [
            {"name": name, "enabled": True, "success-response": True}
            for name in ("guest-ping", "guest-network-get-interfaces", "guest-get-osinfo", "guest-shutdown")
        ],
    },
    "guest-get-osinfo": lambda _: {
        "id": "debian",
        "name": "Debian GNU/Linux",
        "pretty-name": "Debian GNU/Linux 12 (bookworm)",
        "version": "12 (bookworm)",
        "version-id": "12",
        "machine": "x86_64",
        "kernel-release": "6.1.0-cloud-amd64",
        "kernel-version": "#1 SMP PREEMPT_DYNAMIC Debian",
    },
}
