"""Facts of the network: addresses, ranges and masks, and the ports that are opened."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from atlas.language.facts import Fact, values
from atlas.language.items import Item


def between(first_: str, last: str) -> list[str]:
    """Return the addresses from the first to the last, whose leading parts may be left out."""
    head, _, tail = first_.partition("/")[0].rpartition(".")
    end, _, prefix = last.lstrip(".").partition("/")
    prefix = prefix or first_.partition("/")[2]
    low, high = int(tail), int(end.rpartition(".")[2])
    return [f"{head}.{n}{f'/{prefix}' if prefix else ''}" for n in range(low, min(high, low + 255) + 1)]


def written_out(address: str) -> list[str]:
    """Return the addresses of a token such as `10.0.0.31-33/24`, or the one that it is."""
    match = re.fullmatch(r"([\d.]+)\s?[-\u2013]\s?([\d.]+)(/\d+)?", address)
    return between(match[1], match[2] + (match[3] or "")) if match else [address]


def address_range(items: Sequence[Item]) -> list[Fact]:
    """Read addresses from the first to the last, of which only the end may be said."""
    ends = [str(i.value) for i in items if i.tag in {"ADDR", "LASTPART", "NUM"}]
    facts = [Fact("addresses", between(ends[0], ends[1]))]
    return facts + [Fact("prefix", int(text[1:])) for text in values(items, "PREFIXLEN")]


def addresses(items: Sequence[Item]) -> list[Fact]:
    """Read addresses: listed, or the first of consecutive ones."""
    masks = [i for i in items if i.tag == "ADDR" and str(i.value).startswith("255.")]
    if masks and masks[0] is not items[0]:
        return [*addresses([i for i in items if i not in masks]), *netmask(masks[:1])]  # `10.0.0.5 255.255.255.0`
    tags = [i.tag for i in items]
    found = [i for i in items if i.tag in {"ADDR", "LASTPART"}]
    listed = list[str]()
    for item in found:
        if item.tag == "LASTPART" and listed:
            head, _, prefix = listed[-1].partition("/")
            near = f"{head.rpartition('.')[0]}{item.value}"
            listed += written_out(near if "/" in near or not prefix else f"{near}/{prefix}")
        else:
            listed += written_out(str(item.value))
    ends = {a.partition("/")[2] for a in listed} - {""}
    if len(ends) == 1:
        listed = [a if "/" in a else f"{a}/{next(iter(ends))}" for a in listed]
    if len(listed) == 1 and _is_network(listed[0]) and "IP" not in tags:
        return [Fact("subnet", listed[0])]
    starts = {"STARTING", "FIRST", "ONWARDS"} & set(tags)
    facts = [Fact("addresses.from", listed[0])] if starts else [Fact("addresses", listed)]
    facts += [Fact("prefix", int(text[1:])) for text in values(items, "PREFIXLEN")]
    return facts


def _is_network(address: str) -> bool:
    """Tell whether an address is that of a whole network, such as 10.8.0.0/24."""
    from ipaddress import ip_interface

    try:
        whole = ip_interface(address)
    except ValueError:
        return False
    return "/" in address and whole.network.num_addresses > 2 and whole.ip == whole.network.network_address


def ends_only(items: Sequence[Item]) -> list[Fact]:
    """Read addresses of which only the ends are said, the network being known: `.5 and .6`."""
    return [Fact("addresses", [str(v) for v in values(items, "LASTPART")])]


def ends_from(items: Sequence[Item]) -> list[Fact]:
    """Read the end of the first of consecutive addresses, the network being known: `starting from .21`."""
    return [Fact("addresses.from", str(items[-1].value))]


def gateway(items: Sequence[Item]) -> list[Fact]:
    """Read a gateway, of which only the end may be said."""
    return [Fact("gateway", str(items[-1].value).partition("/")[0])]


def netmask(items: Sequence[Item]) -> list[Fact]:
    """Read a netmask as a prefix length."""
    from ipaddress import ip_network

    try:
        return [Fact("prefix", ip_network(f"0.0.0.0/{items[-1].value}").prefixlen)]
    except ValueError:
        return [Fact("invalid_ip", items[-1].value)]


def subnet(items: Sequence[Item]) -> list[Fact]:
    """Read the network that addresses are in."""
    return [Fact("subnet", items[-1].value)]


def ports(items: Sequence[Item]) -> list[Fact]:
    """Read ports to open, with protocol and source."""
    source = [str(v) for v in values(items, "ADDR")]
    kind = "/udp" if values(items, "UDP") else ""
    listed: list[Any] = [f"{n}{kind}" if kind else n for n in values(items, "NUM")]
    listed += [
        str(v).lower() if str(v).lower().endswith("udp") else int(str(v)[:-4]) for v in values(items, "PORTPROTO")
    ]
    return [Fact("open_ports", f"{p}@{source[0]}" if source else p, "add") for p in listed]


def ports_inside(items: Sequence[Item]) -> list[Fact] | None:
    """Read `9092 open inside 10.0.0.0/24`; a single address there is no source."""
    return ports(items) if any(_is_network(str(v)) for v in values(items, "ADDR")) else None


def closed(items: Sequence[Item]) -> list[Fact]:
    """Read ports that are no longer to be open."""
    return [Fact("open_ports", fact.value, "remove") for fact in ports([i for i in items if i.tag != "ADDR"])]


def both_protocols(items: Sequence[Item]) -> list[Fact]:
    """Read a port that is open for TCP and UDP."""
    number = values(items, "NUM")[0]
    return [Fact("open_ports", number, "add"), Fact("open_ports", f"{number}/udp", "add")]


_SERVICES = {
    "http": 80,
    "https": 443,
    "ssh": 22,
    "smtp": 25,
    "smtps": 465,
    "submission": 587,
    "imap": 143,
    "imaps": 993,
}
_SERVICES |= {"pop3": 110, "pop3s": 995, "rdp": 3389, "ldap": 389, "ldaps": 636}


def services(items: Sequence[Item]) -> list[Fact]:
    """Read ports that are said by what listens there."""
    source = next((f"@{i.value}" for i in items if i.tag == "ADDR"), "")
    found = [_SERVICES[i.low] for i in items if i.low in _SERVICES]
    return [Fact("open_ports", f"{port}{source}" if source else port, "add") for port in found]


def protocols(items: Sequence[Item]) -> list[Fact]:
    """Read ports that each have a protocol: `udp 34197 and tcp 27015`."""
    facts: list[Fact] = []
    kind = ""
    for item in items:
        kind = "/udp" if item.tag == "UDP" else "" if item.tag == "PORT" and item.low == "tcp" else kind
        if item.tag == "NUM":
            facts.append(Fact("open_ports", f"{item.value}{kind}" if kind else item.value, "add"))
    return facts
