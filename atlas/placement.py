"""Guests to nodes: who can hold a guest, who has room, and which of them is best. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from atlas.diagnostics import Diagnostic, error
from atlas.instances import Instance
from atlas.state import Node, State
from atlas.units import format_size


@dataclass(slots=True)
class _Room:
    """What is left while guests are placed one after the other."""

    memory: dict[str, int]
    siblings: Counter[tuple[str, str]] = field(default_factory=Counter)
    together: dict[str, str] = field(default_factory=dict)
    apart: dict[str, set[str]] = field(default_factory=dict)


def place(
    wanted: Sequence[Instance], state: State, *, placed: Mapping[str, str], near: Mapping[str, str]
) -> tuple[dict[str, str], list[Diagnostic]]:
    """Choose a node for every guest.

    Args:
        wanted: The guests, in the order of the file.
        state: The cluster.
        placed: Guests that are on a node already, by key; they stay, unless the spec names another node.
        near: The node of each guest's template, preferred among equals: a clone there moves no data.

    Returns:
        The node of every guest that could be placed, and what is wrong for the others.
    """
    room = _Room({n.name: n.memory - n.memory_used for n in state.nodes.values() if n.online})
    nodes: dict[str, str] = {}
    found = list({d.where.path: d for i in wanted for d in _unknown(i, state)}.values())
    vain = {i.path for i in wanted if any(_unknown(i, state))}
    full: dict[tuple[str, str], list[Instance]] = {}
    # Those that are settled come first, so that the others see the room that is really left.
    order = sorted(wanted, key=lambda i: (i.key not in placed and i.guest.node == "auto", i.key not in placed))
    for instance in order:
        said = instance.guest.node
        node: str | None
        if said != "auto":
            node, fault = said, _named(instance, state)
            if fault is not None and fault not in found and (said not in state.nodes or instance.path not in vain):
                found.append(fault)
        elif instance.key in placed:
            node = placed[instance.key]
        elif instance.path in vain:
            node = None
        else:
            node, reasons = _best(instance, state, room, near.get(instance.key))
            if node is None:
                full.setdefault((instance.path, reasons), []).append(instance)
        if node is not None:
            nodes[instance.key] = node
            _occupy(room, instance, node, new=instance.key not in placed)
    for (path, reasons), without in full.items():
        more = f" and {len(without) - 1} more of {without[0].group}" if len(without) > 1 else ""
        hint = "ask for less, name another storage or bridge, or free a node"
        found.append(error(path, f"no node can hold {without[0].key}{more}", detail=reasons, hint=hint))
    found.extend(_groups(wanted, nodes))
    return nodes, found


def lacks(instance: Instance, node: Node, state: State) -> str | None:
    """Return why a node cannot hold a guest, None if it can; room is not looked at."""
    if not node.online:
        return "it is offline"
    content = "images" if instance.guest.kind == "vm" else "rootdir"
    for name in sorted({name for _, name in _storages(instance)}):
        storage = state.storage(name, node.name)
        if storage is None or not storage.active:
            return f"it has no storage {name}"
        if content not in storage.content:
            return f"its storage {name} holds no {content}"
    for network in instance.guest.networks:
        if node.bridges is not None and network.bridge not in node.bridges:
            return f"it has no bridge {network.bridge}"
    if instance.guest.cpu.cores * instance.guest.cpu.sockets > node.cpus > 0 and instance.guest.kind == "vm":
        return f"it has only {node.cpus} processors"
    return None


def _storages(instance: Instance) -> Iterator[tuple[str, str]]:
    """Yield each storage that a guest names, with where it does."""
    guest = instance.guest
    parts = [(f"disks[{i}]", d.storage) for i, d in enumerate(guest.disks)]
    parts += [(f"mounts[{i}]", m.storage) for i, m in enumerate(guest.mounts)]
    parts += [(name, part.storage) for name in ("efi", "tpm") if (part := getattr(guest, name)) is not None]
    yield from ((f"{name}.storage", storage) for name, storage in parts if storage)


def _unknown(instance: Instance, state: State) -> Iterator[Diagnostic]:
    """Yield what no node has: whatever else is wrong, these are wrong as well."""
    storages = {s.name for s in state.storages}
    for where, name in _storages(instance):
        if name not in storages:
            yield _no("storage", f"{instance.path}.{where}", name, storages)
    nodes = [n for n in state.nodes.values() if n.online]
    bridges = {b for n in nodes for b in n.bridges or ()}
    if any(n.bridges is None for n in nodes):
        return
    for i, network in enumerate(instance.guest.networks):
        if network.bridge not in bridges:
            yield _no("bridge", f"{instance.path}.networks[{i}].bridge", network.bridge, bridges)


def _no(what: str, path: str, name: str, known: Iterable[str]) -> Diagnostic:
    return error(
        path, f"there is no {what} {name!r}", hint=f"{what}s that the token sees: {', '.join(sorted(known)) or 'none'}"
    )


def _named(instance: Instance, state: State) -> Diagnostic | None:
    path, name = f"{instance.path}.node", instance.guest.node
    node = state.nodes.get(name)
    if node is None:
        return error(path, f"there is no node {name!r}", hint=f"nodes: {', '.join(sorted(state.nodes))}")
    reason = lacks(instance, node, state)
    return error(path, f"{instance.key} cannot be on {name}: {reason}") if reason else None


def _best(instance: Instance, state: State, room: _Room, near: str | None) -> tuple[str | None, str]:
    """Return the best node for a guest; where there is none, why each cannot hold it."""
    guest = instance.guest
    reasons: dict[str, str] = {}
    fits: list[str] = []
    for node in state.nodes.values():
        reason = lacks(instance, node, state) or _forbidden(instance, node.name, room)
        if reason is None and room.memory[node.name] < guest.memory:
            left = format_size(max(room.memory[node.name], 0))
            reason = f"it has {left} of memory left, {format_size(guest.memory)} is needed"
        if reason is None:
            fits.append(node.name)
        else:
            reasons[node.name] = reason
    if not fits:
        return None, "; ".join(f"{name}: {reason}" for name, reason in sorted(reasons.items()))
    group = room.siblings
    # A node keeps its place in the order while another guest is placed, so that plans read evenly.
    return min(
        fits,
        key=lambda n: (
            group[instance.group, n] if guest.spread or instance.index else 0,
            n != near,
            -room.memory[n],
            n,
        ),
    ), ""


def _forbidden(instance: Instance, node: str, room: _Room) -> str | None:
    guest = instance.guest
    if guest.keep_together and room.together.get(guest.keep_together, node) != node:
        return f"the group {guest.keep_together} is kept together on {room.together[guest.keep_together]}"
    if guest.keep_apart and node in room.apart.get(guest.keep_apart, ()):
        return f"it has a guest of the group {guest.keep_apart} already"
    return None


def _occupy(room: _Room, instance: Instance, node: str, *, new: bool) -> None:
    guest = instance.guest
    if new and node in room.memory:
        room.memory[node] -= guest.memory
    room.siblings[instance.group, node] += 1
    if guest.keep_together:
        room.together.setdefault(guest.keep_together, node)
    if guest.keep_apart:
        room.apart.setdefault(guest.keep_apart, set()).add(node)


def _groups(wanted: Sequence[Instance], nodes: Mapping[str, str]) -> Iterable[Diagnostic]:
    """Yield what explicit nodes break of the groups."""
    apart: dict[tuple[str, str], Instance] = {}
    together: dict[str, tuple[Instance, str]] = {}
    for instance in wanted:
        node = nodes.get(instance.key)
        if node is None:
            continue
        if group := instance.guest.keep_apart:
            other = apart.setdefault((group, node), instance)
            if other is not instance:
                yield error(f"{instance.path}.keep_apart", f"{other.key} and {instance.key} are both on {node}")
        if group := instance.guest.keep_together:
            first, there = together.setdefault(group, (instance, node))
            if there != node:
                text = f"{first.key} is on {there} and {instance.key} on {node}"
                yield error(f"{instance.path}.keep_together", text, hint="name one node for both, or none")
