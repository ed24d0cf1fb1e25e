"""Nouns that stand for guests, compared in one form, and what a subject made of them says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from atlas.language.facts import Fact
from atlas.language.items import NO_PLURAL, SINGULAR_S, Item

HEADS = frozenset({"KIND", "NOUN", "ROLE", "SWV", "NODEWORD"})
ALIASES = {
    "database": "db",
    "datenbank": "db",
    "base de datos": "db",
    "base de données": "db",
    "web server": "web",
    "webserver": "web",
    "app server": "app",
    "appserver": "app",
    "load balancer": "lb",
    "balancer": "lb",
    "bilanciatore": "lb",
    "bilanciatori": "lb",
    "control-plane": "control plane",
    "application": "app",
}
GENERIC = frozenset({"", "server", "box", "machine", "host", "instance"})
"""Roles that tell no guest from another."""
COUNTERS = frozenset({"replica", "node", "unit", "copy", "piece", "member", "replik", "réplica", "nodo", "knoten"})
"""What guests are counted by under a heading that says what they are: `frontend: 2 replicas`."""
NAMESAKES = frozenset({"DNS", "BACKUP", "GATEWAY"})


@dataclass(slots=True)
class Subject:
    """What some words say of which guests are meant.

    Args:
        weak: Whether it is a bare word, which need not be a guest.
        named: Whether it is a bare name.
        many: Whether it is a plural without a number.
        guess: Whether it is an unknown word, which nothing but a number says is a guest.
    """

    length: int = 0
    count: Any = None
    role: str = ""
    names: list[str] = field(default_factory=list)
    kind: str | None = None
    image: str | None = None
    software: str = ""
    facts: list[Fact] = field(default_factory=list)
    indefinite: bool = False
    definite: bool = False
    ordinal: int | None = None
    it: bool = False
    many: bool = False
    some: bool = False
    more: bool = False
    fewer: bool = False
    old: bool = False
    big: str = ""
    times: bool = False
    weak: bool = False
    named: bool = False
    words: str = ""
    by_software: bool = False
    guess: bool = False


def role_word(word: str) -> str:
    """Return a role in the form that is compared: lower case, singular, one word for what means the same."""
    low = word.lower()
    if low in ALIASES:
        return ALIASES[low]
    if low.endswith("ies"):
        low = low[:-3] + "y"
    elif low.endswith(("xes", "ches", "shes")):
        low = low[:-2]
    elif low.endswith("s") and len(low) > 2 and not low.endswith(NO_PLURAL) and low not in SINGULAR_S:
        low = low[:-1]
    return ALIASES.get(low, low)


def sized(items: Sequence[Item], at: int) -> bool:
    """Tell whether sizes follow, which only guests have: `alpha (2c 4g)`."""
    at += at < len(items) and items[at].tag in {"FILL", "DASH", "COLON"}
    at += at < len(items) and items[at].tag == "OPENP"
    tags = [item.tag for item in items[at : at + 2]]
    return tags[:1] == ["CORESHORT"] or tags == ["NUM", "CORES"]
