"""The named formats of single parts of PVE: guests' options, storages, certificates, SDN."""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Callable
from pathlib import Path

Verify = Callable[[str], str | None]  # the fault, or None

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DRIVE = r"ide[0-3]|scsi([0-9]|[12][0-9]|30)|virtio([0-9]|1[0-5])|sata[0-5]"
_BOOT = rf"{_DRIVE}|net([0-9]|[12][0-9]|3[01])|usb([0-9]|1[0-3])|hostpci([0-9]|1[0-5])"
_BASE64 = r"[0-9A-Za-z+/]"


def like(pattern: str, fault: str) -> Verify:
    """Return the check of a text against a pattern; `%s` in the fault stands for the text."""
    test = re.compile(pattern)

    def verify(text: str) -> str | None:
        return None if test.fullmatch(text) else fault.replace("%s", text)

    return verify


def _storage_id(text: str) -> str | None:
    if len(text) < 2:
        return f"storage ID '{text}' cannot be shorter than 2 characters"
    return None if re.fullmatch(STORAGE_ID, text) else f"storage ID '{text}' contains illegal characters"


STORAGE_ID = r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]"
volume_id = like(rf"{STORAGE_ID}:.+", "unable to parse volume ID '%s'")
bridge_id = like(r"[-_.\w]+", "invalid bridge ID '%s'")


def _path_or_volume(text: str) -> str | None:
    return None if text.startswith("/") else volume_id(text)


def _drive_file(text: str) -> str | None:
    return None if text in ("none", "cdrom") else _path_or_volume(text)


def _pair(verify: Verify) -> Verify:
    def check(text: str) -> str | None:
        if text == "1":
            return None
        parts = text.split(":") if re.fullmatch(r"[^:]+:[^:]+", text) else [text]
        fault = next((fault for part in parts if (fault := verify(part))), None)
        return f"entry '{text}' contains invalid ID - {fault}\n\n" if fault else None

    return check


def _cpus(text: str) -> str | None:
    for part in text.rstrip(",").split(",") if text.rstrip(",") else ():
        span = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if span is None or int(span[2] or span[1]) < int(span[1]):
            return "unable to parse cpuset option"
    return None


def _hotplug(text: str) -> str | None:
    known = {"network", "disk", "cpu", "memory", "usb", "cloudinit"}
    features = [part for part in re.split(r"[,;\0\s]+", text.strip()) if part] if text not in ("0", "1") else []
    wrong = next((feature for feature in features if feature not in known), None)
    return None if wrong is None else f"invalid hotplug feature '{wrong}'"


def _mount_path(text: str) -> str | None:
    wrong = re.search(r"/\.\.?(/|$)", text) or text.startswith("../")
    return f"{text} contains illegal character sequences" if wrong else None


def _device(text: str) -> str | None:
    wrong = re.search(r"/\.\.?(/|$)", text) or not text.startswith("/dev/")
    return f"{text} is not a valid device path" if wrong else None


@functools.cache
def _zones() -> frozenset[str]:
    try:
        lines = Path("/usr/share/zoneinfo/zone.tab").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset(zoneinfo.available_timezones())
    return frozenset(line.split("\t")[2] for line in lines if not line.lstrip().startswith("#"))


def _timezone(text: str) -> str | None:
    return None if text == "UTC" or text in _zones() else f"invalid time zone '{text}'"


def _block_size(text: str) -> str | None:
    match = re.fullmatch(r"([1-9][0-9]*)([km])?", text, re.IGNORECASE)
    if text and match is None:
        rule = "Use a positive number (no leading zeros) with an optional 'k' or 'm' suffix."
        return f"invalid ZFS blocksize format '{text}'. {rule}"
    size = int(match[1]) * {"": 1, "k": 1024, "m": 1024**2}[(match[2] or "").lower()] if match else 512
    if 512 <= size <= 16 * 1024**2 and size & (size - 1) == 0:
        return None
    rule = "Must be a power of 2 between 512B and 16MiB (e.g., 4k, 8k, 16k, 64k, 1m)."
    return f"value '{text}' is not a valid ZFS blocksize. {rule}"


def _override(text: str) -> str | None:
    from atlas.lab.formats import verify

    match = re.fullmatch(r"([a-z]+)=([^.]*(?:\.?[^.]+)+)", text)
    if match is not None:
        fault = verify("pve-storage-content", match[1])
        if fault is not None:
            return fault
        if len(match[2]) < 1023 and all(len(part) < 255 for part in match[2].split("/")):
            return None
    return f"invalid override '{text}'"


def _portal(text: str) -> str | None:
    from atlas.lab.formats import verify

    match = re.fullmatch(r"\[(.+)\](?::\d+)?|([0-9A-Fa-f:]*:[0-9A-Fa-f:.]*?)(?:\.\d+)?", text)
    good = re.fullmatch(r"[A-Za-z0-9.\-]+(?::\d+)?", text)
    if match is not None and not good:
        inner = match[1] or match[2]
        good = re.fullmatch(r"[A-Za-z0-9.\-]+", inner) if match[1] else None
        if good or verify("ipv6", inner) is None:
            return None
    return None if good else "value does not look like a valid portal address"


