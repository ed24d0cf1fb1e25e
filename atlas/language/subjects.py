"""Subjects: the words that stand for guests, such as `two debian web servers`, `the db`, `vm llm01`, `web x3`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from atlas.language.annotate import Item
from atlas.language.facts import Fact

_INDEFINITE = frozenset({"a", "an", "un", "una", "uno", "ein", "eine", "einen", "einer", "une"})
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
_SINGULAR_S = frozenset(
    {"vps", "dns", "kubernetes", "k8s", "k3s", "nfs", "ops", "postgres", "jenkins", "windows", "alles"}
)
_ORDINAL = {"FIRST": 0, "SECOND": 1, "THIRD": 2, "FOURTH": 3, "FIFTH": 4, "LAST": -1}
_NEW = frozenset({"new", "fresh", "nuova", "nuovo", "neue", "neuen", "neuer", "nueva", "nuevo", "nouvelle", "nouveau"})
_HEADS = frozenset({"KIND", "NOUN", "ROLE", "SWV", "NODEWORD"})
_ADJECTIVES = frozenset(
    {"DNS", "BACKUP", "GATEWAY", "STORAGE", "MOUNT", "CHECK", "NETWORK", "DATA", "USER", "POOL", "TEMPLATE", "SEARCH"}
)
_ALIASES = {
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
_NAME_ENDS = frozenset({"", "COMMA", "COLON", "STOP", "WITH", "OPENP", "OSV"})
_NAMESAKES = frozenset({"DNS", "BACKUP", "GATEWAY"})
_NO_PLURAL = ("ss", "us", "is")
_NOT_NAMES = frozenset({"up", "ready", "please"})


@dataclass(slots=True)
class Subject:
    """What some words say of which guests are meant.

    Args:
        weak: Whether it is a bare word, which need not be a guest.
        named: Whether it is a bare name.
        many: Whether it is a plural without a number.
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


def role_word(word: str) -> str:
    """Return a role in the form that is compared: lower case, singular, one word for what means the same."""
    low = word.lower()
    if low in _ALIASES:
        return _ALIASES[low]
    if low.endswith("ies"):
        low = low[:-3] + "y"
    elif low.endswith(("xes", "ches", "shes")):
        low = low[:-2]
    elif low.endswith("s") and len(low) > 2 and not low.endswith(_NO_PLURAL) and low not in _SINGULAR_S:
        low = low[:-1]
    return _ALIASES.get(low, low)


def plural(item: Item) -> bool:
    """Tell whether a word is a plural."""
    low = item.low
    return low in _PLURALS or (
        low.endswith("s") and len(low) > 2 and low not in _SINGULAR_S and not low.endswith(_NO_PLURAL)
    )


def subject_at(items: Sequence[Item], i: int, *, bare: bool) -> Subject | None:
    """Return the subject that begins at an item.

    Args:
        items: The message.
        i: Where to look.
        bare: Whether a name or a role alone is enough, as after a preposition.
    """
    subject = Subject()
    at = _determiners(items, i, subject)
    end = _run(items, at)
    run = list(items[at:end])
    if not any(item.tag in _HEADS or item.tag in {"WORD", "NAME", "NAMES", "QUOTED"} for item in run):
        return _namesake(items, i, at, subject) or _pronoun(items, i, at, subject)
    heads = [k for k, item in enumerate(run) if item.tag in _HEADS]
    if not heads:
        return _bare_name(items, i, at, subject, bare=bare)
    if items[at - 1].tag in {"WITH", "INSTALL"} and all(item.tag in {"SWV", "OSV"} for item in run) and at == i:
        return None
    determined = at > i and (
        subject.count is not None
        or subject.indefinite
        or subject.definite
        or subject.some
        or subject.more
        or bool(subject.big)
        or subject.ordinal is not None
        or subject.old
    )
    used = _describe(run, heads, subject)
    if used == 0:
        return None
    had = subject.count
    stop = _measure(items, at + used, subject)
    determined = determined or subject.count != had
    if _told_apart(items, stop, subject):
        subject.names, stop, used = [], stop - 1, used - 1
    stop = _more_names(items, stop, subject, many=plural(run[heads[-1]]))
    only_software = all(item.tag in {"SWV", "OSV"} for item in run[:used])
    heads_list = stop < len(items) and (items[stop].tag == "COLON" or sized(items, stop))
    if only_software and not (determined or bare or heads_list):
        return None
    if only_software and items[i - 1].tag in {"WITH", "INSTALL"} and i > 0 and subject.count is None:
        return None
    tags = {item.tag for item in run[:used]}
    named_only = only_software and subject.definite and subject.count is None and not subject.indefinite
    if _place(tags, run[heads[0]]) and (subject.count is None or subject.definite):
        return None
    several = isinstance(subject.count, int) and subject.count > 1
    if stop < len(items) and items[stop].tag == "HEADING" and not several:
        return None
    if stop < len(items) and items[stop].tag == "HEADING":
        stop += 1  # `a 3-node etcd cluster`
    alone = not tags & {"KIND"} and not (tags & {"NOUN"} and len(run[:used]) > 1)
    subject.weak = named_only or (not determined and alone)
    subject.length = stop - i
    subject.words = " ".join(item.text for item in run[:used])
    last = run[heads[-1]] if heads[-1] < used else run[used - 1]
    subject.many = plural(last) and subject.count is None and not subject.indefinite
    return subject


