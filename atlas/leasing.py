"""Leases of a stack: VMIDs, addresses and MACs for its guests, chosen so that nobody has them yet. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from atlas.diagnostics import Diagnostic, error
from atlas.errors import SpecError
from atlas.instances import Instance
from atlas.settings import AddressPool
from atlas.spec import Network, interface
from atlas.state import Lease, State


@dataclass(frozen=True, slots=True)
class Origin:
    """What a guest is made from: the template's VMID or the archive's volid, and the node that has it."""

    source: str
    node: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What leases are chosen by.

    Args:
        stack: The stack's name.
        vmids: First and last VMID that are ATLAS's.
        pools: The address pools.
        nodes: The node of each guest, by key.
        origins: What each guest is made from, by key.
        free: Whether nobody at all has a VMID.
        renames: New key to (group, index) before.
        chance: Makes MACs; seeded in tests.
        stolen: VMIDs of the stack that somebody took while they were only reserved.
    """

    stack: str
    vmids: tuple[int, int]
    pools: Sequence[AddressPool]
    nodes: Mapping[str, str]
    origins: Mapping[str, Origin]
    free: Callable[[int], bool]
    renames: Mapping[str, tuple[str, int]]
    chance: random.Random
    stolen: frozenset[int] = frozenset()


def choose(wanted: Sequence[Instance], existing: Sequence[Lease], state: State, terms: Terms) -> list[Lease]:
    """Return the leases of the stack's wanted guests: those it has are kept, what is missing is chosen.

    Args:
        wanted: The guests.
        existing: All leases of the cluster.
        state: The cluster; what it shows as taken is not chosen.
        terms: The rest.

    Raises:
        SpecError: A VMID or an address is taken, or there is none left.
    """
    taken = _Taken(wanted, existing, state, terms)
    own = {(x.group, x.index): x for x in existing if x.stack == terms.stack}
    # A guest that left its group for an entry of its own (`web-2` beside `web`) keeps its key, and so its lease.
    made = {x.key: x for place, x in own.items() if x.made and place not in terms.renames.values()}
    leases: list[Lease] = []
    found: list[Diagnostic] = []
    for instance in wanted:
        place = terms.renames.get(instance.key, (instance.group, instance.index))
        before = own.get(place)
        if before is None or not before.made:
            before = made.get(instance.key, before)
        try:
            leases.append(_lease(instance, before, taken, terms))
        except _Refused as refused:
            found.append(refused.diagnostic)
    if found:
        raise SpecError(found)
    return leases


class _Refused(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.summary)
        self.diagnostic = diagnostic


class _Taken:
    """What others have: VMIDs, addresses, MACs; grows as leases are chosen."""

    def __init__(self, wanted: Sequence[Instance], existing: Sequence[Lease], state: State, terms: Terms) -> None:
        own = {x.vmid for x in existing if x.stack == terms.stack} - terms.stolen
        self.identities = {(g.vmid, g.uuid) for g in state.guests.values()}
        self.vmids = {x.vmid for x in existing} | set(state.guests)
        self.vmids |= {i.guest.vmid for i in wanted if i.guest.vmid is not None and i.guest.vmid not in own}
        self.by_others = {x.vmid: f"the stack {x.stack}" for x in existing if x.stack != terms.stack}
        self.by_others |= {v: f"{g.name or g.kind} on {g.node}" for v, g in state.guests.items() if v not in own}
        self.addresses = {str(a.ip): x for x in existing for text in x.addresses if (a := interface(text)) is not None}
        self.seen = {ip for g in state.guests.values() if g.vmid not in own for ip in _static(g.attributes)}
        self.static = {str(a.ip) for i in wanted for n in i.guest.networks if (a := interface(n.address)) is not None}
        self.macs = {m for x in existing for m in x.macs}
        self.next = terms.vmids[0]
        self.cursors: dict[str, Iterator[str]] = {}


def _static(attributes: Mapping[str, object]) -> Iterator[str]:
    for path, value in attributes.items():
        if path.endswith(".address") and isinstance(value, str) and "/" in value:
            yield value.partition("/")[0]


