"""Guests of a spec one by one: defaults merged in, counts written out, each with its identity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from atlas.spec import Disk, Guest, GuestDefaults, Model, Network, Stack, interface


@dataclass(frozen=True, slots=True)
class Instance:
    """One guest that is wanted.

    Args:
        group: The name of its entry in the spec.
        index: 1, 2, … where the entry has a `count`, else 0.
        guest: Its entry with all defaults merged in and with the addresses and VMID of this very instance.
        path: Where the entry stands in the file, such as `guests[0]`.
    """

    group: str
    index: int
    guest: Guest
    path: str

    @property
    def key(self) -> str:
        """The stable key within the stack, which is also the guest's name."""
        return key_of(self.group, self.index)


def key_of(group: str, index: int) -> str:
    """Return the key of a guest; index 0 stands for an entry without a `count`."""
    return f"{group}-{index}" if index else group


def instances(stack: Stack, site: GuestDefaults | None = None) -> tuple[Instance, ...]:
    """Return every guest of the stack, in the order of the file.

    Args:
        stack: The spec.
        site: Defaults of the site (a cluster profile); the stack's and the guest's own words win.
    """
    bases = [base for base in (site, stack.defaults) if base is not None]
    return tuple(_expand(stack, bases))


def _expand(stack: Stack, bases: Sequence[GuestDefaults]) -> Iterator[Instance]:
    for number, entry in enumerate(stack.guests):
        whole = _merge([*bases, entry], entry)
        tags = tuple(dict.fromkeys((*stack.metadata.tags, *whole.tags)))
        whole = whole.model_copy(update={"tags": tags})
        path = f"guests[{number}]"
        if entry.count is None:
            yield Instance(entry.name, 0, whole, path)
            continue
        for i in range(entry.count):
            vmid = None if whole.vmid is None else whole.vmid + i
            networks = tuple(_shifted(n, i) for n in whole.networks)
            mine = whole.model_copy(update={"vmid": vmid, "networks": networks})
            yield Instance(entry.name, i + 1, mine, path)


def _shifted(network: Network, by: int) -> Network:
    if by == 0:
        return network
    first = interface(network.address)
    address = network.address if first is None else f"{first.ip + by}/{first.network.prefixlen}"
    return network.model_copy(update={"address": address, "mac": None})


def _merge(layers: Sequence[GuestDefaults], entry: Guest) -> Guest:
    """Merge by what was said: later layers win, parts are merged field by field, list entries inherit their place."""
    said: dict[str, Any] = {}
    for layer in layers:
        for field in layer.model_fields_set:
            value, before = getattr(layer, field), said.get(field)
            if isinstance(value, Model) and isinstance(before, type(value)):
                value = before.model_copy(update={f: getattr(value, f) for f in value.model_fields_set})
            elif field in ("disks", "networks") and before:
                value = tuple(_inherit(item, before[0]) for item in value)
            said[field] = value
    return entry.model_copy(update=said)


def _inherit(item: Disk | Network, base: Disk | Network) -> Disk | Network:
    """Fill what an entry of a list left out from the first entry of the defaults: where it lies, not what it is."""
    if isinstance(item, Disk) and isinstance(base, Disk):
        own = {"storage", "bus", "ssd", "discard", "iothread"}
    elif isinstance(item, Network) and isinstance(base, Network) and "bridge" not in item.model_fields_set:
        own = {"bridge", "vlan", "mtu", "gateway"}
    else:
        return item
    missing = (own & base.model_fields_set) - item.model_fields_set
    return item.model_copy(update={f: getattr(base, f) for f in missing}) if missing else item