def _address_of_interface(text: str) -> str | None:
    from atlas.lab.formats import verify

    match = re.fullmatch(r"(fe80:[^%]+)%(.*)", text)
    if match and verify("ip", match[1]) is None and verify("pve-iface", match[2]) is None:
        return None
    return verify("ip", text)


def _pem(label: str, *, several: bool = False) -> Verify:
    one = rf"-----BEGIN {label}-----\s*(?:{_BASE64}+\s*\n)*{_BASE64}*(?:=\s*\n=|={{0,2}})?\s*\n-----END {label}-----\s*"
    test = re.compile(rf"(?:{one}\n*)*{one}\n?" if several else rf"{one}\n?")

    def verify(text: str) -> str | None:
        start = re.search(r"-----BEGIN .*?-----", text)
        found = text[start.start() :] if start else text
        return None if test.fullmatch(found) else "not a valid PEM-formatted string."

    return verify


def _helpers(text: str) -> str | None:
    known = {"amanda", "ftp", "irc", "netbios-ns", "pptp", "sane", "sip", "snmp", "tftp"}
    if text.rstrip(",") != text:
        return "extraneous commas in list"
    wrong = next((part for part in text.split(",") if part and part not in known), None)
    return None if wrong is None else f"unknown helper {wrong} at /usr/share/perl5/PVE/Firewall.pm line 1168."


def _route_target(text: str) -> str | None:
    match = re.fullmatch(r"(\d+):(\d+)", text)
    good = match and all(int(part) <= 4294967295 for part in match.groups())
    return None if good else "value does not look like a valid bgp route-target"


def _subnet(text: str) -> str | None:
    from atlas.lab.formats import verify

    _, *rest = text.split("-")
    return verify("CIDR", text if "/" in text else "/".join([*rest, "", ""][:2]))


SPECIAL: dict[str, Verify] = {
    "pve-storage-id": _storage_id,
    "pve-bridge-id": bridge_id,
    "pve-volume-id": volume_id,
    "pve-volume-id-or-absolute-path": _path_or_volume,
    "pve-volume-id-or-qm-path": _drive_file,
    "storage-pair": _pair(_storage_id),
    "bridge-pair": _pair(bridge_id),
    "pve-cpuset": _cpus,
    "pve-hotplug-features": _hotplug,
    "pve-qm-bootdisk": like(rf"{_DRIVE}|efidisk0|tpmstate0", "invalid boot disk '%s'"),
    "pve-qm-bootdev": like(_BOOT, "invalid boot device '%s'"),
    "pve-phys-bits": like(r"host|0?[89]|[1-5][0-9]|6[0-4]", "value must be an integer between 8 and 64 or 'host'"),
    "pve-lxc-mp-string": _mount_path,
    "pve-lxc-dev-string": _device,
    "pve-ct-timezone": lambda text: None if text == "host" else _timezone(text),
    "timezone": _timezone,
    "lxc-ip-with-ll-iface": _address_of_interface,
    "pve-storage-zfs-blocksize": _block_size,
    "pve-storage-portal-dns": _portal,
    "pve-dir-override": _override,
    "pve-storage-path-in-property-string": lambda text: (
        None
        if re.match(r"/[^;,=()]+", text)
        else "Value does not look like a valid absolute path. These symbols are currently not allowed in path: ;,=()"
    ),
    "pve-day-of-week": like("mon|tue|wed|thu|fri|sat|sun", "invalid day '%s'"),
    "pve-acme-domain": like(
        r"(?i:[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9][a-z0-9_-]*)+)", "value '%s' does not look like a valid domain name!"
    ),
    "pve-acme-alias": like(
        r"(?i:[a-z0-9_][a-z0-9_-]*(?:\.[a-z0-9_][a-z0-9_-]*)+)", "value '%s' does not look like a valid alias name!"
    ),
    "graphite-path": like(rf"({_LABEL}\.)*{_LABEL}", "value does not look like a valid graphite path"),
    "pem-certificate": _pem("CERTIFICATE"),
    "pem-certificate-chain": _pem("CERTIFICATE", several=True),
    "pem-string": _pem(".*?"),
    "pve-fw-conntrack-helper": _helpers,
    "pve-sdn-bgp-rt": _route_target,
    "pve-sdn-isis-net": like(
        r"[a-fA-F0-9]{2}(\.[a-fA-F0-9]{4}){3,9}\.[a-fA-F0-9]{2}", "value does not look like a valid isis net"
    ),
    "pve-sdn-fabric-id": like(
        r"[a-zA-Z0-9][a-zA-Z0-9-]{0,6}[a-zA-Z0-9]?", "Fabric ID '%s' contains illegal characters"
    ),
    "pve-sdn-subnet-id": _subnet,
}
"""The checks by the name of the format."""
