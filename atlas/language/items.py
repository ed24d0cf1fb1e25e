"""Items: the concepts that a text is made of; and the numbers, rows of names and plurals that words spell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from atlas.language.lexer import Token
from atlas.language.words import Words
from atlas.units import GIB

MIB = {"MiB": 1, "GiB": GIB, "TiB": GIB * GIB}
_PLURALS = frozenset(
    {
        "macchine",
        "macchine virtuali",
        "contenitori",
        "istanze",
        "maschinen",
        "virtuelle maschinen",
        "virtuellen maschinen",
        "contenedores",
        "bilanciatori",
    }
)
SINGULAR_S = frozenset(
    {"vps", "dns", "kubernetes", "k8s", "k3s", "nfs", "ops", "postgres", "jenkins", "windows", "alles"}
)
NO_PLURAL = ("ss", "us", "is")
_ORDINALS = {1: "FIRST", 2: "SECOND", 3: "THIRD"}


@dataclass(frozen=True, slots=True)
class Item:
    """A concept of the text: its tag, its value, its words as written, and whether they were misspelt."""

    tag: str
    value: Any
    text: str
    start: int
    guessed: bool = False

    @property
    def low(self) -> str:
        """The words in lower case."""
        return self.text.lower()


def token_value(token: Token, table: Words) -> tuple[str, Any]:
    """Return the tag and the value of a token that is no word."""
    text = token.low
    match token.kind:
        case "SIZE":
            number, unit = re.fullmatch(r"(-?[\d.,]+)\s?(\D+)", text).groups()  # type: ignore[union-attr]  # its shape
            return "SIZE", (float(number.replace(",", ".")) * MIB[table.units.get(unit, "TiB")])
        case "NUM":
            number = int(re.sub(r"\D+$", "", text))
            return (_ORDINALS[number], None) if not text[-1].isdigit() and number in _ORDINALS else ("NUM", number)
        case "CORESHORT":
            return "CORESHORT", _number(text[:-1])
        case "TIMES":
            return "TIMES", int(re.sub(r"\D", "", text))
        case "VERSION":
            return "VERSION", text.lstrip("v")
        case "QUOTED":
            return "QUOTED", token.text[1:-1].strip()
        case "PCI":
            return "GPUMODEL", token.text
        case "NAMES":
            return "NAMES", numbered_names(token.text)
        case _:
            return token.kind, token.text


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value == int(value) else value


def numbered_names(text: str) -> list[str]:
    """Return the names that `web1..3` or `web[1-3]` spells."""
    match = re.fullmatch(r"(.*?)[\[{]?(\d+)(?:\.\.+|-|:)(?:\1)?(\d+)[\]}]?", text)
    if match is None:
        return [text]
    first, last = int(match[2]), int(match[3])
    width = len(match[2]) if match[2].startswith("0") else 0
    return [f"{match[1]}{n:0{width}d}" for n in range(first, min(last, first + 999) + 1)]


def plural(item: Item) -> bool:
    """Tell whether a word is a plural."""
    low = item.low
    return low in _PLURALS or (
        low.endswith("s") and len(low) > 2 and low not in SINGULAR_S and not low.endswith(NO_PLURAL)
    )
