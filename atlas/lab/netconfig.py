"""Read cloud-init's network-config (version 1): which addresses each MAC gets, gateways and nameservers."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from io import StringIO
from typing import Any


@dataclass(frozen=True)
class Address:
    """One address of a card: `ip/prefix` with an optional gateway, or `dhcp`."""

    ip: str = ""
    prefix: int = 24
    gateway: str | None = None
    dhcp: bool = False


def addresses_by_mac(text: str) -> dict[str, list[Address]]:
    """Map each lower-case MAC of a network-config to its addresses; unreadable text gives nothing.

    Source: https://cloudinit.readthedocs.io/en/latest/reference/network-config-format-v1.html
    """
    found: dict[str, list[Address]] = {}
    for item in _items(text):
        mac = str(item.get("mac_address", "")).lower()
        if item.get("type") != "physical" or not mac:
            continue
        for subnet in item.get("subnets") or []:
            address = _address(subnet)
            if address is not None:
                found.setdefault(mac, []).append(address)
    return found


def nameservers(text: str) -> list[str]:
    """List the nameservers that a network-config gives, in order."""
    servers: list[str] = []
    for item in _items(text):
        given = item.get("address") if item.get("type") == "nameserver" else None
        servers += [str(each) for each in (given if isinstance(given, list) else [given] if given else [])]
        for subnet in item.get("subnets") or []:
            servers += [str(each) for each in subnet.get("dns_nameservers") or []]
    return servers


def _items(text: str) -> list[dict[str, Any]]:
    if not text.strip():
        return []
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        parsed = YAML(typ="safe", pure=True).load(StringIO(text))
    except YAMLError:
        return []
    config = parsed.get("config") if isinstance(parsed, dict) else None
    return [item for item in config if isinstance(item, dict)] if isinstance(config, list) else []


def _address(subnet: dict[str, Any]) -> Address | None:
    kind = str(subnet.get("type", ""))
    if kind.startswith("dhcp"):
        return Address(dhcp=True) if kind in ("dhcp", "dhcp4") else None
    given = str(subnet.get("address", ""))
    netmask = subnet.get("netmask")
    if netmask and "/" not in given:
        given = f"{given}/{netmask}"
    try:
        interface = ipaddress.ip_interface(given)
    except ValueError:
        return None
    gateway = subnet.get("gateway")
    return Address(str(interface.ip), interface.network.prefixlen, str(gateway) if gateway else None)
