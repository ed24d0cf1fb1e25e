"""Which VM options need which privilege, and which a running VM takes at once (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from atlas.lab.guest_config import split_list
from atlas.lab.guest_devices import DRIVES, is_cdrom, is_cloudinit, parse_drive, parse_net, split

Config = Mapping[str, str | int]

_PRIVILEGES = {
    "VM.Config.CPU": {"cores", "cpu", "cpulimit", "cpuunits", "numa", "smp", "sockets", "vcpus"},
    "VM.Config.Memory": {"memory", "balloon", "shares", "allow-ksm"},
    "VM.Config.HWType": {
        *("acpi", "hotplug", "kvm", "machine", "scsihw", "smbios1", "tablet", "vga", "watchdog", "audio0", "rng0"),
    },
    "VM.Config.Options": {
        *("agent", "autostart", "bios", "description", "keyboard", "localtime", "migrate_downtime", "migrate_speed"),
        *("name", "onboot", "ostype", "protection", "reboot", "startdate", "startup", "tdf", "template"),
    },
    "VM.PowerMgmt": {"freeze"},
    "VM.Config.Disk": {"boot", "bootdisk", "vmstatestorage"},
    "VM.Config.Cloudinit": {
        *("cicustom", "cipassword", "citype", "ciuser", "ciupgrade", "nameserver", "searchdomain", "sshkeys"),
    },
}
_BY_OPTION = {option: privilege for privilege, options in _PRIVILEGES.items() for option in options}
_PATTERNS = (
    (re.compile(r"numa\d+"), "VM.Config.CPU"),
    (re.compile(r"net\d+"), "VM.Config.Network"),
    (re.compile(r"ipconfig\d+"), "VM.Config.Cloudinit"),
)
_BY_VALUE = re.compile(r"(?:unused|serial|usb|hostpci|virtiofs)\d+|tags|cdrom")

_FAST = frozenset(
    {
        *("description", "hookscript", "lock", "migrate_downtime", "migrate_speed", "name", "onboot", "protection"),
        *("shares", "startup", "tags", "vmstatestorage"),
    }
)
CLOUDINIT_OPTIONS = _PRIVILEGES["VM.Config.Cloudinit"]
ROOT_ONLY_AT_START = ("stateuri", "skiplock", "migratedfrom", "migration_type", "migration_network", "targetstorage")
_FROZEN_DRIVE_KEYS = ("aio", "discard", "iothread", "queues", "product", "cache", "ssd", "vendor", "ro")
_FROZEN_NET_KEYS = ("model", "macaddr", "queues", "mtu")


def privileges(option: str) -> tuple[str, ...] | None:
    """Tell which privileges an option asks for; any of them will do.

    Args:
        option: a key of a VM's config.

    Returns:
        The privileges; none for options judged by their value (drives, serial ports, tags ...); None where only
        root@pam may set it.
    """
    if option in DRIVES or _BY_VALUE.fullmatch(option):
        return ()
    found = _BY_OPTION.get(option) or next((p for pattern, p in _PATTERNS if pattern.fullmatch(option)), None)
    if found is None:
        return None
    return (found, "VM.Config.Network") if found == "VM.Config.Cloudinit" else (found,)


def drive_privileges(text: str) -> tuple[str, ...]:
    """Tell which privileges a drive asks for by what it holds; all of them are needed."""
    drive = parse_drive(text)
    if is_cloudinit(drive):
        return ("VM.Config.Cloudinit", "VM.Config.CDROM")
    return ("VM.Config.CDROM",) if is_cdrom(drive, cloudinit_counts=False) else ("VM.Config.Disk",)


def hotplug_features(config: Config) -> set[str]:
    """List what the `hotplug` option allows; network, disk and usb where it is not set."""
    given = str(config.get("hotplug", "1"))
    return set() if given == "0" else {"network", "disk", "usb"} if given == "1" else set(split_list(given))


def can_plug(key: str, value: str | int, config: Config) -> bool:
    """Tell whether a running VM takes a new value at once; otherwise it waits for the next start.

    Args:
        key: option.
        value: its new value.
        config: what the VM runs with.

    Returns:
        Whether it is applied now.
    """
    if key in DRIVES:
        return _can_plug_drive(key, str(value), config)
    if re.fullmatch(r"net\d+", key):
        return _can_plug_net(key, str(value), config)
    if key == "agent":
        return key in config and _agent(str(value)) == _agent(str(config[key]))
    if key == "balloon":
        return bool(int(config.get("balloon", 1))) == bool(int(value))
    if key == "hotplug":
        return not re.search("cpu|memory", f"{value} {config.get('hotplug', '')}")
    return key in {"cpuunits", "cpulimit"} or _by_feature(key, config)


def _by_feature(key: str, config: Config) -> bool:
    """Tell whether the hotplug option covers a key."""
    needs = {"tablet": "usb", "vcpus": "cpu", "memory": "memory"}.get(key)
    if re.fullmatch(r"usb\d+", key):
        needs = "usb" if str(config.get("ostype", "")) in {"l26", "win8", "win10", "win11"} else None
    return needs in hotplug_features(config)


def _agent(text: str) -> dict[str, str]:
    """Read the agent option without what a running VM does not care about."""
    return {key: value for key, value in split(text, "enabled").items() if key != "fstrim_cloned_disks"}


def _can_plug_drive(key: str, value: str, config: Config) -> bool:
    if key in {"efidisk0", "tpmstate0"}:
        return False
    hotplug = "disk" in hotplug_features(config)
    new = parse_drive(value)
    if key in config:
        old = parse_drive(str(config[key]))
        if is_cdrom(old) or (new.get("file") == old.get("file")):
            return is_cdrom(old) or all(new.get(k) == old.get(k) for k in _FROZEN_DRIVE_KEYS)
    return hotplug and not key.startswith(("ide", "sata"))


def _can_plug_net(key: str, value: str, config: Config) -> bool:
    new, old = parse_net(value), parse_net(str(config.get(key, "")))
    same_card = key in config and all(new.get(k) == old.get(k) for k in _FROZEN_NET_KEYS)
    return (same_card and "bridge" in new and "bridge" in old) or "network" in hotplug_features(config)


def fast(key: str) -> bool:
    """Tell whether an option means nothing to the running process, so that it is taken at once."""
    return key in _FAST or key in CLOUDINIT_OPTIONS or re.fullmatch(r"ipconfig\d+", key) is not None


def can_unplug(key: str, config: Config) -> bool:
    """Tell whether a running VM drops an option at once; otherwise the deletion waits for the next start."""
    if key in DRIVES:
        return "disk" in hotplug_features(config) and not re.match("efidisk|ide|sata|tpmstate", key)
    if re.fullmatch(r"net\d+", key):
        return "network" in hotplug_features(config)
    if key == "balloon":
        return str(config.get("balloon", "")) != "0"
    if key == "hotplug":
        return not re.search("cpu|memory", str(config.get("hotplug", "")))
    return fast(key) or key in {"cpuunits", "cpulimit"} or _by_feature(key, config)
