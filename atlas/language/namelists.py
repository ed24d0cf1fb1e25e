"""Names in a row behind a noun, such as `3 nodes k8s-1, k8s-2 and k8s-3`, and names that stand alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from atlas.language.items import Item, plural
from atlas.language.nouns import Subject, sized

_COLLECTIVES = frozenset(
    {"groups", "sets", "batches", "kinds", "types", "parts", "things", "gruppi", "tipi", "gruppen", "grupos", "groupes"}
)


def told_apart(items: Sequence[Item], stop: int, subject: Subject) -> bool:
    """Tell whether a name behind several guests is the first one's alone: `2 vms srv1 (…) and srv2 (…)`."""
    if not isinstance(subject.count, int) or subject.count < 2 or len(subject.names) != 1:
        return False
    stem = stem_of(subject.names[0])
    follows = items[stop].tag if stop < len(items) else ""
    told = (k for k in range(stop + 1, len(items) - 1) if items[k].tag == "NAME" and items[k + 1].tag == "OPENP")
    if follows == "OPENP" and items[stop - 1].tag == "NAME" and any(told):
        return True  # `2 vms ga (vlan 5) and gb (vlan 6)`
    alike = (item for item in items[stop:] if item.tag in {"WORD", "NAME"} and item.low != subject.names[0].lower())
    return bool(stem) and follows not in {"COMMA", "AND", "WORD"} and any(stem_of(item.text) == stem for item in alike)


def stem_of(name: str) -> str:
    """Return a numbered name without its number; nothing if it has none."""
    return re.sub(r"(?<=[a-z])[-_]?\d+$|-[a-z]$", "", name.lower()) if re.search(r"\d$|-[a-z]$", name.lower()) else ""


def more_names(items: Sequence[Item], at: int, subject: Subject, *, many: bool) -> int:
    """Read on a list of names that a count or a plural announces: `3 nodes k8s-1, k8s-2 and k8s-3`."""
    most = subject.count if isinstance(subject.count, int) else 1000 if many and subject.count is None else 0
    stem = stem_of(subject.names[0]) if subject.names else ""
    while subject.names and len(subject.names) < most:
        joint = at
        while joint < len(items) and items[joint].tag in {"COMMA", "AND"}:
            joint += 1
        if (
            joint == at
            or joint >= len(items)
            or not (items[joint].tag in {"WORD", "NAME", "QUOTED"} or _named_so(items, at, joint))
        ):
            break
        if subject.count is None and stem_of(items[joint].text) != stem and items[joint - 1].tag != "AND":
            break
        subject.names.append(str(items[joint].value) if items[joint].tag == "QUOTED" else items[joint].text)
        at = joint + 1
    last = [item.tag for item in items[at : at + 3]]
    listed = len(subject.names) == most > 1 and last[:2] == ["AND", "WORD"] and last[2:] in ([], ["COMMA"], ["STOP"])
    if listed and stem and stem_of(items[at + 1].text) == stem:  # one name more than guests
        subject.names.append(items[at + 1].text)
        at += 2
    return at


def _named_so(items: Sequence[Item], at: int, joint: int) -> bool:
    """Tell whether a role behind a role that is a name is one too: `vms db and app`."""
    follows = items[joint + 1].tag if joint + 1 < len(items) else ""
    return items[at - 1].tag == items[joint].tag == "ROLE" and follows not in {"KIND", "NOUN", "TIMES", "ROLE"}


def _measured(items: Sequence[Item], at: int) -> bool:
    """Tell whether a size follows."""
    return at < len(items) and items[at].tag in {"SIZE", "CORESHORT"}


def bare_name(items: Sequence[Item], i: int, at: int, subject: Subject, *, bare: bool) -> Subject | None:
    """Return the subject of a name or a word that stands alone."""
    item = items[at]
    if item.tag == "NAMES":
        subject.names = list(item.value)
    elif item.tag in {"NAME", "QUOTED"} or (item.tag == "WORD" and not item.guessed):
        subject.names = [str(item.value) if item.tag == "QUOTED" else item.text]
    else:
        return None
    if item.low in _COLLECTIVES and subject.count is not None:
        return None  # `two groups`
    counted = items[at + 1] if at + 1 < len(items) and items[at + 1].tag == "TIMES" else None
    if item.tag == "WORD" and counted is not None and subject.count is None and sized(items, at + 2):
        subject.role, subject.names, subject.count, subject.times = item.text, [], counted.value, True
        subject.length, subject.words = at + 2 - i, item.text
        return subject  # `sentinel x3 1c 1g`
    if item.tag == "WORD" and subject.count is not None and (subject.count > 20 or (i and items[i - 1].tag == "PORT")):
        return None  # `port 443 freely`
    if item.tag == "WORD" and subject.count is not None:  # `two frobnicators`
        subject.role, subject.names = item.text, []
        told = at + 1 + (at + 1 < len(items) and items[at + 1].tag == "WITH")
        subject.guess = not (plural(item) or sized(items, told) or _measured(items, told))
    subject.weak = item.tag != "NAME" and subject.count is None
    subject.named = bool(subject.names)
    follows = items[at + 1].tag if at + 1 < len(items) else ""
    likely = item.tag in {"NAME", "NAMES"} or bool(re.search(r"[\d-]", item.text)) or sized(items, at + 1)
    if not (likely or bare or follows == "COLON" or subject.count is not None):
        return None
    subject.length, subject.words = at + 1 - i, item.text
    return subject
