"""Tokens to items: words become concepts, numbers and units become values, versions join their system or software."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from atlas.language.lexer import Token, tokens
from atlas.language.words import Entry, Words, corrected, split, words
from atlas.units import GIB

_MIB = {"MiB": 1, "GiB": GIB, "TiB": GIB * GIB}
_PUNCT = {",": "COMMA", ";": "STOP", ".": "STOP", "\n": "STOP", "?": "STOP", "!": "STOP", ":": "COLON", "(": "OPENP"}
_PUNCT |= {
    ")": "CLOSEP",
    "+": "AND",
    "&": "AND",
    "=": "COLON",
    "/": "SLASH",
    "\u2013": "DASH",
    "\u2014": "DASH",
    "-": "DASH",
}
_COUNTED = frozenset(
    {"CORES", "SOCKETS", "KIND", "NOUN", "NODEWORD", "DISK", "NIC", "ROLE", "SW", "OS", "TIMES", "DATA"}
)
_GPU = re.compile(r"rtx|gtx|tesla|quadro|nvidia|radeon|a100|h100|l4|l40s?|t4|p40|a40|a6000|arc", re.IGNORECASE)
_BAD_UNIT = re.compile(r"[a-z]i?b|bits?|bytes?|[kpez][a-z]*bytes?|[a-z]bit|quintals?|pages?|blocks?")
_VERBS = frozenset({"CHANGE", "RENAME", "ADD", "REMOVE", "NAMED", "OPEN", "INSTALL", "RESIZE", "SHRINK"})
_PRONOUNS = frozenset({"la", "le", "les", "lui", "leur", "moi", "y", "en", "lo", "los", "las"})
_COUNTED_NOUN = re.compile(r"(?<![\w-])(\d+)-(node|server|vm|host|machine|container|guest|instance)\b", re.IGNORECASE)
_SINGULAR = frozenset({"vm", "lxc", "ct", "container", "server", "host", "box", "machine", "instance", "guest"})
_NAME_RANGE = re.compile(r"(.*?[a-z-])(\d+)-\1(\d+)")
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


def annotate(text: str, software: Mapping[str, str], names: frozenset[str]) -> list[Item]:
    """Return the items of a text.

    Args:
        text: What was said.
        software: Further names of software, by each word for it.
        names: Names of the draft's guests; they are never anything else.
    """
    table = words()
    listed = _compounds(list(tokens(_COUNTED_NOUN.sub(r"\1 \2s", text), table.lexer)), table, names)
    items: list[Item] = []
    i = 0
    while i < len(listed):
        item, used = _one(listed, i, table, software, names)
        if item is not None and item.tag == "VERSION" and items and items[-1].tag in {"KIND", "NAMED"}:
            word = listed[i].text
            item = replace(item, tag="WORD", value=word) if re.fullmatch(r"v\d+", word) else item  # `vm v4`
        if item is not None:
            items.append(item)
        i += used
    return _joined(items, table)


def _compounds(listed: list[Token], table: Words, names: frozenset[str]) -> list[Token]:
    """Take compounds such as `Debian-Server` apart, unless they are names."""
    out: list[Token] = []
    for token in listed:
        parts = token.text.split("-")
        entries = [table.phrases.get((p.lower(),), ("", None))[0] for p in parts]
        before = table.phrases.get((out[-1].low,), ("", None))[0] if out else ""
        last = {"KIND", "NOUN", "HEADING", "DISK"} | ({"ROLE"} if all(p[:1].isupper() for p in parts) else set())
        known = (
            len(parts) > 1
            and entries[-1] in last
            and all(e or p.isdigit() for e, p in zip(entries, parts, strict=True))
        )
        known = known or (len(parts) == 2 and entries[0] in _VERBS and parts[1].lower() in _PRONOUNS)
        if token.kind != "WORD" or not known or token.low in names or before in {"NAMED", "KIND", "NOUN", "PREFIX"}:
            out.append(token)
            continue
        if (token.low,) in table.phrases:
            out.append(token)
            continue
        start = token.start
        for part in parts:
            out.append(Token("NUM" if part.isdigit() else "WORD", part, start))
            start += len(part) + 1
    return out


def _one(
    listed: list[Token], i: int, table: Words, software: Mapping[str, str], names: frozenset[str]
) -> tuple[Item | None, int]:
    token = listed[i]
    if token.kind == "WORD":
        if token.low in names:
            return Item("NAME", token.low, token.text, token.start), 1
        for length in range(min(table.longest, len(listed) - i), 0, -1):
            run = listed[i : i + length]
            if any(t.kind not in {"WORD", "VERSION", "NUM"} and t.text != "&" for t in run):
                continue
            phrase = tuple(t.low for t in run)
            entry = _entry(phrase, table, software)
            if entry is not None and entry[0] == "IT" and length > 1 and _named_next(listed, i + length, names):
                continue  # `the vm web1`
            if entry is not None:
                return Item(entry[0], entry[1], " ".join(t.text for t in run), token.start), length
        return _word(token, table), 1
    if token.kind == "PUNCT":
        tag = _PUNCT.get(token.text)
        return (Item(tag, None, token.text, token.start) if tag else None), 1
    return Item(*_value(token, table), token.text, token.start), 1


def _named_next(listed: list[Token], at: int, names: frozenset[str]) -> bool:
    """Tell whether a name stands at a token."""
    if at >= len(listed) or listed[at].kind != "WORD":
        return False
    return listed[at].low in names or bool(re.search(r"[\d-]", listed[at].low))


def _entry(phrase: tuple[str, ...], table: Words, software: Mapping[str, str]) -> Entry | None:
    if len(phrase) == 1 and phrase[0] in software and phrase not in table.phrases:
        return "SW", software[phrase[0]]
    return table.phrases.get(phrase)


def _word(token: Token, table: Words) -> Item:
    word = token.low
    if match := re.fullmatch(r"(.+?)[@=](\d[\w.]*)", word):
        entry = table.phrases.get((match[1],))
        if entry and entry[0] == "SW":
            return Item("SWV", (entry[1], match[2]), token.text, token.start)
    if (numbered := _numbered(word, table)) is not None:
        return Item(*numbered, token.text, token.start)
    if (match := re.fullmatch(r"\d+([a-z]+)", word)) and _BAD_UNIT.fullmatch(match[1]):
        return Item("BADUNIT", match[1], token.text, token.start)
    if word in table.units:
        return Item("UNIT", table.units[word], token.text, token.start)
    if _GPU.fullmatch(word):
        return Item("GPUMODEL", token.text, token.text, token.start)
    if word in table.filler:
        return Item("FILL", None, token.text, token.start)
    if (right := corrected(word)) is not None:
        entry = table.phrases.get((right,))
        tag, value = entry or ("FILL", None)
        return Item(tag, value, token.text, token.start, guessed=True)
    return Item("WORD", token.text, token.text, token.start)


def _numbered(word: str, table: Words) -> tuple[str, Any] | None:
    """Return what a word with a number in it stands for, such as `debian12`, `vlan20`, `web1-web3`."""
    if (match := _NAME_RANGE.fullmatch(word)) and int(match[2]) < int(match[3]):
        return "NAMES", _names(f"{match[1]}{match[2]}..{match[3]}")
    match = re.fullmatch(r"([a-zé]+)-?(\d[\d.]*)", word)
    if match is None:
        return None
    entry = table.phrases.get((match[1],))
    if entry and entry[0] == "OS" and (match[1] != "win" or len(match[2]) == 4):
        return "OSV", f"{entry[1]}-{match[2]}"
    if match[1] in {"net", "eth", "nic"}:
        return "NICINDEX", max(0, int(float(match[2])) - (match[1] == "nic"))  # NICs are numbered from 1
    if match[1] == "vlan":
        return "VLANNUM", int(float(match[2]))
    return ("VMBR", word) if match[1] == "vmbr" else None


def _value(token: Token, table: Words) -> tuple[str, Any]:
    text = token.low
    match token.kind:
        case "SIZE":
            number, unit = re.fullmatch(r"(-?[\d.,]+)\s?(\D+)", text).groups()  # type: ignore[union-attr]  # its shape
            return "SIZE", (float(number.replace(",", ".")) * _MIB[table.units.get(unit, "TiB")])
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
            return "NAMES", _names(token.text)
        case _:
            return token.kind, token.text


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value == int(value) else value


def _names(text: str) -> list[str]:
    match = re.fullmatch(r"(.*?)[\[{]?(\d+)(?:\.\.+|-|:)(?:\1)?(\d+)[\]}]?", text)
    if match is None:
        return [text]
    first, last = int(match[2]), int(match[3])
    width = len(match[2]) if match[2].startswith("0") else 0
    return [f"{match[1]}{n:0{width}d}" for n in range(first, min(last, first + 999) + 1)]


def _joined(items: list[Item], table: Words) -> list[Item]:
    """Join what only has a meaning together: numbers with units, systems and software with versions."""
    out: list[Item] = []
    i = 0
    while i < len(items):
        item, rest = items[i], items[i + 1 : i + 4]
        tags = [r.tag for r in rest] + ["", "", ""]
        if (listed := _range_of_names(item, rest)) is not None:
            out.append(Item("NAMES", listed, item.text, item.start))
            i += 3
            continue
        if (size := _size_at(item, rest, tags, table)) is not None:
            out.append(size[0])
            i += size[1]
            continue
        if item.low == "bind" and tags[0] in {"PATH", "MOUNT"}:
            item = replace(item, tag="MOUNT")  # not the name server
        if item.low == "router" and tags[0] == "ADDR" and "/" not in rest[0].text and out and out[-1].tag == "COMMA":
            item = replace(item, tag="GATEWAY")
        if item.tag in {"OS", "SW"} and (skip := _version_at(item, rest, tags)):
            version = str(rest[skip - 1].value)
            if item.tag == "OS":
                out.append(Item("OSV", f"{item.value}-{version}", item.text, item.start))
            else:
                out.append(Item("SWV", (item.value, version), item.text, item.start))
            i += skip + 1
            continue
        if item.tag == "OS":
            item = Item("OSV", item.value, item.text, item.start, item.guessed)
        elif item.tag == "SW":
            item = Item("SWV", (item.value, None), item.text, item.start, item.guessed)
        elif item.tag == "UNIT":
            item = Item("FILL", None, item.text, item.start)
        out.append(item)
        i += 1
    return out


def _size_at(item: Item, rest: list[Item], tags: list[str], table: Words) -> tuple[Item, int] | None:
    """Return the size that a number or a fraction begins, or what is no unit behind it, and how many items it takes."""
    fraction = table.fractions.get(tuple(split(item.low)))
    if fraction is not None:
        skip = 1 if tags[0] in {"A", "NUM"} and tags[1] == "UNIT" else 0
        if tags[skip] == "UNIT":
            return Item("SIZE", fraction * _MIB[rest[skip].value], item.text, item.start), skip + 2
    if item.tag != "NUM" or not rest:
        return None
    text = f"{item.text} {rest[0].text}"
    if _is_bad_unit(rest, tags):
        return Item("BADUNIT", rest[0].text, text, item.start), 2
    if tags[0] == "UNIT":
        return Item("SIZE", float(item.value) * _MIB[rest[0].value], text, item.start), 2
    return None


def _is_bad_unit(rest: list[Item], tags: list[str]) -> bool:
    """Tell whether a number's next word is no unit although it stands where one does: `16 quibbles of ram`."""
    of = tags[1] == "OF" and tags[2] in {"MEMORY", "DISK", "STORAGE"}
    sized = tags[0] == "WORD" and (tags[1] == "MEMORY" or of)
    return sized or (tags[0] in {"WORD", "FILL"} and bool(_BAD_UNIT.fullmatch(rest[0].low)))


