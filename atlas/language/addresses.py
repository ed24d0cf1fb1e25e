"""Addresses of guests: one for each, prefix lengths, and ends completed from the network that was said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from atlas.language.draft import Finding
from atlas.language.facts import Fact

if TYPE_CHECKING:
    from atlas.language.scope import Applier


def apply_prefix(a: Applier, g: int, prefix: int) -> None:
    """Give an address its prefix length, or keep that for the address to come."""
    a.prefixes[g] = prefix
    network = a.network(g)
    address = str(network.get("address", ""))
    bare, slash, _ = address.partition("/")
    if bare not in {"", "dhcp", "auto"} and not (slash and (g, "addresses") in a.said):
        network["address"] = f"{bare}/{prefix}"


def apply_each(a: Applier, fact: Fact, scope: Sequence[int]) -> None:
    """Give each guest its own of some addresses or VMIDs."""
    listed = list(fact.value) if isinstance(fact.value, list) else [fact.value]
    if fact.field == "addresses.from" and fact.value:
        first = str(fact.value)
        subnet = str(a.draft.guests[scope[0]].fields.get("subnet", "")) if first.startswith(".") and scope else ""
        listed = counted(f"{subnet.partition('/')[0].rpartition('.')[0]}{first}", len(scope))
    if fact.field == "vmid" and len(listed) == 1 and len(scope) > 1:
        listed = [listed[0] + k for k in range(len(scope))]
    if len(listed) != len(scope) and fact.field != "vmid":
        if len(scope) == 1 and len(listed) > 1:
            for k, address in enumerate(listed[: 1 + 15]):
                a.nic = k
                _address(a, scope[0], address)
            a.nic = 0
            return
        text = f"{len(listed)} address{'es were' if len(listed) != 1 else ' was'} said for {len(scope)} guests"
        a.draft.findings.append(
            Finding(kind="error", code="ip_count_mismatch", text=text, fields=["addresses", "count"])
        )
        return
    for g, value in zip(scope, listed, strict=False):
        a.said[g, "addresses"] = (value, tuple(scope))
        if fact.field == "vmid":
            a.draft.guests[g].fields["vmid"] = value
        else:
            _address(a, g, value)


def _address(a: Applier, g: int, value: str) -> None:
    if value.startswith("."):
        subnet = str(a.draft.guests[g].fields.get("subnet", ""))
        had, _, length = str(a.network(g).get("address", "")).partition("/")
        near = subnet or had  # `.9, not .8` keeps the rest of the address
        value = f"{near.rpartition('.')[0]}{value}" if "." in near else value
        value += f"/{length}" if length and not subnet and "/" not in value and g not in a.prefixes else ""
    prefix = a.prefixes.get(g)
    if prefix is None and "/" not in value and not a.was_new(g):
        prefix = _same_network(str(a.network(g).get("address", "")), value)
    a.network(g)["address"] = f"{value}/{prefix}" if prefix is not None and "/" not in value else value


def _same_network(had: str, new: str) -> int | None:
    """Return the prefix length of a guest's present address where another one lies in the same network."""
    from ipaddress import ip_address, ip_interface

    try:
        network = ip_interface(had).network
        return network.prefixlen if "/" in had and ip_address(new) in network else None
    except ValueError:
        return None


def counted(first: str, count: int) -> list[str]:
    """Return consecutive addresses."""
    from ipaddress import ip_address

    head, slash, prefix = first.partition("/")
    try:
        start = ip_address(head)
        return [f"{start + n}{slash}{prefix}" for n in range(count)]
    except ValueError:
        return [first] * count
