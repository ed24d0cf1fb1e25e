"""The state of reading one message: whom the words are said of, and what was said so far."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from atlas.language.draft import Draft, Question
from atlas.language.facts import Fact
from atlas.language.items import Item
from atlas.language.namelists import stem_of
from atlas.language.nouns import Subject, role_word
from atlas.language.order import taken
from atlas.language.scope import Applier
from atlas.language.stack import called
from atlas.language.subjects import subject_at

_STORAGE = re.compile(
    r"lvm|zfs|ceph|rbd|nfs|tank|pool|ssd|nvme|hdd|data|store|storage|local|san|iscsi|flash|disk|vol", re.IGNORECASE
)
_CORRECTS = re.compile(
    r"\b(?:no wait|sorry|oops|i mean|i meant|actually|rather|correction|scratch that|make that|anzi|nein|pardon|better|"
    r"meglio|piuttosto|besser|mieux|"
    r"doch|lieber|mejor|plutôt|finalement|finally|instead|take|go with|going with)\b|(?<!\w)no[,:]|"
    r"[,;\u2013-]\s*(?:no|non|nein)\s+(?:make (?:it|that) )?\d"
)
NAMES = frozenset(
    {"WORD", "NAME", "ROLE", "QUOTED", "NAMES", "SWV", "NOUN", "GATEWAY", "STORAGE", "BACKUP", "DATA", "ROOT", "KIND"}
)
_DATABASES = frozenset({"postgresql", "mysql", "mariadb", "mongodb"})
_SMALL = frozenset(
    {"small", "smaller", "tiny", "modest", "lightweight", "piccola", "piccolo", "kleine", "kleiner", "kleinen"}
    | {"pequeña", "pequeño", "petit", "petite"}
)
_VERBS = frozenset({"CHANGE", "RESIZE", "SHRINK", "FACTOR", "REMOVE", "RENAME"})
HARD = frozenset({"STOP", "COMMA", "CLOSEP", "DASH"})


class Reading:
    """The state of the walk over one message.

    Args:
        items: The message.
        draft: A copy of the draft that the message changes.
    """

    def __init__(self, items: Sequence[Item], draft: Draft, text: str) -> None:
        self.items, self.order = taken(items, draft)
        self.draft = draft
        self.called = called(draft)
        self.draft_errors, self.draft_questions = list(draft.findings), list(draft.questions)
        self._lay()
        self.old = len(draft.guests)
        self.apply = Applier(draft, correcting=bool(_CORRECTS.search(text.lower())))
        # `and 8 cores` goes on with whom was spoken of; words without a subject mean all.
        goes_on = bool(self.items) and self.items[0].tag in {"AND", "ADD"}
        self.scope: list[int] = list(draft.focus) if draft.focus and goes_on else list(range(self.old))
        self.family: list[int] = []  # a group whose members are being told apart one by one
        self.told: set[int] = set()
        self.joinable = False  # whether nothing was said since the last subject
        self.subjects: list[list[int]] = []
        self.pending: list[Fact] = []
        self.firm: set[str] = set()
        self.parted = False
        self.generic: list[int] = []  # guests that were only counted, and may be told apart by their roles
        self.roled: set[int] = set()  # those of them that were
        self.title = ""  # the role that a heading gives: `database: 1 postgres vm`
        self.kind = ""  # the kind that a heading gives: `containers: a and b`
        self.placed = False  # whether words chose a scope without a subject: `it`, `the first one`
        self.own = False  # whether the last subject has a count or an article of its own
        self.edit_only = False  # whether the verb is for what is there already
        self.latest: list[int] = []  # whom the last subject named
        self.parens: list[list[int]] = []
        self.bracketed = False  # whether the last subject had its facts in brackets
        self.wider: list[int] = []  # the scope behind the brackets of the next subject, if it has any
        self.dangling = False  # whether something was said of a guest that is not there
        self.last: Fact | None = None  # the last number that was said, for `… and 20 for the other`
        self.count: int | None = None
        self.adding = self.removing = self.more = False
        self.weak = False
        self.unknown: list[str] = []
        self.prefix = ""  # what all names are to begin with
        self.number = ""  # the number that may count what comes next, as written
        self.unread: list[str] = []  # values that nothing was made of

    def _lay(self) -> None:
        """Lay the tags out as the line that the grammar reads."""
        self.offsets: list[int] = []
        self.line = ""
        for item in self.items:
            self.offsets.append(len(self.line))
            self.line += item.tag + " "

    def retag(self, i: int, tag: str) -> None:
        """Take an item for another concept, as the words around it want."""
        at, end = self.offsets[i], self.offsets[i] + len(self.items[i].tag)
        self.items[i] = replace(self.items[i], tag=tag)
        self.line = self.line[:at] + tag + self.line[end:]
        moved = len(tag) - (end - at)
        if moved:
            self.offsets = [start + moved * (start > at) for start in self.offsets]

    def uncounted(self) -> None:
        """Note that a number counts nothing, since what it could count did not come."""
        if self.count is not None and self.number.isdigit() and not re.fullmatch(r"(?:19|20)\d\d", self.number):
            self.unread.append(self.number)
        self.count = None

    # looking around
    def tag(self, i: int) -> str:
        """Return the tag at an item, or nothing behind the end."""
        return self.items[i].tag if 0 <= i < len(self.items) else ""

    def clause_end(self, i: int) -> int:
        """Return where the clause ends that an item stands in."""
        while i < len(self.items) and self.tag(i) not in HARD:
            i += 1
        return i

    def find(self, subject: Subject) -> list[int]:
        """Return the guests of the draft that a subject refers to."""
        guests = self.draft.guests
        if subject.big and subject.definite and not (subject.names or subject.role or subject.kind):
            return self._of_size(small=subject.big.lower() in _SMALL)
        plain = subject.definite and subject.kind and not (subject.names or subject.role or subject.image)
        if plain and subject.count is None and subject.ordinal is None and not subject.more:
            alike = [g for g, x in enumerate(guests) if x.fields.get("kind", "vm") == subject.kind]
            return alike if len(alike) < len(guests) else []  # `the vms`, where there are containers too
        words = {w.lower() for w in (*subject.names, subject.role) if w}
        named = [g for g, x in enumerate(guests) if x.name and x.name.lower() in words]
        if named:
            return named
        exact = [self.called[w] for w in words if w in self.called and "-" in w]
        if exact:
            return exact
        role = role_word(subject.role)
        same = [g for g, x in enumerate(guests) if role and role in {role_word(x.role), role_word(x.prefix or "")}]
        if not same and role and role != subject.role.lower():  # `the webs` are web1 and web2
            same = [g for g, x in enumerate(guests) if x.name and stem_of(x.name) == role]
        if not same and role and subject.count is None and not subject.indefinite:  # `proxy` is the reverse proxy
            same = [g for g, x in enumerate(guests) if " " in x.role and role_word(x.role).rpartition(" ")[2] == role]
        if not same and subject.software and not subject.names and subject.by_software:
            wanted = subject.software.partition("@")[0]
            has = [
                g for g, x in enumerate(guests) if wanted in (s.partition("@")[0] for s in x.fields.get("software", []))
            ]
            same = has if has and not subject.indefinite else same
        if not same and role == "db" and not subject.indefinite and subject.count is None:
            same = [
                g
                for g, x in enumerate(guests)
                if _DATABASES & {s.partition("@")[0] for s in x.fields.get("software", [])}
            ]
        return same

    def _of_size(self, *, small: bool) -> list[int]:
        """Return `the small ones` or `the big ones`; nobody where none are smaller than others."""
        memory = {g: x.fields["memory"] for g, x in enumerate(self.draft.guests) if "memory" in x.fields}
        wanted = (min if small else max)(memory.values(), default=0)
        found = [g for g, size in memory.items() if size == wanted]
        return found if len(found) < len(memory) else []

    def ahead(self, i: int) -> list[int] | None:
        """Return the guests that the rest of the clause says its facts are for: `… on the db`, `… on all`."""
        end = self.clause_end(i)
        for k in range(i, end):
            if self.tag(k) == "OPENP" and self.tag(k + 1) == "ALL":
                return None  # `b1: 10.0.0.2 (all /24)`
            if self.tag(k) == "ALL" and self.items[k].low != "them" and self.tag(k + 1) not in {"NODEWORD", "PORT"}:
                return self.all_but(k)[0] or None
            another = self.tag(k) == "AND" and self.tag(k + 1) in _VERBS  # `8 cores and halve the memory on web`
            if another or (self.tag(k) in {"AND", "OPEN", "CHECK"} and k > i):
                return None
            italian = self.tag(k) == "A" and self.items[k].low == "a" and self.tag(k + 1) == "NAME"
            if italian or self.tag(k) in {"ON", "TO", "FOR", "OF"}:
                at = k + 1
                if self.tag(at) == "ALL" and self.tag(at + 1) not in {"NODEWORD", "PORT"}:
                    return self.all_but(at)[0] or None
                subject = subject_at(self.items, at, bare=True)
                if subject and (found := self.find(subject)):
                    return [*self.picked(found, subject), *self._also(at + subject.length)]
                if subject and self.tag(k) != "FOR" and subject.indefinite is False and subject.ordinal is not None:
                    return self.picked(self.family or self.scope, subject)
        return None

    def picked(self, found: list[int], subject: Subject) -> list[int]:
        """Return those of some guests that an ordinal picks."""
        if subject.ordinal is None or not found:
            return found
        if isinstance(subject.count, int) and subject.count > 1 and subject.ordinal in {0, -1}:
            return found[: subject.count] if subject.ordinal == 0 else found[-subject.count :]  # `the first three`
        at = subject.ordinal if subject.ordinal >= 0 else len(found) - 1
        return [found[at]] if at < len(found) else found

    def everyone(self) -> list[int]:
        """Return all guests that the message can mean."""
        new = list(range(self.old, len(self.draft.guests)))
        return new or list(range(len(self.draft.guests)))

    def _also(self, i: int) -> list[int]:
        """Return the further guests that are listed at an item: `open 443 on web1 and web2`."""
        at = i
        while self.tag(at) in {"AND", "COMMA"}:
            at += 1
        subject = subject_at(self.items, at, bare=True) if at > i else None
        found = self.find(subject) if subject and subject.names and not subject.kind else []
        after = at + subject.length if subject else at
        if not subject or not found or self.tag(after) not in {"", "COMMA", "STOP", "AND", "ONLY", "FILL"}:
            return []
        return [*found, *self._also(after)]

    def all_but(self, i: int) -> tuple[list[int], int]:
        """Return whom `all` or `all except web2` at an item means, and how many items that takes."""
        guests = self.everyone()
        subject = subject_at(self.items, i + 2, bare=True) if self.tag(i + 1) == "EXCEPT" else None
        left_out = self.picked(self.find(subject), subject) if subject else []
        if subject is None or not left_out:
            return guests, 1
        return [g for g in guests if g not in left_out], 2 + subject.length

    def state(self, fact: Fact, scope: list[int] | None = None) -> None:
        """Apply a fact to a scope, by default the present one; without any, it waits for its subject."""
        target = scope
        if target is None:
            if not self.subjects and not self.placed and not (self.weak and self.scope):
                self.pending.append(fact)
                return
            target = self._family_scope(fact)
            if fact.field == "apart" and len(target) == 1:
                target = self.everyone()  # nobody is apart alone
        else:
            self.scope = target
        self.apply.apply(fact, target, weak=self.weak and fact.op == "set")
        self.joinable = False
        if not self.parens:
            self.wider = []

    def _family_scope(self, fact: Fact) -> list[int]:
        """Return the whole family for a fact that no single member was told, once each has been spoken of."""
        if not self.family or not self.comma or not set(self.family) <= self.told:
            return self.scope
        if fact.field not in {"storage", "disk.data"} and any(
            (g, fact.field) in self.apply.said for g in self.family if g not in self.scope
        ):
            return self.scope
        return self.family

    comma = False

    def ask(
        self, field: str, text: str, guests: Sequence[int] = (), choices: Sequence[str] = (), *, firm: bool = False
    ) -> None:
        """Add a question, once; a firm one stays although the message gives a value too."""
        if firm:
            self.firm.add(field)
        if not any(q.field == field and q.guests == list(guests) for q in self.draft.questions):
            self.draft.questions.append(Question(field=field, text=text, guests=list(guests), choices=list(choices)))


def is_storage(name: str) -> bool:
    """Tell whether a name sounds like a storage rather than a node."""
    return bool(_STORAGE.search(name)) and not re.fullmatch(r"(?:pve|node|host)[\w-]*", name, re.IGNORECASE)


def values_of(items: Sequence[Item]) -> list[Any]:
    """Return the names that a run of items spells."""
    out: list[Any] = []
    for item in items:
        out += item.value if item.tag == "NAMES" else [str(item.value) if item.tag == "QUOTED" else item.text]
    return out