def _measure(items: Sequence[Item], stop: int, subject: Subject) -> int:
    """Read what stands behind a noun and counts or measures it: `web x3`, `a set of three`, `one worker less`."""
    if stop < len(items) and items[stop].tag == "TIMES" and subject.count is None:
        subject.count, subject.times = items[stop].value, True
        stop += 1
    if subject.count is None and _collective(items, stop):
        subject.count = items[stop + 2].value
        stop += 3
    if subject.count is not None and stop < len(items) and items[stop].tag == "FEWER":
        subject.fewer, stop = True, stop + 1
    if subject.definite and subject.count is None and stop < len(items) and items[stop].low in {"one", "ones"}:
        stop += 1  # `the wordpress one`
    of = [item.low for item in items[stop : stop + 1]] in (["di"], ["de"], ["d"])
    if of and stop + 1 < len(items) and items[stop + 1].tag in {"ROLE", "SWV"} | _NAMESAKES and subject.count:
        subject.role, stop = items[stop + 1].text, stop + 2  # `2 nodos de aplicación`
    if stop < len(items) and items[stop].low in {"pair", "trio", "duo"} and subject.count:
        stop += 1  # `a 2-node haproxy pair`
    if stop < len(items) and items[stop].tag == "BIG":
        subject.big = items[stop].text
        stop += 1
    return stop


def _collective(items: Sequence[Item], at: int) -> bool:
    """Tell whether `set of three`, `cluster of 5` stands at an item."""
    tags = [item.tag for item in items[at : at + 4]]
    if tags[1:3] != ["OF", "NUM"] or tags[3:] == ["CORES"]:
        return False
    return tags[0] == "HEADING" or items[at].low in {
        "set",
        "group",
        "batch",
        "fleet",
        "bunch",
        "farm",
        "pool",
        "gruppo",
    }


def sized(items: Sequence[Item], at: int) -> bool:
    """Tell whether sizes follow, which only guests have: `alpha (2c 4g)`."""
    at += at < len(items) and items[at].tag == "FILL"
    at += at < len(items) and items[at].tag == "OPENP"
    tags = [item.tag for item in items[at : at + 2]]
    return tags[:1] == ["CORESHORT"] or tags == ["NUM", "CORES"]


def _namesake(items: Sequence[Item], i: int, at: int, subject: Subject) -> Subject | None:
    """Return the subject of words that are guests where they are counted: `un dns con 1 core`, `4x ubuntu 24.04`."""
    counted = subject.count is not None or subject.indefinite
    if counted and at < len(items) and items[at].tag == "OSV":
        subject.image, subject.length, subject.words = items[at].value, at + 1 - i, items[at].text
        return subject
    follows = items[at + 1].tag if at + 1 < len(items) else ""
    if not counted or at >= len(items) or items[at].tag not in _NAMESAKES or follows not in {"WITH", "OPENP", "ON"}:
        return None
    subject.role = subject.words = items[at].text
    subject.length = at + 1 - i
    return subject


def _determiners(items: Sequence[Item], i: int, subject: Subject) -> int:
    while i < len(items):
        item = items[i]
        if item.tag == "A":
            subject.indefinite |= item.low in _INDEFINITE
            subject.definite |= item.low not in _INDEFINITE
        elif (item.tag == "NUM" and subject.count is None) or (
            item.tag == "TIMES" and subject.count is None and item.low.endswith("x")
        ):
            subject.count = item.value
        elif item.tag in _ORDINAL:
            subject.ordinal = _ORDINAL[item.tag]
        elif item.tag == "SOME":
            subject.some = True
        elif item.tag == "MORE":
            subject.more = True
        elif item.tag == "FEWER" and subject.count is not None:
            subject.fewer = True
        elif item.tag == "BIG":
            subject.big = item.text
        elif item.tag in {"OLD", "SAME"}:
            subject.old = subject.old or item.tag == "OLD"
        elif _collective(items, i):
            i += 1  # `a cluster of 3`
        elif item.low in _NEW and (subject.indefinite or subject.definite):
            pass  # `the new web server`
        elif item.tag not in {"OF", "FILL"} or not (subject.count or subject.some or subject.big or subject.indefinite):
            break
        i += 1
    return i


