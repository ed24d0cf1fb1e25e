"""Tokens that are not what they look like: compounds to take apart, and names that look like numbers or articles."""

from __future__ import annotations

import re

from atlas.language.items import Item, plural
from atlas.language.lexer import Token
from atlas.language.words import Words

_ODD = re.compile(r"(?=.*[a-z0-9])(?:[\w.-]*[#$%*~^|<>\\!?]\S*|-[\w-]+|[\w.-]*\.\.[\w.-]*|[a-z0-9]\w*-)", re.IGNORECASE)
_STUCK = re.compile(r"(\d+)([^\W\d_]{2,})")
_COUNTED = frozenset({"CORES", "SOCKETS", "KIND", "NOUN", "NODEWORD", "DISK", "NIC"})
_ANDS = frozenset({",", "and", "e", "y", "und", "et", "&", "+"})
_VERBS = frozenset({"CHANGE", "RENAME", "ADD", "REMOVE", "NAMED", "OPEN", "INSTALL", "RESIZE", "SHRINK"})
_PRONOUNS = frozenset({"la", "le", "les", "lui", "leur", "moi", "y", "en", "lo", "los", "las"})


def counts(word: str, table: Words) -> bool:
    """Tell whether a word is a number: the three of `three-node cluster`."""
    return word.isdigit() or table.phrases.get((word.lower(),), ("",))[0] == "NUM"


def letter(listed: list[Token], i: int, items: list[Item]) -> bool:
    """Tell whether `a` is a name: `a and b both on pve1`, `vmid 200 for a, 201 for b`."""
    if listed[i].low != "a":
        return False
    follows, after = ([t.low for t in listed[i + 1 : i + 3]] + ["", ""])[:2]
    before = items[-1].tag if items else ""
    row = follows in _ANDS and re.fullmatch(r"[b-z]", after) is not None
    return row or (before in {"FOR", "TO", "ON"} and follows in {",", ".", ";", "", "and"})


def in_a_row(listed: list[Token], i: int) -> bool:
    """Tell whether a letter is one of several names that follow each other as in the alphabet: `named a b c`."""
    low = listed[i].low
    behind = next((t.low for t in listed[i + 1 : i + 4] if t.low not in {",", "and"}), "")
    before = next((t.low for t in listed[max(0, i - 3) : i][::-1] if t.low not in {",", "and"}), "")
    near = (before, behind)
    return len(low) == 1 and low.isalpha() and any(len(x) == 1 and abs(ord(x) - ord(low)) == 1 for x in near)


def odd_name(text: str, token: Token, items: list[Item]) -> str:
    """Return what stands where a name does and is none, such as `web#1` or `-web-`; it is kept whole, to be refused."""
    if not items or items[-1].tag not in {"NAMED", "KIND"} or token.kind not in {"WORD", "PUNCT"}:
        return ""
    whole = re.match(r"[^\s,;:()\"'`]*", text[token.start :])
    name = whole.group().rstrip(".!?") if whole else ""
    return name if _ODD.fullmatch(name) and (name[0] != "-" or items[-1].tag == "NAMED" or name[1].isalpha()) else ""


def no_factor(listed: list[Token], i: int, items: list[Item], names: frozenset[str]) -> bool:
    """Tell whether `x5` is a guest's name rather than how many there are: `vm x5`, `x1 and x2`, `x1 = …`."""
    if not re.fullmatch(r"x\d+", listed[i].low):
        return False
    before = ["", "", *(item.tag for item in items)][-2:]
    follows = listed[i + 1].low if i + 1 < len(listed) else ""
    ahead = follows in _ANDS and any(re.fullmatch(r"x\d+", token.low) for token in listed[i + 2 : i + 4])
    behind = before[1] in {"AND", "COMMA"} and re.fullmatch(r"x\d+", items[-2].low if before[0] else "") is not None
    alone = before[1] == "KIND" and not plural(items[-1]) and before[0] in {"", "A", "NUM", "CHANGE", "STOP"}
    equated = before[1] in {"COLON", "COMMA", "STOP"} and follows in {"=", ":"}
    return listed[i].low in names or before[1] == "NAMED" or ahead or behind or alone or equated


def compounds(listed: list[Token], table: Words, names: frozenset[str]) -> list[Token]:
    """Take compounds such as `Debian-Server` apart, unless they are names."""
    out: list[Token] = []
    for token in listed:
        if (stuck := _STUCK.fullmatch(token.low)) and table.phrases.get((stuck[2],), ("",))[0] in _COUNTED:
            out.append(Token("NUM", token.text[: stuck.end(1)], token.start))  # `2cpu`, `3vms`
            out.append(Token("WORD", token.text[stuck.end(1) :], token.start + stuck.end(1)))
            continue
        parts = token.text.split("-")
        entries = [table.phrases.get((p.lower(),), ("", None))[0] for p in parts]
        before = table.phrases.get((out[-1].low,), ("", None))[0] if out else ""
        last = {"KIND", "NOUN", "HEADING", "DISK", "CORES", "CLONE"} | (
            {"ROLE"} if all(p[:1].isupper() for p in parts) else set()
        )
        known = (
            len(parts) > 1
            and (entries[-1] != "CORES" or len(parts[-1]) > 2)
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
