"""Subjects: the words that stand for guests, such as `two debian web servers`, `the db`, `vm llm01`, `web x3`."""

from __future__ import annotations

from collections.abc import Sequence

from atlas.language.items import Item, plural
from atlas.language.namelists import bare_name, more_names, told_apart
from atlas.language.nouns import HEADS, NAMESAKES, Subject, sized
from atlas.language.phrases import describe, run_end

_INDEFINITE = frozenset({"a", "an", "un", "una", "uno", "ein", "eine", "einen", "einer", "une"})
_ORDINAL = {"FIRST": 0, "SECOND": 1, "THIRD": 2, "FOURTH": 3, "FIFTH": 4, "LAST": -1}
_PARTITIVE = frozenset({"delle", "dei", "degli", "des"})
_NEW = frozenset({"new", "fresh", "nuova", "nuovo", "neue", "neuen", "neuer", "nueva", "nuevo", "nouvelle", "nouveau"})


def subject_at(items: Sequence[Item], i: int, *, bare: bool) -> Subject | None:
    """Return the subject that begins at an item.

    Args:
        items: The message.
        i: Where to look.
        bare: Whether a name or a role alone is enough, as after a preposition.
    """
    subject = Subject()
    at = _determiners(items, i, subject)
    end = run_end(items, at)
    run = list(items[at:end])
    if not any(item.tag in HEADS or item.tag in {"WORD", "NAME", "NAMES", "QUOTED"} for item in run):
        return _namesake(items, i, at, subject) or _pronoun(items, i, at, subject)
    heads = [k for k, item in enumerate(run) if item.tag in HEADS]
    if not heads:
        return bare_name(items, i, at, subject, bare=bare)
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
    used = describe(run, heads, subject)
    if used == 0:
        return None
    had = subject.count
    stop = _measure(items, at + used, subject)
    determined = determined or subject.count != had
    if told_apart(items, stop, subject):
        subject.names, stop, used = [], stop - 1, used - 1
    stop = more_names(items, stop, subject, many=any(plural(run[k]) for k in heads))
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
    bracketed = [item.tag for item in items[stop : stop + 3]]
    if bracketed in (["OPENP", "TIMES", "CLOSEP"], ["OPENP", "NUM", "CLOSEP"]) and subject.count is None:
        subject.count, subject.times, stop = items[stop + 1].value, True, stop + 3  # `web (x2): …`
    counts = [item.tag for item in items[stop : stop + 3]]
    if subject.count is None and counts[:2] == ["COLON", "NUM"] and counts[2:] in ([], ["COMMA"], ["STOP"], ["OF"]):
        subject.count, stop = items[stop + 1].value, stop + 2 + 2 * (counts[2:] == ["OF"])  # `VMs: 3 of them`
    if subject.count is None and counts[:2] == ["COMMA", "TIMES"] and counts[2:] in ([], ["COMMA"], ["STOP"]):
        subject.count, subject.times, stop = items[stop + 1].value, True, stop + 2  # `a debian vm, 3 times`
    if subject.count is None and _collective(items, stop):
        subject.count = items[stop + 2].value
        stop += 3
    if subject.count is not None and stop < len(items) and items[stop].tag == "FEWER":
        subject.fewer, stop = True, stop + 1
    if subject.definite and subject.count is None and stop < len(items) and items[stop].low in {"one", "ones"}:
        stop += 1  # `the wordpress one`
    of = [item.low for item in items[stop : stop + 1]] in (["di"], ["de"], ["d"])
    if of and stop + 1 < len(items) and items[stop + 1].tag in {"ROLE", "SWV"} | NAMESAKES and subject.count:
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


def _of_them(items: Sequence[Item], at: int) -> bool:
    """Tell whether `of them` stands in front of what some of a group are."""
    tags = [item.tag for item in items[at : at + 3]]
    return tags[:2] in (["OF", "ALL"], ["OF", "IT"]) and tags[2:] in (["ROLE"], ["SWV"])


def _namesake(items: Sequence[Item], i: int, at: int, subject: Subject) -> Subject | None:
    """Return the subject of words that are guests where they are counted: `un dns con 1 core`, `4x ubuntu 24.04`."""
    counted = subject.count is not None or subject.indefinite
    if i and items[i - 1].low in {"has", "have", "with", "ha", "hat", "haben", "tiene", "a"}:
        return None  # `only net0 has a gateway`
    if counted and at < len(items) and items[at].tag == "OSV":
        subject.image, subject.length, subject.words = items[at].value, at + 1 - i, items[at].text
        return subject
    follows = items[at + 1].tag if at + 1 < len(items) else ""
    if not counted or at >= len(items) or items[at].tag not in NAMESAKES or follows not in {"WITH", "OPENP", "ON"}:
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
        elif item.tag == "SOME" or (item.low in _PARTITIVE and _parts_of_none(items, i)):
            subject.some = True  # also `servono delle vm`
        elif item.tag == "MORE":
            subject.more = True
        elif item.tag == "FEWER" and subject.count is not None:
            subject.fewer = True
        elif item.tag == "BIG":
            subject.big = item.text
        elif item.tag in {"OLD", "SAME"}:
            subject.old = subject.old or item.tag == "OLD"
        elif _collective(items, i) or (subject.count is not None and _of_them(items, i)):
            i += 1  # `a cluster of 3`, `2 of them web`
        elif item.low in _NEW and (subject.indefinite or subject.definite):
            pass  # `the new web server`
        elif item.tag not in {"OF", "FILL"} or not (subject.count or subject.some or subject.big or subject.indefinite):
            break
        i += 1
    return i


def _parts_of_none(items: Sequence[Item], i: int) -> bool:
    """Tell whether `delle` means some: `servono delle vm`, and not `i nomi delle vm`."""
    before = items[i - 1].tag if i else ""
    return (
        i + 1 < len(items) and items[i + 1].tag in {"KIND", "NOUN"} and before in {"", "FILL", "CHANGE", "STOP", "ADD"}
    )


def _place(tags: set[str], head: Item) -> bool:
    """Tell whether words are where something is, and no guest: `node pve3`."""
    return tags == {"NODEWORD"} or (tags <= {"NODEWORD", "WORD", "NAME"} and "NODEWORD" in tags and not plural(head))


def _pronoun(items: Sequence[Item], i: int, at: int, subject: Subject) -> Subject | None:
    if i < len(items) and items[i].tag == "IT":
        return Subject(length=1, it=True)
    follows = items[at].tag if at < len(items) else ""
    if (
        subject.big
        and at > i
        and "one" in {items[at - 1].low.rstrip("s"), items[min(at, len(items) - 1)].low.rstrip("s")}
    ):
        subject.length = at - i + (items[at - 1].low.rstrip("s") != "one")
        subject.words = f"{subject.big} one"
        return subject  # `one of the small ones`
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
