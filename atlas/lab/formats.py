"""PVE's named formats: what a text must look like, and property strings (`key=value,...`)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from atlas.lab.calendar_events import BadEvent, parse
from atlas.lab.firewall_formats import address_fault, icmp_fault, ports_fault, protocol_fault
from atlas.lab.rights import all_privileges
from atlas.lab.special_formats import SPECIAL, Verify, like

MISSING = "property is missing and it is not optional"
UNDEFINED = "property is not defined in schema and the schema does not allow additional properties"

_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_CONFIG_ID = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]+", re.IGNORECASE)
_EMAIL = re.compile(r"[\w+~-]+(\.[\w+~-]+)*@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*")


def split_list(text: str) -> list[str]:
    """Split a list as PVE does: by commas, semicolons, white space or NUL."""
    return [part for part in re.split(r"[,;\0\s]+", text.strip()) if part]


def _calendar_event(text: str) -> str | None:
    if not text.strip():
        return f"invalid calendar event '{text}' - unable to parse calendar event - event is empty\n"
    try:
        parse(text)
    except BadEvent as problem:
        return f"invalid calendar event '{text}' - unable to parse calendar event at '{problem}'\n"
    return None


def _ip(version: int | None, fault: str) -> Verify:
    def verify(text: str) -> str | None:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return fault
        return None if version in (None, address.version) else fault

    return verify


def _cidr(text: str, version: int | None = None, *, strict: bool = True) -> bool:
    address, slash, length = text.partition("/")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if version not in (None, parsed.version) or not slash or not length.isdigit():
        return False
    return int(length) <= parsed.max_prefixlen and (not strict or int(length) >= 8)


def _cidr_format(version: int | None, fault: str, *, strict: bool = True) -> Verify:
    return lambda text: None if _cidr(text, version, strict=strict) else fault


def _ip_config(version: int, words: tuple[str, ...]) -> Verify:
    def verify(text: str) -> str | None:
        good = text in words or _cidr(text, version)
        return None if good else f"value does not look like a valid ipv{version} network configuration"

    return verify


def _address_or_network(text: str) -> str | None:
    address, slash, length = text.partition("/")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "value does not look like a valid IP address or CIDR network"
    if slash and (not length.isdigit() or int(length) > parsed.max_prefixlen):
        return f"Prefix length {length} is longer than IP address ({parsed.max_prefixlen})"
    return None


def _address_network_or_alias(text: str) -> str | None:
    return None if re.fullmatch(r"((dc|guest)/)?[A-Za-z][A-Za-z0-9_-]+", text) else _address_or_network(text)


def _mac(text: str) -> str | None:
    good = re.fullmatch(r"[a-fA-F0-9]{2}(:[a-fA-F0-9]{2}){5}", text) and not int(text[:2], 16) & 1
    return None if good else "value does not look like a valid unicast MAC address"


def _mac_prefix(text: str) -> str | None:
    good = re.fullmatch(r"[a-fA-F0-9]{2}(:[a-fA-F0-9]{2}){0,2}:?", text) and not int(text[:2], 16) & 1
    return None if good else "value is not a valid unicast MAC address prefix"


def _userid(text: str) -> str | None:
    if len(text) < 3:
        return f"user name '{text}' is too short"
    if len(text) > 64:
        return f"user name '{text}' is too long ({len(text)} > 64)"
    good = re.fullmatch(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+", text)
    return None if good else f"value '{text}' does not look like a valid user name"


def _pool(text: str) -> str | None:
    parts = text.split("/")
    if len(parts) > 3:
        return f"pool name '{text}' nested too deeply (max levels = 3)"
    good = all(re.fullmatch(r"[A-Za-z0-9._-]+", part) for part in parts)
    return None if good else f"pool name '{text}' contains invalid characters"


def _privilege(text: str) -> str | None:
    return None if text in all_privileges() else f"invalid privilege '{text}'"


def _content(text: str) -> str | None:
    kinds = {"images", "rootdir", "vztmpl", "iso", "backup", "snippets", "none", "import"}
    return None if text in kinds else f"invalid content type '{text}'"


def _replication_job(text: str) -> str | None:
    match = re.fullmatch(r"(\d+)-\d+", text)
    if match is None:
        return f"invalid replication job id '{text}'"
    return f"invalid replication job id '{text}' (guest IDs < 100 are reserved)" if int(match[1]) < 100 else None


def _startup(text: str) -> str | None:
    parts = [part for part in text.split(",") if part]
    good = all(re.fullmatch(r"(order=)?\d+|(up|down)=\d+", part) for part in parts) and parts
    return None if good else "unable to parse startup options"


def _urlencoded(text: str) -> str | None:
    return None if re.fullmatch(r"[-%a-zA-Z0-9_.!~*'()]*", text) else f"invalid urlencoded string: {text}"


def _vlans(text: str) -> str | None:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if match is None:
        return f"invalid VLAN configuration '{text}'"
    first, last = int(match[1]), int(match[2] or match[1])
    for tag in (first, last):
        if not 2 <= tag <= 4094:
            return f"invalid VLAN tag '{tag}'"
    return f"VLAN range must go from lower to higher tag '{text}'" if match[2] and first >= last else None


_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DNS = rf"(?:{_LABEL}\.)*{_LABEL}"

VERIFY: dict[str, Verify] = {
    **SPECIAL,
    "pve-node": like(_NAME, "value does not look like a valid node name"),
    "pve-vmid": like(r"[1-9][0-9]{2,8}", "value does not look like a valid VM ID"),
    "pve-configid": like(_CONFIG_ID.pattern, "invalid configuration ID '%s'"),
    "pve-storage-path": like(r"/[^\n]*[^/\n]|/", "value does not look like a valid absolute path"),
    "pve-storage-content": _content,
    "pve-storage-server": like(rf"{_DNS}|[0-9a-fA-F.:]+", "value does not look like a valid server name or IP address"),
    "pve-userid": _userid,
    "pve-groupid": like(r"[A-Za-z0-9.\-_]+", "group name '%s' contains invalid characters"),
    "pve-roleid": like(r"[A-Za-z0-9.\-_]+", "role name '%s' contains invalid characters"),
    "pve-realm": like(r"[A-Za-z][A-Za-z0-9.\-_]+", "value does not look like a valid realm"),
    "pve-tokenid": like(
        r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+", "value '%s' does not look like a valid token ID"
    ),
    "pve-priv": _privilege,
    "pve-poolid": _pool,
    "pve-iface": like(r"[a-zA-Z][a-zA-Z0-9_]{1,20}([:.]\d+)?", "invalid network interface name '%s'"),
    "pve-tag": like(r"[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*", "invalid characters in tag"),
    "pve-startup-order": _startup,
    "pve-ha-resource-id": like(r"[a-z]+:\S+", "value does not look like a valid ha resource id"),
    "pve-ha-resource-or-vm-id": like(r"[a-z]+:\S+|\d+", "value does not look like a valid ha resource id"),
    "pve-ha-node": like(rf"{_NAME}(:\d+)?", "value does not look like a valid ha node"),
    "pve-replication-job-id": _replication_job,
    "pve-sdn-zone-id": like(r"[a-z][a-z0-9]*[a-z0-9]", "zone ID '%s' contains illegal characters"),
    "pve-calendar-event": _calendar_event,
    "pve-fw-dport-spec": ports_fault,
    "pve-fw-sport-spec": lambda text: ports_fault(text, icmp=False),
    "pve-fw-addr-spec": address_fault,
    "pve-fw-protocol-spec": protocol_fault,
    "pve-fw-icmp-type-spec": icmp_fault,
    "pve-vlan-id-or-range": _vlans,
    "pve-storage-vgname": like(r"[a-zA-Z0-9][a-zA-Z0-9\-_.]*[a-zA-Z0-9]", "lvm name '%s' contains illegal characters"),
    "pve-storage-options": like(r"[^\s,=]+(=[^\s,]*)?(,[^\s,=]+(=[^\s,]*)?)*", "invalid options '%s'"),
    "pve-task-status-type": like(r"(?i:ok|error|warning|unknown)", "invalid status '%s'"),
    "ldap-simple-attr": like(r"[a-zA-Z0-9]+", "value '%s' does not look like a simple ldap attribute name"),
    "email-or-username": like(
        rf"{_EMAIL.pattern}|[\w+~-]+(\.[\w+~-]+)*", "value does not look like a valid email address or user name"
    ),
    "dns-name": like(_DNS, "value does not look like a valid DNS name"),
    "address": like(rf"{_DNS}|[0-9a-fA-F.:]+", "value does not look like a valid address: %s"),
    "ip": _ip(None, "value does not look like a valid IP address"),
    "ipv4": _ip(4, "value does not look like a valid IPv4 address"),
    "ipv6": _ip(6, "value does not look like a valid IPv6 address"),
    "CIDR": _cidr_format(None, "value does not look like a valid CIDR network"),
    "CIDRv4": _cidr_format(4, "value does not look like a valid IPv4 CIDR network"),
    "CIDRv6": _cidr_format(6, "value does not look like a valid IPv6 CIDR network"),
    "FullRangeCIDR": _cidr_format(None, "value does not look like a valid CIDR network", strict=False),
    "IPorCIDR": _address_or_network,
    "IPorCIDRorAlias": _address_network_or_alias,
    "ipv4mask": _ip(4, "value does not look like a valid IP netmask"),
    "pve-ipv4-config": _ip_config(4, ("dhcp", "manual")),
    "pve-ipv6-config": _ip_config(6, ("auto", "dhcp", "manual")),
    "mac-addr": _mac,
    "mac-prefix": _mac_prefix,
    "email": like(_EMAIL.pattern, "value does not look like a valid email address"),
    "urlencoded": _urlencoded,
    "disk-size": like(r"\d+(\.\d+)?[KMGT]?", "value does not look like a valid disk size: %s"),
}


def verify(name: str, text: str) -> str | None:
    """Check a text against a named format, also its `-list` and `-opt` forms.

    Returns:
        The fault in PVE's words, or None; formats that are not known pass.
    """
    if name in VERIFY:
        return VERIFY[name](text)
    if name.endswith("-list"):
        faults = (verify(name.removesuffix("-list"), part) for part in split_list(text))
        return next((fault for fault in faults if fault), None)
    if name.endswith("-opt"):
        return None if text in ("", "0") else verify(name.removesuffix("-opt"), text)
    return None


# What counts as a boolean inside a property string, though not as a parameter.
_TRUTHS = {"on": "1", "yes": "1", "true": "1", "off": "0", "no": "0", "false": "0"}


def parse_properties(fields: Mapping[str, Mapping[str, Any]], text: str) -> tuple[dict[str, str], str | None]:
    """Take a property string apart by its format: default keys, aliases and key aliases resolved.

    Args:
        fields: The format, as the API table has it.
        text: `key=value,...`; one value without a key belongs to the default key.

    Returns:
        The values by key, and the fault of the string as a whole, if any.
    """
    default = next((key for key, field in fields.items() if field.get("default_key")), None)
    found: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not equals:
            if default is None:
                return found, "value without key, but schema does not define a default key"
            key, value = default, part
        elif not key or not value or value.startswith("\n"):
            return found, "missing key in comma-separated list property"
        if key in found:
            return found, f"duplicate key in comma-separated list property: {key}"
        field = fields.get(key, {})
        if "alias" in field:
            kind = field.get("keyAlias")
            if kind:
                if kind in found:
                    return found, f"key alias '{kind}' is already defined"
                found[kind] = key
            key = str(field["alias"])
            if key in found:
                return found, f"key '{key}' is already defined (via alias)"
        found[key] = _TRUTHS.get(value.lower(), value) if fields.get(key, {}).get("type") == "boolean" else value
    return found, None


def taken_apart(fields: Mapping[str, Mapping[str, Any]], text: str) -> dict[str, Any]:
    """Return a sound property string as PVE shows it taken apart: booleans are numbers, all else texts."""
    found = parse_properties(fields, text)[0]
    return {key: int(value) if fields.get(key, {}).get("type") == "boolean" else value for key, value in found.items()}
