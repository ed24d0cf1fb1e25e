"""The table of words, read once: what a word or a phrase stands for, also where it is misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from unicodedata import combining, normalize

from atlas.language.lexer import pattern

_NOT_INFLECTED = frozenset(
    {"FILL", "SW", "OS", "A", "OF", "TO", "ON", "NUM", "CHANGE", "REMOVE", "ADD", "IT", "FACTOR"}
)
_CORRECTED = frozenset(
    (
        *("KIND", "NOUN", "CORES", "MEMORY", "DISK", "NAMED", "OS", "SW", "GATEWAY", "STATIC", "STORAGE", "BRIDGE"),
        *("NETWORK", "ROOT", "BACKUP", "PRIVILEGED", "UNPRIVILEGED", "FIREWALL", "TEMPLATE", "SNAPSHOT", "INSTALL"),
        *("ROLE", "CHECK", "NUM"),
    )
)
"""Concepts whose words are recognised when they are misspelt; of the others a name may be a misspelling."""

Entry = tuple[str, Any]
"""A concept and its value, such as `("SW", "postgresql")`."""


@dataclass(frozen=True, slots=True)
class Words:
    """Phrases (as tuples of words) by what they stand for; `longest` is the number of words of the longest."""

    phrases: Mapping[tuple[str, ...], Entry]
    longest: int
    filler: frozenset[str]
    units: Mapping[str, str]
    fractions: Mapping[tuple[str, ...], float]
    releases: Mapping[str, str]
    lexer: re.Pattern[str]
    correctable: tuple[str, ...]


@cache
def words() -> Words:
    """Return the table of words."""
    from importlib.resources import files

    from ruamel.yaml import YAML

    data = YAML(typ="safe").load((files("atlas.configs") / "words.yaml").read_text(encoding="utf-8"))
    phrases: dict[tuple[str, ...], Entry] = {}

    def put(words: Iterable[Any], concept: str, value: Any) -> None:
        for word in words:
            phrases.setdefault(tuple(split(str(word))), (concept, value))

    for concept, listed in data["concepts"].items():
        if concept in {"VM", "CONTAINER"}:
            put(listed, "KIND", concept.lower())
    for number, listed in data["numbers"].items():
        put(listed, "NUM", int(number))
    for by, listed in data["factors"].items():
        put(listed, "FACTOR", float(by))
    releases: dict[str, str] = {}
    for name, system in data["systems"].items():
        put(system["words"], "OS", name)
        for release, version in system.get("releases", {}).items():
            releases[release] = f"{name}-{version}"
            put([release], "OS", f"{name}-{version}")
    for name, listed in data["software"].items():
        put(listed, "SW", name)
    for concept, listed in data["concepts"].items():
        if concept not in {"VM", "CONTAINER"}:
            put(listed, concept, None)
    put(data["roles"], "ROLE", None)
    units = {str(word): unit for unit, listed in data["units"].items() for word in listed}
    fractions = {tuple(split(str(w))): float(n) for n, listed in data["fractions"].items() for w in listed}
    filler = frozenset(str(word) for word in data["filler"])
    long = {p[0] for p, entry in phrases.items() if len(p) == 1 and len(p[0]) >= 4 and entry[0] in _CORRECTED}
    long |= {"create", "please", "deploy", "should", "virtual"}
    return Words(
        phrases,
        max(map(len, phrases)),
        filler,
        units,
        fractions,
        releases,
        pattern(frozenset(units)),
        tuple(sorted(long)),
    )


def split(phrase: str) -> list[str]:
    """Split a phrase of the table as the lexer splits text."""
    return [w for w in re.split(r"[\s'\u2019/]+", phrase.lower()) if w and (len(w) > 1 or w in "lewaoyc&")]


_ENDINGS = ("em", "en", "er", "es", "e", "o", "a", "i", "os", "as", "s")


_CLITICS = ("las", "los", "gli", "la", "lo", "le", "li", "ne")
_VERBS = frozenset({"CHANGE", "RENAME", "REMOVE", "ADD", "OPEN"})


def unaccented(word: str) -> str:
    """Return a word without accents."""
    return "".join(c for c in normalize("NFD", word) if not combining(c))


@cache
def inflected(word: str) -> str | None:
    """Return the listed form of a word with another ending: `tägliches`, `privilegiata`; None if there is none."""
    if len(word) < 6 or not word.isalpha():
        return None
    for clitic in _CLITICS:  # `muévela`, `spostala`
        verb = unaccented(word.removesuffix(clitic)) if word.endswith(clitic) else ""
        if words().phrases.get((verb,), ("",))[0] in _VERBS:
            return verb
    stems = [word.removesuffix(end) for end in _ENDINGS if word.endswith(end)]
    forms = (f"{stem}{end}" for stem in stems if len(stem) > 4 for end in ("", *_ENDINGS))
    known = words().phrases
    return next((form for form in forms if known.get((form,), ("FILL",))[0] not in _NOT_INFLECTED), None)


@cache
def corrected(word: str) -> str | None:
    """Return the known word that a misspelt one stands for: one slip, the same first letter; None if there is none."""
    if len(word) < 4 or not word.isalpha():
        return None
    from rapidfuzz.distance import OSA

    slips = 1 if len(word) < 8 else 2
    near = [w for w in words().correctable if w[0] == word[0] and abs(len(w) - len(word)) <= slips]
    if len(word) < 6:  # of short words only letters that changed places or, of five, are missing: `tank` is no `talk`
        near = [w for w in near if sorted(w) == sorted(word) or (len(word) == 5 and len(w) == 6)]
    scored = sorted((OSA.distance(word, w, score_cutoff=slips), w) for w in near)
    return scored[0][1] if scored and scored[0][0] <= slips else None
