"""Guests counted by the node: `pve1 and pve2 get one vm each`, `one vm on each of pve1, pve2 and pve3`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from atlas.language.items import Item

_NODE = re.compile(r"pve|prox|hv\d|node|host|hyper", re.IGNORECASE)
_JOINS = frozenset({"COMMA", "AND", "SLASH"})
_GETS = frozenset({"FILL", "CHANGE", "WITH", "ALL", "EACH", "COLON", "NOUN", "ON", "RUNNING"})
_GUEST = frozenset({"KIND", "NOUN"})


def per_node(items: Sequence[Item]) -> list[Item]:
    """Return the items with as many guests as there are nodes, each on its own, where they are counted by the node."""
    for k, item in enumerate(items):
        if item.tag != "EACH":
            continue
        if (
            _tag(items, k + 1) == "ON"
            and _tag(items, k - 1) == "NUM"
            and _tag(items, k - 2) in {"COMMA", "STOP", "DASH"}
        ):
            nodes, end = _nodes(items, k + 2)
            if len(nodes) > 1:  # `three vms, one each on pve1, pve2 and pve3`
                return [*items[: k - 1], *_on(nodes, item), *items[end:]]
        of = _tag(items, k - 1) == "ON" and _tag(items, k + 1) == "OF"
        on = 2 if _tag(items, k + 1) == "ON" else 0
        if of or on:
            nodes, end = _nodes(items, k + 2)
            begin = k - 1 if of else k
            at = _count_before(items, begin)
        else:
            nodes, end, at = _nodes_before(items, k)
            begin = k
        if len(nodes) < 2 or at is None:
            continue
        several = _several(items[at], len(nodes))
        listed = [x for node in nodes for x in [node] * int(items[at].value or 1)]
        if not (of or on):  # the nodes come first: they move to where `each` stands
            before = [x for x in items[:at] if x not in nodes and x.tag not in _JOINS | {"NODEWORD", "ON"}]
            return [*before, several, *items[at + 1 : begin], *_on(listed, item), *items[begin + 1 :]]
        return [*items[:at], several, *items[at + 1 : begin], *_on(listed, item), *items[end:]]
    return list(items)


def _tag(items: Sequence[Item], k: int) -> str:
    return items[k].tag if 0 <= k < len(items) else ""


def _nodes(items: Sequence[Item], at: int, *, named: bool = False) -> tuple[list[Item], int]:
    """Return the nodes that are listed at an item, and where the list ends."""
    while _tag(items, at) in {"A", "NODEWORD", "COLON"}:
        named, at = named or items[at].tag == "NODEWORD", at + 1
    nodes: list[Item] = []
    end = at
    while _tag(items, at) in {"WORD", "NAME"} and (named or _NODE.match(items[at].text)):
        nodes.append(items[at])
        at = end = at + 1
        while _tag(items, at) in _JOINS:
            at += 1
    return nodes, end


def _nodes_before(items: Sequence[Item], k: int) -> tuple[list[Item], int, int | None]:
    """Return the nodes at the head of the clause that `each` closes, and where the guests are counted behind them."""
    for begin in range(k):
        if begin and _tag(items, begin - 1) not in {"STOP", "COMMA", "FILL", "ON", "DASH", "COLON"}:
            continue
        nodes, end = _nodes(items, begin)
        if len(nodes) < 2:
            continue
        at = end
        while _tag(items, at) in _GETS:
            at += 1
        counted = _tag(items, at) in {"NUM", "A"} and any(x.tag in _GUEST for x in items[at:k])
        if at > end and counted:
            return nodes, end, at
    return [], k, None


def _count_before(items: Sequence[Item], end: int) -> int | None:
    """Return where the guests are counted in front of `each`: the number or the article of their noun."""
    noun = next((j for j in range(end - 1, -1, -1) if items[j].tag in _GUEST), None)
    if noun is None or any(x.tag in {"COMMA", "STOP"} for x in items[noun:end]):
        return None
    at = next((j for j in range(noun - 1, -1, -1) if items[j].tag in {"NUM", "A", "STOP", "COMMA"}), None)
    return at if at is not None and items[at].tag in {"NUM", "A"} else None


def _several(item: Item, nodes: int) -> Item:
    return Item("NUM", (item.value if item.tag == "NUM" else 1) * nodes, item.text, item.start)


def _on(nodes: Sequence[Item], mark: Item) -> list[Item]:
    """Return `on pve1, pve2` as items."""
    out = [Item("ON", None, "on", mark.start)]
    for node in nodes:
        out += [node, Item("COMMA", None, ",", mark.start)]
    return out[:-1]