def _run(items: Sequence[Item], at: int) -> int:
    end = at
    while end < len(items):
        tag = items[end].tag
        follows = items[end + 1].tag if end + 1 < len(items) else ""
        if (
            tag in _HEADS
            or tag in {"OSV", "WORD", "NAME", "NAMES", "UNPRIVILEGED", "PRIVILEGED", "BIG", "QUOTED"}
            or (tag in _ADJECTIVES and follows in {"KIND", "NOUN"})
            or (tag in _NAMESAKES and end > at and items[end - 1].tag == "KIND" and follows in _NAME_ENDS)
        ):
            pass
        elif not (
            tag in {"FILL", "HA", "UEFI", "SLASH", "DASH"} and follows in {"KIND", "NOUN", "OSV", "ROLE"} and end > at
        ):
            break
        end += 1
    return end


def _describe(  # noqa: C901, PLR0912, PLR0915  one branch for each kind of word
    run: Sequence[Item], heads: Sequence[int], subject: Subject
) -> int:
    """Read a run of words; return how many of them belong to the subject."""
    nouns = [k for k in heads if run[k].tag in {"KIND", "NOUN", "NODEWORD"}]
    head = nouns[-1] if nouns else heads[-1]
    used = head + 1
    before, after = run[:used], run[used:]
    if nouns and len(nouns) > 1 and any(run[k].tag in {"WORD", "NAME"} for k in range(nouns[0] + 1, head)):
        head = nouns[0]
        used, before, after = head + 1, run[: head + 1], run[head + 1 :]
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
            case "ROLE":
                words.append(item.text)
            case "WORD" | "NAME" | "QUOTED" if item is not before[-1] or not nouns:
                words.append(item.text)
            case "UNPRIVILEGED" | "PRIVILEGED":
                subject.facts.append(Fact("unprivileged", item.tag == "UNPRIVILEGED"))
            case "BIG":
                subject.big = item.text
            case "HA" | "UEFI":
                subject.facts.append(Fact({"HA": "ha", "UEFI": "efi"}[item.tag], True))
            case tag if tag in _ADJECTIVES:
                words.append(item.text)
            case _:
                pass
    if words:
        subject.by_software = False
        subject.role = " ".join(words[-2:]) if " ".join(words[-2:]).lower() in _ALIASES else words[-1]
    elif not subject.role and run[head].tag == "NOUN":
        subject.role = role_word(run[head].text)
    for item in after:
        if item.tag == "OSV" and subject.image is None:
            subject.image = item.value
        elif item.tag in {"WORD", "NAME", "QUOTED"} and subject.names and not _may_follow(item, run[head], subject):
            break
        elif item.tag in {"WORD", "NAME", "QUOTED"} and nouns and item.low not in _NOT_NAMES:
            subject.names.append(str(item.value) if item.tag == "QUOTED" else item.text)
        elif item.tag in _NAMESAKES and item is after[0]:
            subject.names.append(item.text)
        elif item.tag == "SWV" and item is after[0] and len(after) == 1 and _by_its_software(run[head], item, subject):
            subject.names.append(item.text)
            subject.software = item.value[0]
        elif item.tag == "NAMES" and nouns:
            subject.names += item.value
        elif item.tag == "ROLE" and item is after[0] and _role_behind(run[head], subject):
            subject.role = item.text  # `due server web`
        elif item.tag == "SWV" and item is after[0] and _role_behind(run[head], subject):
            subject.role, subject.software, subject.by_software = item.text, item.value[0], True  # `tre nodi redis`
        elif item.tag == "ROLE" and item is after[0] and _alone(after, nouns) and subject.count in {None, 1}:
            subject.names.append(item.text)
        else:
            break
        used += 1
    return used


def _alone(after: Sequence[Item], nouns: Sequence[int]) -> bool:
    """Tell whether a word behind a noun has nothing but a system behind it: `vm db debian 12`."""
    return bool(nouns) and all(item.tag == "OSV" for item in after[1:])


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


