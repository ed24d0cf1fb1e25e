"""Options that a call gives to a VM: who may set them, and the form in which they are kept."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

from atlas.lab.call import Call
from atlas.lab.guest_config import split_list
from atlas.lab.guest_devices import parse_net, print_net, split
from atlas.lab.guest_tags import mac_prefix
from atlas.lab.guests import fault, need_vm, refuse
from atlas.lab.qemu_rules import privileges
from atlas.lab.sha_crypt import sha256_crypt
from atlas.lab.volume_access import check_bridge
from atlas.lab.world import Lab

QEMU_VERSION = "10.1.2"
MACHINE_VERSION = "10.1"
FRACTIONS = {"cpulimit", "migrate_downtime"}  # numbers that the API gives as text
_HASHED = re.compile(r"\$(?:[156]|2[ay])(?:\$.+){2}")
_WINDOWS = re.compile(r"w(?:xp|2k\d*|vista|in\d+)")


def check_options(call: Call, vmid: int, pool: str | None, options: Iterable[str]) -> None:
    """Refuse options that the caller may not set or delete on a VM.

    Args:
        call: the call.
        vmid: the VM.
        pool: the pool that a new VM goes to.
        options: the keys.

    Raises:
        PVEError: 403 with the privilege, or 500 for what only root@pam may set.
    """
    if call.is_root:
        return
    for option in options:
        needed = privileges(option)
        if needed is None:
            raise refuse(f"only root can set '{option}' config")
        if needed:
            need_vm(call, vmid, pool, *needed, any=True)
        if option == "startup":
            call.need("/", "Sys.Modify")


def check_device(call: Call, vmid: int, pool: str | None, option: str, value: str, verb: str = "set") -> None:
    """Refuse a serial, USB or PCI device of the host's own, which only root@pam may give to a VM.

    Args:
        call: the call.
        vmid: the VM.
        pool: the pool that a new VM goes to.
        option: such as `usb0`; others are let through.
        value: its value.
        verb: `set`, `modify` or `delete`, for the text.
    """
    found = re.fullmatch(r"(serial|usb|hostpci|virtiofs|rng)\d+", option)
    if call.is_root or not found:
        return
    kind = found[1]
    if kind == "virtiofs":
        need_vm(call, vmid, pool, "VM.Config.Disk")
        call.need(f"/mapping/dir/{split(value, 'dirid').get('dirid', '')}", "Mapping.Use")
        return
    if kind == "serial":
        if value != "socket":
            raise refuse(f"only root can {verb} '{option}' config for real devices")
        need_vm(call, vmid, pool, "VM.Config.HWType")
        return
    device = split(value, {"usb": "host", "hostpci": "host"}.get(kind, "source"))
    if kind != "hostpci":
        need_vm(call, vmid, pool, "VM.Config.HWType")
    if "host" in device and not (kind == "usb" and device["host"].lower() == "spice"):
        what = "real" if kind == "usb" else "non-mapped"
        raise refuse(f"only root can set '{option}' config for {what} devices")
    if "mapping" in device:
        call.need(f"/mapping/{'pci' if kind == 'hostpci' else 'usb'}/{device['mapping']}", "Mapping.Use")
        need_vm(call, vmid, pool, "VM.Config.HWType")
    elif kind in {"usb", "hostpci"} and "host" not in device:
        raise refuse("either 'host' or 'mapping' must be set.")


def check_bridges(call: Call, options: Mapping[str, Any]) -> None:
    """Refuse network cards on bridges that the caller may not use."""
    for key in sorted(options):
        if re.fullmatch(r"net\d+", key):
            check_bridge(call, parse_net(str(options[key])))


def check_ssh_keys(encoded: object, *, percent: bool = True) -> None:
    """Refuse text that holds a line that is no SSH public key."""
    text = unquote(str(encoded)) if percent else str(encoded)
    if not all(_is_key(line) for line in text.split("\n") if line.strip()):
        raise refuse("SSH public key validation error")


def _is_key(line: str) -> bool:
    """Tell whether a line holds a key whose data names its own type."""
    words = line.split()
    for kind, data in pairwise(words):
        try:
            raw = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            continue
        if len(raw) > 4 and raw[4 : 4 + struct.unpack(">I", raw[:4])[0]] == kind.encode():
            return True
    return False


def kept(key: str, value: Any) -> str | int:
    """Give a value the form in which the config file gives it back.

    Args:
        key: option.
        value: as the call gave it.

    Returns:
        Whole numbers as such, everything else as text.
    """
    if key not in FRACTIONS and isinstance(value, bool | int):
        return int(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if key == "description":
        return text.rstrip()
    return text or " "


def hashed(password: str) -> str:
    """Hash a cloud-init password unless it is a hash already."""
    if _HASHED.match(password):
        return password
    return sha256_crypt(password)


def prepare(lab: Lab, params: dict[str, Any]) -> None:
    """Put network cards of a call into their normal form, in place; PVE keeps a new VM's password as it came."""
    for key in [key for key in params if re.fullmatch(r"net\d+", key)]:
        params[key] = print_net(parse_net(str(params[key])), mac_prefix(lab))
    if "cpuunits" in params:
        params["cpuunits"] = min(max(int(params["cpuunits"]), 1), 10000)


