"""Phrases of nouns: which words belong to a subject, and what each says of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from atlas.language.facts import Fact
from atlas.language.items import Item, plural
from atlas.language.nouns import ALIASES, HEADS, NAMESAKES, Subject, role_word

_ADJECTIVES = frozenset(
    {"DNS", "BACKUP", "GATEWAY", "STORAGE", "CHECK", "NETWORK", "DATA", "USER", "POOL", "TEMPLATE", "SEARCH"}
)
_NAME_ENDS = frozenset({"", "COMMA", "COLON", "STOP", "WITH", "OPENP", "OSV"})
_NOT_NAMES = frozenset({"up", "ready", "please"})


def run_end(items: Sequence[Item], at: int) -> int:
    """Return where a run of words ends that can belong to one subject."""
    end = at
    while end < len(items):
        tag = items[end].tag
        follows = items[end + 1].tag if end + 1 < len(items) else ""
        if (
            tag in HEADS
            or tag in {"OSV", "WORD", "NAME", "NAMES", "UNPRIVILEGED", "PRIVILEGED", "BIG", "QUOTED"}
            or (tag in _ADJECTIVES and follows in {"KIND", "NOUN"})
            or (tag in _ADJECTIVES and follows == "NODEWORD" and plural(items[end + 1]))
            or (tag in NAMESAKES and end > at and items[end - 1].tag == "KIND" and follows in _NAME_ENDS)
        ):
            pass
        elif not (
            tag in {"FILL", "HA", "UEFI", "SLASH", "DASH"} and follows in {"KIND", "NOUN", "OSV", "ROLE"} and end > at
        ):
            break
        end += 1
    return end


def describe(run: Sequence[Item], heads: Sequence[int], subject: Subject) -> int:
    """Read a run of words; return how many of them belong to the subject."""
    nouns = [k for k in heads if run[k].tag in {"KIND", "NOUN", "NODEWORD"}]
    head = nouns[-1] if nouns else heads[-1]
    used = head + 1
    before, after = run[:used], run[used:]
    if nouns and len(nouns) > 1 and any(run[k].tag in {"WORD", "NAME"} for k in range(nouns[0] + 1, head)):
        head = nouns[0]
        used, before, after = head + 1, run[: head + 1], run[head + 1 :]
    _lead(before, subject, noun=bool(nouns))
    return used + _follow(after, run[head], subject, closed=bool(nouns))


def _lead(before: Sequence[Item], subject: Subject, *, noun: bool) -> None:
    """Read the words up to the head: kind, system, software, role and adjectives."""
    words: list[str] = []
    for item in before:
        match item.tag:
            case "KIND":
                subject.kind = "container" if "container" in (item.value, subject.kind) else "vm"
            case "OSV":
                subject.image = item.value
            case "SWV":
                name, version = item.value
                subject.software = f"{name}@{version}" if version else name
                subject.role, subject.by_software = subject.role or item.text, True
            case "WORD" | "NAME" | "QUOTED" if item is not before[-1] or not noun:
                words.append(item.text)
            case "UNPRIVILEGED" | "PRIVILEGED":
                subject.facts.append(Fact("unprivileged", item.tag == "UNPRIVILEGED"))
            case "BIG":
                subject.big = item.text
            case "HA" | "UEFI":
                subject.facts.append(Fact({"HA": "ha", "UEFI": "efi"}[item.tag], True))
            case tag if tag == "ROLE" or tag in _ADJECTIVES:
                words.append(item.text)
            case _:
                pass
    if words:
        subject.by_software = False
        subject.role = " ".join(words[-2:]) if " ".join(words[-2:]).lower() in ALIASES else words[-1]
    elif not subject.role and before[-1].tag == "NOUN":
        subject.role = role_word(before[-1].text)


def _follow(after: Sequence[Item], noun: Item, subject: Subject, *, closed: bool) -> int:
    """Read the names, the role or the system behind a head; return how many words belong to the subject."""
    used = 0
    for item in after:
        if item.tag == "OSV" and subject.image is None:
            subject.image = item.value
        elif item.tag in {"WORD", "NAME", "QUOTED"} and subject.names and not _may_follow(item, noun, subject):
            break
        elif item.tag in {"WORD", "NAME"} and item is after[0] and not closed and _bears(item, noun, subject):
            subject.names.append(item.text)
        elif item.tag in {"WORD", "NAME", "QUOTED"} and closed and item.low not in _NOT_NAMES:
            subject.names.append(str(item.value) if item.tag == "QUOTED" else item.text)
        elif item.tag in NAMESAKES and item is after[0]:
            subject.names.append(item.text)
        elif item.tag == "SWV" and item is after[0] and _alone(after) and _by_its_software(noun, item, subject):
            subject.names.append(item.text)
            subject.software = item.value[0]
        elif item.tag == "NAMES" and closed:
            subject.names += item.value
        elif item.tag == "ROLE" and item is after[0] and _role_behind(noun, subject):
            subject.role = item.text  # `due server web`
        elif item.tag == "SWV" and item is after[0] and _role_behind(noun, subject):
            subject.role, subject.software, subject.by_software = item.text, item.value[0], True  # `tre nodi redis`
        elif item.tag == "ROLE" and item is after[0] and closed and _alone(after) and subject.count in {None, 1}:
            subject.names.append(item.text)
        else:
            break
        used += 1
    return used


def _bears(item: Item, noun: Item, subject: Subject) -> bool:
    """Tell whether a numbered word behind one role is its name: `its replica ldap2`."""
    one = subject.count in {None, 1} and not plural(noun)
    return one and noun.tag == "ROLE" and bool(re.search(r"\d", item.text)) and not subject.names


def _alone(after: Sequence[Item]) -> bool:
    """Tell whether a word behind a noun has nothing but a system behind it: `vm db debian 12`."""
    return all(item.tag == "OSV" for item in after[1:])


def _may_follow(item: Item, noun: Item, subject: Subject) -> bool:
    """Tell whether a word behind a name is a name too: several guests are meant, or it is numbered like one."""
    many = (isinstance(subject.count, int) and subject.count > 1) or plural(noun)
    return many or bool(re.search(r"[\d-]", item.text))


def _by_its_software(noun: Item, item: Item, subject: Subject) -> bool:
    """Tell whether software behind `vm` is its name too: `vm plex on pve2`."""
    return noun.tag == "KIND" and item.value[1] is None and subject.count in {None, 1} and not subject.software


def _role_behind(noun: Item, subject: Subject) -> bool:
    """Tell whether a role stands behind its noun, as in Italian: more than one cannot bear it as a name."""
    return isinstance(subject.count, int) and subject.count > 1 and noun.tag in {"NOUN", "KIND", "NODEWORD"}
