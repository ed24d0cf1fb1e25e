"""Tokens to items: words become concepts, numbers and units become values, versions join their system or software."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from atlas.language.ellipsis import filled
from atlas.language.items import Item, numbered_names, token_value
from atlas.language.joining import _BAD_UNIT, joined
from atlas.language.lexer import Token, tokens
from atlas.language.lookalikes import compounds, counts, in_a_row, letter, no_factor, odd_name
from atlas.language.pernode import per_node
from atlas.language.rownames import with_names
from atlas.language.words import Entry, Words, corrected, inflected, words

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
_GPU = re.compile(
    r"rtx|gtx|rx|tesla|quadro|nvidia|amd|geforce|radeon|arc|[ahv]100|[hb]200|l4|l40s?|t4|p4|p40|a10|a16|a30|a40|[atp][1-7]000|mi\d{2,3}x?",
    re.IGNORECASE,
)
_COUNTED_NOUN = re.compile(
    r"(?<![\w-])(\d+|[a-z]+)-(node|server|vm|host|machine|container|guest|instance|core|cpu|vcpu)\b", re.IGNORECASE
)
_VERSIONED = frozenset({"postgresql", "mysql", "openjdk", "nodejs", "php", "python", "mongodb", "docker"})
_NAME_RANGE = re.compile(r"(.*?[a-z-])(\d+)-\1(\d+)")


def annotate(text: str, software: Mapping[str, str], names: frozenset[str]) -> list[Item]:
    """Return the items of a text.

    Args:
        text: What was said.
        software: Further names of software, by each word for it.
        names: Names of the draft's guests; they are never anything else.
    """
    table = words()
    text = _COUNTED_NOUN.sub(lambda m: f"{m[1]} {m[2]}s" if counts(m[1], table) else m[0], text)
    listed = compounds(list(tokens(text, table.lexer)), table, names)
    items: list[Item] = []
    i = 0
    while i < len(listed):
        if odd := odd_name(text, listed[i], items):
            items.append(Item("QUOTED", odd, odd, listed[i].start))
            end = listed[i].start + len(odd)
            i = next((k for k in range(i, len(listed)) if listed[k].start >= end), len(listed))
            continue
        item, used = _one(listed, i, table, software, names)
        if item is not None and item.tag == "VERSION" and items and items[-1].tag in {"KIND", "NAMED"}:
            word = listed[i].text
            item = replace(item, tag="WORD", value=word) if re.fullmatch(r"v\d+", word) else item  # `vm v4`
        if item is not None and item.tag == "TIMES" and no_factor(listed, i, items, names):
            item = replace(item, tag="WORD", value=item.text)
        lettered = item is not None and (in_a_row(listed, i) or (item.tag == "A" and letter(listed, i, items)))
        if item is not None and lettered:
            item = replace(item, tag="WORD", value=item.text)
        if item is not None:
            items.append(item)
        i += used
    return with_names(filled(per_node(joined(items, table))))


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
            if entry is not None and entry[0] == "IT" and length > 1 and _named_next(listed, i + length, table, names):
                continue  # `the vm web1`, `the server network`
            if entry is not None:
                return Item(entry[0], entry[1], " ".join(t.text for t in run), token.start), length
        return _word(token, table), 1
    if token.kind == "PUNCT":
        tag = _PUNCT.get(token.text)
        return (Item(tag, None, token.text, token.start) if tag else None), 1
    return Item(*token_value(token, table), token.text, token.start), 1


def _named_next(listed: list[Token], at: int, table: Words, names: frozenset[str]) -> bool:
    """Tell whether a name stands at a token, or what a noun says more of."""
    if at >= len(listed) or listed[at].kind != "WORD":
        return False
    word = listed[at].low
    if table.phrases.get((word,), ("",))[0] in {"NETWORK", "VLAN", "BRIDGE", "STORAGE", "POOL", "NODEWORD", "TEMPLATE"}:
        return True
    if word in names or re.search(r"[\d-]", word):
        return True
    plain = word.isalpha() and (word,) not in table.phrases and word not in table.filler and inflected(word) is None
    return not names and plain and corrected(word) is None  # `metti la vm contabile sul nodo …`


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
    if (form := inflected(word)) is not None:
        return Item(*table.phrases[form,], token.text, token.start, guessed=True)
    if (right := corrected(word)) is not None:
        entry = table.phrases.get((right,))
        tag, value = entry or ("FILL", None)
        return Item(tag, value, token.text, token.start, guessed=True)
    return Item("WORD", token.text, token.text, token.start)


def _numbered(word: str, table: Words) -> tuple[str, Any] | None:
    """Return what a word with a number in it stands for, such as `debian12`, `vlan20`, `web1-web3`."""
    if (match := _NAME_RANGE.fullmatch(word)) and int(match[2]) < int(match[3]):
        return "NAMES", numbered_names(f"{match[1]}{match[2]}..{match[3]}")
    match = re.fullmatch(r"([a-zé]+)-?(\d[\d.]*)", word)
    if match is None:
        return None
    entry = table.phrases.get((match[1],))
    if entry and entry[0] == "OS" and (match[1] != "win" or len(match[2]) == 4):
        return "OSV", f"{entry[1]}-{match[2]}"
    if entry and entry[0] == "SW" and ("." in match[2] or (entry[1] in _VERSIONED and int(match[2]) > 4)):
        return "SWV", (entry[1], match[2])
    if match[1] in {"disk", "scsi", "virtio", "sata"}:
        return "DISKINDEX", int(float(match[2]))
    if match[1] in {"net", "eth", "nic"}:
        return "NICINDEX", max(0, int(float(match[2])) - (match[1] == "nic"))  # NICs are numbered from 1
    if match[1] == "mp":
        return "MOUNT", None  # `mp0: /srv -> /srv`
    if match[1] == "vlan":
        return "VLANNUM", int(float(match[2]))
    return ("VMBR", word) if match[1] == "vmbr" else None