def check_balloon(params: Mapping[str, Any], config: Mapping[str, Any], pending: Mapping[str, Any]) -> None:
    """Refuse a balloon that is larger than the memory."""
    if not params.get("memory") and params.get("balloon") is None:
        return
    memory = memory_mib(params.get("memory") or pending.get("memory") or config.get("memory"))
    balloon = params.get("balloon")
    if balloon is None:
        balloon = pending.get("balloon") or config.get("balloon")
    if balloon and int(balloon) > memory:
        raise refuse("balloon value too large (must be smaller than assigned memory)")


def memory_mib(value: object) -> int:
    """Read the memory option, 512 MiB where it is not set."""
    return int(split(str(value), "current").get("current", 512)) if value else 512


def pinned_machine(config: Mapping[str, Any]) -> str | None:
    """Choose a versioned machine for Windows, which minds a new one; None leaves the option as it is."""
    if not _WINDOWS.fullmatch(str(config.get("ostype", ""))):
        return None
    machine = split(str(config.get("machine", "")), "type").get("type", "pc")
    if machine in {"pc", "i440fx"}:
        return f"pc-i440fx-{MACHINE_VERSION}"
    return f"pc-q35-{MACHINE_VERSION}" if machine == "q35" else None


def check_boot(call: Call, order: list[str], known: Iterable[str], deleted: Iterable[str]) -> None:
    """Refuse a boot order that names what the VM does not have."""
    del call
    there, gone = set(known), set(deleted)
    for device in order:
        if device not in there or device in gone:
            raise refuse(f"invalid bootorder: device '{device}' does not exist'")


def listed(call: Call, name: str, exists: Iterable[str]) -> list[str]:
    """Read a list of option names (`delete`, `revert`).

    Raises:
        PVEError: 400 for a name that is no option.
    """
    names = ["ide2" if option == "cdrom" else option for option in split_list(call.params.get(name))]
    known = set(exists)
    for option in names:
        if option in call.params:
            raise fault(delete=f"you can't use '-{option}' and -{name} {option}' at the same time")
        if not known_option(option, known):
            raise fault(**{name: f"unknown option '{option}'"})
    return names


def known_option(option: str, table: set[str]) -> bool:
    """Tell whether a key is an option by the API table, where `net[n]` stands for all of a kind."""
    extra = {"lock", "parent", "snaptime", "vmstate", "runningmachine", "runningcpu", "meta", "bootdisk"}
    return option in table or option in extra or re.sub(r"\d+$", "[n]", option) in table


def check_vga(text: object) -> None:
    """Refuse a VNC clipboard on a display that has none."""
    vga = split(str(text), "type")
    if vga.get("clipboard") == "vnc" and not re.match(r"std|cirrus|vmware|virtio|qxl", vga.get("type", "std")):
        raise refuse(f"vga type {vga['type']} is not compatible with VNC clipboard")


def check_machine(text: object) -> None:
    """Refuse an IOMMU that the machine type does not have."""
    machine = split(str(text), "type")
    bits = machine.get("aw-bits")
    if machine.get("viommu") == "intel":
        if "q35" not in machine.get("type", ""):
            raise refuse("to use Intel vIOMMU please set the machine type to q35")
        if bits not in {None, "39", "48"}:
            raise refuse("Intel vIOMMU supports only 39 or 48 bits as address width")
    if bits and "viommu" not in machine:
        raise refuse("cannot set aw-bits if no vIOMMU is configured")
