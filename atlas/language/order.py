"""The order in which guests start, said in words: `db first, then app`, `app starts after db`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from atlas.language.draft import Draft
from atlas.language.items import Item
from atlas.language.nouns import role_word

_THEN = frozenset({"then", "dann", "danach", "poi", "luego", "puis", "ensuite", "next", "finally", "infine"})
_STARTS = frozenset(
    {"start", "starts", "boot", "boots", "booting", "started", "booted", "startet", "starten", "bootet", "parte"}
    | {"partono", "avvia", "arranca", "arrancan", "démarre", "démarrent", "startup"}
)
_BEFORE = frozenset({"before", "prima", "vor", "antes", "avant"})
_AFTER = frozenset({"after", "dopo", "nach", "después", "après"})
_REFERS = frozenset({"ROLE", "NAME", "WORD", "SWV", "QUOTED"})
_FIRSTS = frozenset({"zuerst", "primero", "d'abord", "abord"})
_IN_TURN = re.compile(r"s*(?:rs*f|fs*r)[sn]*(?:c*[toba]s*[to]?c?s*rs*[oa]?[sn]*)+")
_BEFORE_IT = re.compile(r"s*Ss*rs*bs*r|s*rs*Ss*bs*r")
_AFTER_IT = re.compile(r"s*Ss*rs*as*r|s*rs*Ss*as*r")


def taken(items: Sequence[Item], draft: Draft) -> tuple[list[Item], list[str]]:
    """Return the items without what they say of the order of starting, and the guests' words in that order.

    Args:
        items: The message.
        draft: The draft so far; only guests that are spoken of elsewhere, or are in it, have an order.
    """
    line = "".join(_sign(items, k) for k in range(len(items)))
    for pattern, backwards in ((_IN_TURN, False), (_BEFORE_IT, False), (_AFTER_IT, True)):
        for found in pattern.finditer(line if pattern is not _IN_TURN else line.replace("S", "s")):
            begin, end = found.span()
            words = [items[k].text for k in range(begin, end) if line[k] == "r"]
            rest = [*items[:begin], *items[end:]]
            known = {role_word(x.text) for x in rest if x.tag in _REFERS}
            known |= {role_word(n) for g in draft.guests for n in (g.name, g.role, g.prefix) if n}
            words = words[::-1] if backwards else words
            if len(words) > 1 and all(role_word(word) in known for word in words):
                return rest, words
            if len(words) > 1 and not draft.guests and all(re.search(r"\d", word) for word in words):
                named = _in_brackets([items[k] for k in range(begin, end) if line[k] == "r"])[1:-1]
                return [*items[:begin], *named, Item("COMMA", None, ",", 0), *items[end:]], words
            at = _as_many(rest, len(words))
            if len(words) > 1 and at and not any(role_word(word) in known for word in words):
                return [
                    *rest[:at],
                    *_in_brackets([items[k] for k in range(begin, end) if line[k] == "r"]),
                    *rest[at:],
                ], words
    return list(items), []


def _as_many(items: Sequence[Item], count: int) -> int:
    """Return the place behind `three debian vms`, where so many guests are counted; 0 if none are."""
    for k, item in enumerate(items):
        if item.tag == "NUM" and item.value == count:
            noun = next((j for j in range(k + 1, min(k + 4, len(items))) if items[j].tag in {"KIND", "NOUN"}), None)
            return noun + 1 if noun is not None else 0
    return 0


def _in_brackets(words: Sequence[Item]) -> list[Item]:
    """Return words as the names in brackets of guests that were counted."""
    out = [Item("OPENP", None, "(", 0)]
    for word in words:
        out += [replace(word, tag="NAME", value=word.low), Item("COMMA", None, ",", 0)]
    return [*out[:-1], Item("CLOSEP", None, ")", 0)]


def _sign(items: Sequence[Item], k: int) -> str:
    """Return one letter for what an item is to an order."""
    item = items[k]
    if item.low in _STARTS or item.tag in {"ORDER", "ONBOOT"}:
        return "S"
    if item.tag == "FIRST" or item.low in _FIRSTS:
        return "f"
    for words, sign in ((_BEFORE, "b"), (_AFTER, "a"), (_THEN, "t")):
        if item.low in words:
            return sign
    if item.tag in {"SECOND", "THIRD", "FOURTH", "LAST"}:
        return "o"
    if item.tag in {"COMMA", "AND"}:
        return "c"
    if item.tag in {"FILL", "A", "CHANGE", "COLON", "OF"}:
        return "s"
    if item.tag in {"OPENP", "CLOSEP", "NUM"}:
        return "n" if item.tag == "NUM" and k and items[k - 1].tag == "OPENP" else "s" if item.tag != "NUM" else "x"
    return "r" if item.tag in _REFERS else "x"