def _lease(instance: Instance, before: Lease | None, taken: _Taken, terms: Terms) -> Lease:
    guest = instance.guest
    kept = before is not None and before.made
    stays = before is not None and before.vmid not in terms.stolen and guest.vmid in (None, before.vmid)
    if before is not None and kept and not stays and (before.vmid, before.uuid) in taken.identities:
        raise _Refused(
            error(
                f"{instance.path}.vmid",
                f"{instance.key} is {before.vmid} and cannot become {guest.vmid}",
                detail="Proxmox VE cannot give a guest another VMID.",
                hint=f"leave `vmid` out or write {before.vmid}; or remove the guest, apply that, and add it again",
            )
        )
    vmid = before.vmid if before is not None and stays else _vmid(instance, taken, terms)
    origin = terms.origins[instance.key]
    addresses, gateways, macs = [], [], []
    for i, network in enumerate(guest.networks):
        had = before.addresses[i] if before and i < len(before.addresses) else None
        if had is not None and before and not before.made and had.partition("/")[0] in taken.seen:
            had = None  # somebody took it while it was only reserved
        address, gateway = _address(instance, i, network, had, taken, terms)
        addresses.append(address)
        gateways.append(gateway)
        known = before.macs[i] if before and i < len(before.macs) else None
        macs.append(network.mac.upper() if network.mac else known or _mac(taken, terms.chance))
    lease = Lease(
        stack=terms.stack,
        group=instance.group,
        index=instance.index,
        kind=guest.kind,
        vmid=vmid,
        node=terms.nodes[instance.key],
        source=origin.source,
        source_node=origin.node,
        addresses=tuple(addresses),
        gateways=tuple(gateways),
        macs=tuple(macs),
    )
    if before is not None and kept:
        lease = replace(lease, made=True, uuid=before.uuid)
    return lease


def _vmid(instance: Instance, taken: _Taken, terms: Terms) -> int:
    said = instance.guest.vmid
    if said is not None:
        if said in taken.by_others or not terms.free(said):
            owner = taken.by_others.get(said, "a guest that the token does not see")
            raise _Refused(
                error(
                    f"{instance.path}.vmid",
                    f"the VMID {said} is taken",
                    detail=f"by {owner}",
                    hint="name another, or none",
                )
            )
        return said
    first, last = terms.vmids
    for vmid in range(taken.next, last + 1):
        if vmid not in taken.vmids and terms.free(vmid):
            taken.next = vmid + 1
            taken.vmids.add(vmid)
            return vmid
    hint = "widen `vmids` in the cluster's profile"
    raise _Refused(error(instance.path, f"no VMID is left from {first} to {last}", hint=hint))


def _address(
    instance: Instance, number: int, network: Network, had: str | None, taken: _Taken, terms: Terms
) -> tuple[str, str | None]:
    where = f"{instance.path}.networks[{number}].address"
    said = interface(network.address)
    pool = next((p for p in terms.pools if (p.bridge, p.vlan) == (network.bridge, network.vlan)), None)
    if network.address == "dhcp":
        return "dhcp", None
    if said is not None:
        owner = taken.addresses.get(str(said.ip))
        if (owner is not None and owner.stack != terms.stack) or str(said.ip) in taken.seen:
            detail = f"by {owner.key} of the stack {owner.stack}" if owner else "by a guest on the cluster"
            raise _Refused(
                error(where, f"the address {said.ip} is taken", detail=detail, hint="name another, or `auto`")
            )
        in_pool = pool is not None and pool.holds(str(said.ip))
        return network.address, network.gateway or (pool.gateway if pool and in_pool else None)
    if pool is None:
        at = f"{network.bridge}{f', VLAN {network.vlan}' if network.vlan else ''}"
        hint = "give a static address or `dhcp`, or add an address pool to the cluster's profile"
        raise _Refused(error(where, f"there is no address pool for {at}", hint=hint))
    if had not in (None, "dhcp") and pool.holds(str(had).partition("/")[0]):
        return str(had), network.gateway or pool.gateway
    for address in taken.cursors.setdefault(pool.name, _range(pool)):
        if not any(address in claimed for claimed in (taken.addresses, taken.seen, taken.static)):
            taken.static.add(address)
            return f"{address}/{ip_network(pool.network).prefixlen}", network.gateway or pool.gateway
    raise _Refused(error(where, f"no address is left in the pool {pool.name}", hint="widen the pool in the profile"))


def _range(pool: AddressPool) -> Iterator[str]:
    net = ip_network(pool.network)
    first = int(ip_address(pool.first)) if pool.first else int(net.network_address) + 1
    last = int(ip_address(pool.last)) if pool.last else int(net.broadcast_address) - 1
    kind = type(net.network_address)
    for number in range(first, last + 1):
        if str(kind(number)) != pool.gateway:
            yield str(kind(number))


def _mac(taken: _Taken, chance: random.Random) -> str:
    # BC:24:11 is the prefix of Proxmox Server Solutions, which PVE itself generates from by default.
    while True:
        mac = "BC:24:11:" + ":".join(f"{chance.randrange(256):02X}" for _ in range(3))
        if mac not in taken.macs:
            taken.macs.add(mac)
            return mac
