"""Answers to what was asked: a choice, a bare value, or a bare number."""

from __future__ import annotations

import re

from atlas.language import groups
from atlas.language.draft import Question
from atlas.language.facts import Fact
from atlas.language.intents import Intent, read
from atlas.language.items import Item
from atlas.language.reading import Reading

DEFAULT = re.compile(
    r"(?:you (?:decide|choose|pick)|(?:the )?defaults?|default is fine|use (?:the )?defaults?|any(?:thing)?|whatever|"
    r"i don'?t (?:care|mind)|skip(?: it)?|as you like|up to you|no matter|decidi tu|egal|da igual|peu importe)"
)


def choice(text: str, asked: Question) -> str | None:
    """Return the choice that an answer picks: by its place, by its words, or by a bare yes."""
    if not asked.choices:
        return None
    plain = text.strip().lower().rstrip(".!")
    places = (
        r"(?:the )?(?:1st|first)(?: one)?|1|il primo|das erste",
        r"(?:the )?(?:2nd|second)(?: one)?|2|il secondo|das zweite",
    )
    for choice, place in zip(asked.choices, places, strict=False):
        if re.fullmatch(place, plain):
            return choice
    if read(text) is Intent.YES:
        return asked.choices[0]
    if plain in {"the last", "the last one", "the latter"}:
        return asked.choices[-1]
    return None


def answer(asked: Question, items: list[Item], reading: Reading) -> bool:
    """Take a bare value as the answer to what was asked; tell whether it was one."""
    plain = [i for i in items if i.tag not in {"FILL", "A", "STOP", "COMMA", "IT", "ON"}]
    if len(plain) != 1:
        return False
    item, scope = plain[0], reading.scope
    fact: Fact | None = None
    if item.tag == "NUM":
        number = item.value
        if asked.field == "count":
            base = asked.guests or list(range(len(reading.draft.guests)))
            reading.old = len(reading.draft.guests)
            reading.draft.focus = groups.scale(reading, base, number)
            return True
        made = {
            "cores": Fact("cpu.cores", number),
            "memory": Fact("memory", f"{number}?"),
            "vlan": Fact("vlan", number),
            "disk": Fact("disk.any", float(number) * 1024),
            "template": Fact("template", number),
            "ports": Fact("open_ports", number, "add"),
        }
        fact = made.get(asked.field)
    elif item.tag == "SIZE" and asked.field == "disk":
        return _disk(asked, float(item.value), reading)
    elif item.tag in {"WORD", "NAME", "QUOTED", "ROLE", "DATA"} and asked.field in {
        "storage",
        "node",
        "bridge",
        "template",
        "user",
    }:
        name = {"user": "user.name"}.get(asked.field, asked.field)
        fact = Fact(name, str(item.value) if item.tag == "QUOTED" else item.text)
    if fact is None or not scope:
        return False
    reading.apply.apply(fact, scope)
    return True


_BESIDE_A_NUMBER = frozenset(
    {"FILL", "ONLY", "CHANGE", "IT", "ALL", "COMMA", "STOP", "A", "OF", "TO", "LOTS", "SOME", "DASH", "INSTALL"}
)


def recounted(items: list[Item], reading: Reading) -> bool:
    """Take `actually only 3` as how many there should be; tell whether it was that."""
    said = [i for i in items if i.tag not in _BESIDE_A_NUMBER]
    only = len(said) == 1 and said[0].tag == "NUM" and len(items) > 1 and reading.old > 0
    if only and said[0].value > 0:
        group = reading.draft.focus or list(range(reading.old))
        reading.draft.focus = groups.scale(reading, list(group), said[0].value)
        return True
    return False


def _disk(asked: Question, size: float, reading: Reading) -> bool:
    """Fill the disk whose size was asked for: the first one that has none, behind the boot disk."""
    for g in asked.guests:
        disks = reading.draft.guests[g].fields.setdefault("disks", [])
        empty = next((d for d in disks[1:] if "size" not in d), None)
        if empty is not None:
            empty["size"] = size
            reading.apply.said[g, "disk.any"] = (size, ())
            reading.apply.notes.append("disk.any")
        else:
            reading.apply.apply(Fact("disk.any", size), [g])
    return bool(asked.guests)