def _place(tags: set[str], head: Item) -> bool:
    """Tell whether words are where something is, and no guest: `node pve3`."""
    return tags == {"NODEWORD"} or (tags <= {"NODEWORD", "WORD", "NAME"} and "NODEWORD" in tags and not plural(head))


def _told_apart(items: Sequence[Item], stop: int, subject: Subject) -> bool:
    """Tell whether a name behind several guests is the first one's alone: `2 vms srv1 (…) and srv2 (…)`."""
    if not isinstance(subject.count, int) or subject.count < 2 or len(subject.names) != 1:
        return False
    stem = _stem(subject.names[0])
    follows = items[stop].tag if stop < len(items) else ""
    alike = (item for item in items[stop:] if item.tag in {"WORD", "NAME"} and item.low != subject.names[0].lower())
    return bool(stem) and follows not in {"COMMA", "AND", "WORD"} and any(_stem(item.text) == stem for item in alike)


def _stem(name: str) -> str:
    return re.sub(r"(?<=[a-z])[-_]?\d+$|-[a-z]$", "", name.lower()) if re.search(r"\d$|-[a-z]$", name.lower()) else ""


def _more_names(items: Sequence[Item], at: int, subject: Subject, *, many: bool) -> int:
    """Read on a list of names that a count or a plural announces: `3 nodes k8s-1, k8s-2 and k8s-3`."""
    most = subject.count if isinstance(subject.count, int) else 1000 if many and subject.count is None else 0
    stem = _stem(subject.names[0]) if subject.names else ""
    while subject.names and len(subject.names) < most:
        joint = at
        while joint < len(items) and items[joint].tag in {"COMMA", "AND"}:
            joint += 1
        if joint == at or joint >= len(items) or items[joint].tag not in {"WORD", "NAME", "QUOTED"}:
            break
        if subject.count is None and _stem(items[joint].text) != stem and items[joint - 1].tag != "AND":
            break
        subject.names.append(str(items[joint].value) if items[joint].tag == "QUOTED" else items[joint].text)
        at = joint + 1
    last = [item.tag for item in items[at : at + 3]]
    listed = len(subject.names) == most > 1 and last[:2] == ["AND", "WORD"] and last[2:] in ([], ["COMMA"], ["STOP"])
    if listed and stem and _stem(items[at + 1].text) == stem:  # one name more than guests
        subject.names.append(items[at + 1].text)
        at += 2
    return at


def _bare_name(items: Sequence[Item], i: int, at: int, subject: Subject, *, bare: bool) -> Subject | None:
    item = items[at]
    if item.tag == "NAMES":
        subject.names = list(item.value)
    elif item.tag in {"NAME", "QUOTED"} or (item.tag == "WORD" and not item.guessed):
        subject.names = [str(item.value) if item.tag == "QUOTED" else item.text]
    else:
        return None
    if item.tag == "WORD" and subject.count is not None and (subject.count > 20 or (i and items[i - 1].tag == "PORT")):
        return None  # `port 443 freely`
    if item.tag == "WORD" and subject.count is not None:  # `two frobnicators`
        subject.role, subject.names = item.text, []
    subject.weak = item.tag != "NAME" and subject.count is None
    subject.named = bool(subject.names)
    follows = items[at + 1].tag if at + 1 < len(items) else ""
    likely = item.tag in {"NAME", "NAMES"} or bool(re.search(r"[\d-]", item.text)) or sized(items, at + 1)
    if not (likely or bare or follows == "COLON" or subject.count is not None):
        return None
    subject.length, subject.words = at + 1 - i, item.text
    return subject


def _pronoun(items: Sequence[Item], i: int, at: int, subject: Subject) -> Subject | None:
    if i < len(items) and items[i].tag == "IT":
        return Subject(length=1, it=True)
    follows = items[at].tag if at < len(items) else ""
    if subject.ordinal is not None and i + 1 < at and items[i + 1].low in {"one", "ones"}:
        subject.length, subject.count = 2, None  # `first one gets 8 GB`
        return subject
    if subject.ordinal is not None and follows not in {
        "DISK",
        "NIC",
        "DATA",
        "ROOT",
        "SIZE",
        "IP",
        "STATIC",
        "ADDR",
    } | (set() if subject.definite or subject.count == 1 or follows == "FILL" else {"", "COMMA", "STOP"}):
        one = at < len(items) and items[at].tag == "FILL" and items[at].low in {"one", "ones"}
        subject.length = at - i + int(one)
        return subject
    return None
