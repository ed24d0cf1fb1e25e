"""Write QEMU's command lines: for a machine and for a network's gateway. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from atlas.lab.backend import Disk, Machine, Nic

_NIC_MODELS = {
    "virtio": "virtio-net-pci",
    "e1000": "e1000",
    "e1000e": "e1000e",
    "rtl8139": "rtl8139",
    "vmxnet3": "vmxnet3",
}


@dataclass(frozen=True)
class Places:
    """Where a machine's files are.

    Args:
        disks: the folder that disk paths are below.
        run: the folder of its sockets and pid file, with a short path.
        console: the serial log.
        seed: the NoCloud ISO, if there is one.
        kernel: kernel, initrd and kernel arguments, for images without a boot loader.
    """

    disks: Path
    run: Path
    console: Path
    seed: Path | None = None
    kernel: tuple[Path, Path, str] | None = None


def machine_command(machine: Machine, places: Places, accelerator: str, networks: Mapping[str, Path]) -> list[str]:
    """Return the command that starts a machine and leaves it running on its own.

    Args:
        machine: what to start.
        places: where its files are.
        accelerator: `kvm`, or the emulator's `tcg,...`.
        networks: the switch's socket for each NIC's slot.
    """
    vmid = machine.vmid
    command = [
        "qemu-system-x86_64",
        *("-name", f"{_plain(machine.name)},process=lab-{vmid}"),
        *("-M", "pc,hpet=off"),
        *("-accel", accelerator),
        *("-cpu", "host" if accelerator == "kvm" else "max"),
        *("-smp", f"{machine.cores * machine.sockets},sockets={machine.sockets},cores={machine.cores},threads=1"),
        *("-m", f"{machine.memory}M"),
        *(("-uuid", machine.uuid) if machine.uuid else ()),
        *("-rtc", "base=utc"),
        *("-display", "none"),
        *("-nodefaults", "-no-user-config", "-daemonize"),
        *("-pidfile", str(places.run / f"{vmid}.pid")),
        *("-qmp", f"unix:{_option(places.run / f'{vmid}.qmp')},server=on,wait=off"),
        *("-chardev", f"file,id=console,path={_option(places.console)},append=on"),
        *("-serial", "chardev:console"),
        *("-chardev", f"socket,id=agent,path={_option(places.run / f'{vmid}.agent')},server=on,wait=off"),
        *("-device", "virtio-serial-pci,id=serial0"),
        *("-device", "virtserialport,bus=serial0.0,chardev=agent,name=org.qemu.guest_agent.0"),
        *("-device", "virtio-rng-pci"),
        *("-device", "virtio-scsi-pci,id=scsihw0"),
    ]
    if places.kernel is not None:
        kernel, initrd, arguments = places.kernel
        command += ["-kernel", str(kernel), "-initrd", str(initrd), "-append", arguments]
    order = list(machine.boot) or [disk.slot for disk in machine.disks]
    for disk in machine.disks:
        if not is_drive(disk):
            continue
        device = disk_device(disk)
        if disk.slot in order and places.kernel is None:
            device["bootindex"] = order.index(disk.slot) + 1
        command += ["-blockdev", json.dumps(blockdev(disk, places.disks)), "-device", json.dumps(device)]
    if places.seed is not None:
        command += ["-blockdev", json.dumps(_file("drive-seed", places.seed, "raw", read_only=True))]
        command += ["-device", "virtio-blk-pci,drive=drive-seed,id=seed"]
    for nic in machine.nics:
        command += ["-netdev", json.dumps(netdev(nic, networks[nic.slot])), "-device", json.dumps(nic_device(nic))]
    return command


def is_drive(disk: Disk) -> bool:
    """Tell whether a slot is a drive that the guest sees (an EFI or TPM store is not, with this firmware)."""
    return re.fullmatch(r"(scsi|virtio|ide|sata)\d+", disk.slot) is not None


def blockdev(disk: Disk, root: Path) -> dict[str, Any]:
    """Describe a disk's block node, `drive-SLOT`."""
    return _file(f"drive-{disk.slot}", root / disk.path, "raw" if disk.cdrom else "qcow2", read_only=disk.cdrom)


def disk_device(disk: Disk) -> dict[str, Any]:
    """Describe the device that shows a disk to the guest, with its slot as id.

    SATA disks hang on the SCSI controller: the guest sees the same names, and cloud kernels have no AHCI.
    """
    match = re.fullmatch(r"([a-z]+)(\d+)", disk.slot)
    bus, number = (match.group(1), int(match.group(2))) if match else ("scsi", 0)
    base = {"id": disk.slot, "drive": f"drive-{disk.slot}"}
    if bus == "virtio":
        return {"driver": "virtio-blk-pci", **base}
    if bus == "ide":
        return {"driver": "ide-cd" if disk.cdrom else "ide-hd", "bus": f"ide.{number // 2}", "unit": number % 2, **base}
    driver = "scsi-cd" if disk.cdrom else "scsi-hd"
    target = number + (64 if bus == "sata" else 0)
    return {"driver": driver, "bus": "scsihw0.0", "scsi-id": target, "device_id": f"drive-{disk.slot}", **base}


def netdev(nic: Nic, socket: Path) -> dict[str, Any]:
    """Describe the cable from a NIC to its switch."""
    return {
        "type": "stream",
        "id": f"cable-{nic.slot}",
        "server": False,
        "addr": {"type": "unix", "path": str(socket)},
    }


def nic_device(nic: Nic) -> dict[str, Any]:
    """Describe the network card itself."""
    driver = _NIC_MODELS.get(nic.model, "virtio-net-pci")
    device: dict[str, Any] = {"driver": driver, "id": nic.slot, "netdev": f"cable-{nic.slot}", "mac": nic.mac}
    if driver == "virtio-net-pci":
        device["romfile"] = ""  # nobody boots from the network here, and the option ROM costs a second
    return device


def gateway_command(subnet: IPv4Network, gateway: IPv4Address, own: IPv4Address, switch: Path, qmp: Path) -> list[str]:
    """Return the command of a network's gateway: a QEMU without a machine, only its user-mode network.

    Args:
        subnet: the addresses that it serves.
        gateway: answers name queries, and guests may route through it.
        own: another address of the subnet, the user-mode network's own; routes too.
        switch: the socket of the network's switch.
        qmp: the socket on which it takes orders.
    """
    return [
        "qemu-system-x86_64",
        *("-M", "none", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-qmp", f"unix:{_option(qmp)},server=on,wait=off"),
        *("-netdev", f"user,id=u0,net={subnet},host={own},dns={gateway},ipv6=off"),
        *("-netdev", "hubport,hubid=0,id=h0,netdev=u0"),
        *("-netdev", f"stream,id=m0,server=off,addr.type=unix,addr.path={_option(switch)}"),
        *("-netdev", "hubport,hubid=0,id=h1,netdev=m0"),
    ]


def _file(node: str, path: Path, kind: str, *, read_only: bool) -> dict[str, Any]:
    # A lab's guests are made anew more easily than they are mended: no flushes to the disk.
    cache = {"direct": False, "no-flush": True}
    source = {"driver": "file", "filename": str(path), "node-name": f"file-{node.removeprefix('drive-')}"}
    described = {"driver": kind, "node-name": node, "read-only": read_only, "cache": cache}
    if not read_only:
        described |= {"discard": "unmap", "detect-zeroes": "unmap"}
    return {**described, "file": {**source, "cache": cache, "discard": "unmap", "read-only": read_only}}


def _option(path: Path) -> str:
    """Quote a path inside a comma-separated option."""
    return str(path).replace(",", ",,")


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", name) or "guest"