def _range_of_names(item: Item, rest: list[Item]) -> list[str] | None:
    """Return the names of `web1 to web4`; None where two words are no ends of a numbered row."""
    if len(rest) < 2 or rest[0].tag not in {"TO", "DASH", "A"} or (rest[0].tag == "A" and rest[0].low != "a"):
        return None
    first, last = (re.fullmatch(r"([a-z][\w-]*?)(\d+)", x.low) for x in (item, rest[1]))
    if not first or not last or first[1] != last[1] or int(first[2]) >= int(last[2]):
        return None
    return _names(f"{first[1]}{first[2]}..{last[2]}")


def _version_at(item: Item, rest: list[Item], tags: list[str]) -> int:
    """Return how far behind a system or software its version stands; 0 if there is none."""
    if item.tag == "OS" and "-" in str(item.value):
        return 0
    at = 1 if tags[0] == "VERSION" and rest[0].text.lower() not in {"version", "release", "v"} else 0
    for skip in (0, 1):
        if skip and (not rest or rest[0].low not in {"version", "versione", "versión", "release", "v"}):
            break
        if tags[skip] == "VERSION" and isinstance(rest[skip].value, str):
            return skip + 1
        if tags[skip] == "NUM" and rest[skip].text.isdigit():
            if item.tag == "OS":
                return skip + 1 if tags[skip + 1] not in {"CORES", "SOCKETS", "DISK", "UNIT"} else 0
            one = tags[skip + 1] in {"KIND", "NOUN"} and rest[skip + 1].low in _SINGULAR  # `redis 7 vm`
            return skip + 1 if one or tags[skip + 1] not in _COUNTED else 0
    return at
