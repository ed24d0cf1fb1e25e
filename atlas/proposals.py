"""What a new cluster profile may say: proposals from what a cluster shows, and answers as values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, ip_interface
from typing import Any

from atlas.errors import UsageError
from atlas.state import State

BLOCK = 10_000
"""VMIDs of a proposed range: room for years, and easy to tell apart from ids that people choose."""
LEASED = 50
"""Addresses of a proposed pool."""
_LAST_VMID = 999_999_999


def endpoint(text: str) -> str:
    """Return the address of an API from what a person writes: a host, with or without https and port.

    Raises:
        UsageError: It is none.
    """
    match = re.fullmatch(r"(?:https://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?/*", text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no address of an API", "write it like https://pve1.example.com:8006")
    return f"https://{match[1]}:{match[2] or 8006}"


def bridges(state: State) -> list[str]:
    """Return the bridges that every online node has, in the order of their names."""
    found = [node.bridges for node in state.nodes.values() if node.online and node.bridges is not None]
    return sorted(frozenset.intersection(*found), key=_natural) if found else []


def _natural(name: str) -> list[tuple[str, int]]:
    """Return a key by which `vmbr2` comes before `vmbr10`."""
    return [(word, int(part or 0)) for word, part in re.findall(r"(\D*)(\d*)", name)]


def storages(state: State) -> list[str]:
    """Return the storages for disks that every online node has: shared ones first, then by what is free."""
    online = [node.name for node in state.nodes.values() if node.online]
    ranked = []
    for name in {s.name for s in state.storages}:
        seen = [s for node in online if (s := state.storage(name, node)) and s.active and "images" in s.content]
        if seen and len(seen) == len(online):
            ranked.append((not seen[0].shared, -min(s.free for s in seen), name))
    return [name for _, _, name in sorted(ranked)]


def blocks(state: State) -> Iterator[tuple[int, int]]:
    """Yield ranges of VMIDs in which no guest is seen."""
    for first in range(BLOCK, _LAST_VMID - BLOCK, BLOCK):
        if not any(first <= vmid < first + BLOCK for vmid in state.guests):
            yield first, first + BLOCK - 1


def vmids(text: str) -> tuple[int, int]:
    """Return a range of VMIDs, `10000-19999`.

    Raises:
        UsageError: It is none.
    """
    match = re.fullmatch(r"\s*(\d{3,9})\s*-\s*(\d{3,9})\s*", text)
    if match is None or not 100 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"{text!r} is no range of VMIDs", "write it like 10000-19999; 100 is the least")
    return int(match[1]), int(match[2])


def addresses(bridge: str, interfaces: Iterable[Mapping[str, Any]], taken: Iterable[str] = ()) -> str:
    """Propose addresses in a bridge's own network, `FIRST-LAST/PREFIX`; "" where the bridge has none.

    They are the last of the longest run in the upper half of the network that nobody is known to have.

    Args:
        bridge: The bridge.
        interfaces: `GET nodes/NODE/network` of every node.
        taken: Addresses that are not free, beside those of the nodes and their gateways.
    """
    rows = list(interfaces)
    net = next((n for row in rows if row.get("iface") == bridge and (n := _network(row)) is not None), None)
    if net is None or net.num_addresses < 16:
        return ""
    busy = {str(row.get(key)) for row in rows for key in ("address", "gateway")} | set(taken)
    run: list[str] = []
    longest: list[str] = []
    upper = int(net.network_address) + net.num_addresses // 2
    for number in range(max(upper, int(net.broadcast_address) - 4096), int(net.broadcast_address)):
        address = str(IPv4Address(number))
        run = [] if address in busy else [*run[-LEASED + 1 :], address]
        longest = run if len(run) >= len(longest) else longest
    return f"{longest[0]}-{longest[-1]}/{net.prefixlen}" if longest else ""


def gateway(bridge: str, interfaces: Iterable[Mapping[str, Any]]) -> str:
    """Return the gateway of a bridge's own network, "" where none is known."""
    return next((str(row["gateway"]) for row in interfaces if row.get("iface") == bridge and row.get("gateway")), "")


def _network(row: Mapping[str, Any]) -> IPv4Network | None:
    try:
        net = ip_interface(str(row.get("cidr", ""))).network
    except ValueError:
        return None
    return net if isinstance(net, IPv4Network) else None


def pool(text: str) -> dict[str, str]:
    """Return the fields of an address pool from `FIRST-LAST/PREFIX`.

    Raises:
        UsageError: It is none.
    """
    try:
        span, _, prefix = text.strip().partition("/")
        first, _, last = span.partition("-")
        low, high = (ip_interface(f"{part.strip()}/{prefix.strip()}") for part in (first, last))
        if low.network != high.network or low.ip > high.ip or not prefix:  # type: ignore[operator]  # of one network
            raise ValueError(text)
    except ValueError as problem:
        raise UsageError(
            f"{text!r} is no range of addresses", "write it like 192.168.7.100-192.168.7.149/24, or none"
        ) from problem
    return {"network": str(low.network), "first": str(low.ip), "last": str(high.ip)}
