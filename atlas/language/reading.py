"""Reading one message: a walk over its items that finds subjects, keeps the scope and applies facts to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from atlas.language import grammar, meeting
from atlas.language.annotate import Item
from atlas.language.draft import Draft, Question
from atlas.language.facts import Fact
from atlas.language.scope import Applier
from atlas.language.stack import called
from atlas.language.subjects import Subject, plural, role_word, subject_at
from atlas.units import GIB

_STORAGE = re.compile(
    r"lvm|zfs|ceph|rbd|nfs|tank|pool|ssd|nvme|hdd|data|store|storage|local|san|iscsi|flash|disk|vol", re.IGNORECASE
)
_CORRECTS = re.compile(
    r"\b(?:no wait|sorry|oops|i mean|i meant|actually|rather|correction|scratch that|make that|anzi|nein|pardon|better|"
    r"doch|lieber|mejor|plutôt|finalement|finally)\b|(?<!\w)no,"
)
_NAMES = frozenset(
    {"WORD", "NAME", "ROLE", "QUOTED", "NAMES", "SWV", "NOUN", "GATEWAY", "STORAGE", "BACKUP", "DATA", "ROOT", "KIND"}
)
_DATABASES = frozenset({"postgresql", "mysql", "mariadb", "mongodb"})
_SHARED = frozenset({"image", "user.name", "ssh_keys", "dns", "search"})
"""What the guests of one request mostly have in common."""
_HARD = frozenset({"STOP", "COMMA", "CLOSEP", "DASH"})


class Reading:
    """The state of the walk over one message.

    Args:
        items: The message.
        draft: A copy of the draft that the message changes.
    """

    def __init__(self, items: Sequence[Item], draft: Draft, text: str) -> None:
        self.items, self.draft = list(items), draft
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

    def _lay(self) -> None:
        """Lay the tags out as the line that the grammar reads."""
        self.offsets: list[int] = []
        self.line = ""
        for item in self.items:
            self.offsets.append(len(self.line))
            self.line += item.tag + " "

    def retag(self, i: int, tag: str) -> None:
        """Take an item for another concept, as the words around it want."""
        self.items[i] = replace(self.items[i], tag=tag)
        self._lay()

    # looking around
    def tag(self, i: int) -> str:
        """Return the tag at an item, or nothing behind the end."""
        return self.items[i].tag if 0 <= i < len(self.items) else ""

    def clause_end(self, i: int) -> int:
        """Return where the clause ends that an item stands in."""
        while i < len(self.items) and self.tag(i) not in _HARD:
            i += 1
        return i

    def find(self, subject: Subject) -> list[int]:
        """Return the guests of the draft that a subject refers to."""
        guests = self.draft.guests
        words = {w.lower() for w in (*subject.names, subject.role) if w}
        named = [g for g, x in enumerate(guests) if x.name and x.name.lower() in words]
        if named:
            return named
        exact = [self.called[w] for w in words if w in self.called and "-" in w]
        if exact:
            return exact
        role = role_word(subject.role)
        same = [g for g, x in enumerate(guests) if role and role in {role_word(x.role), role_word(x.prefix or "")}]
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

    def ahead(self, i: int) -> list[int] | None:
        """Return the guests that the rest of the clause says its facts are for: `… on the db`, `… on all`."""
        end = self.clause_end(i)
        for k in range(i, end):
            if self.tag(k) == "ALL" and self.items[k].low != "them" and self.tag(k + 1) not in {"NODEWORD", "PORT"}:
                return self.everyone() or None
            if self.tag(k) in {"AND", "OPEN", "CHECK"} and k > i:
                return None
            italian = self.tag(k) == "A" and self.items[k].low == "a" and self.tag(k + 1) == "NAME"
            if italian or self.tag(k) in {"ON", "TO", "FOR", "OF"}:
                at = k + 1
                if self.tag(at) == "ALL" and self.tag(at + 1) not in {"NODEWORD", "PORT"}:
                    return self.everyone() or None
                subject = subject_at(self.items, at, bare=True)
                if subject and (found := self.find(subject)):
                    return self.picked(found, subject)
                if subject and self.tag(k) != "FOR" and subject.indefinite is False and subject.ordinal is not None:
                    return self.picked(self.family or self.scope, subject)
        return None

    def picked(self, found: list[int], subject: Subject) -> list[int]:
        """Return those of some guests that an ordinal picks."""
        if subject.ordinal is None or not found:
            return found
        at = subject.ordinal if subject.ordinal >= 0 else len(found) - 1
        return [found[at]] if at < len(found) else found

    def everyone(self) -> list[int]:
        """Return all guests that the message can mean."""
        new = list(range(self.old, len(self.draft.guests)))
        return new or list(range(len(self.draft.guests)))

    # the walk
    def run(self) -> None:
        """Walk over the message."""
        from atlas.language.verbs import special

        i = 0
        while i < len(self.items):
            used = special(self, i)
            if not used:
                used = self._subject(i) or self._fact(i)
            if not used:
                item = self.items[i]
                if item.tag == "NUM" and self._likewise(i):
                    pass
                elif item.tag == "NUM":
                    self.count = item.value
                elif item.tag in {"WORD", "QUOTED"}:
                    self.unknown.append(item.text)
                used = 1
            i += used
        self._finish()

    def _finish(self) -> None:
        meeting.parts_left(self)
        if self.dangling and any(f.field == "disk.data" for f in self.pending):
            self.ask("disk", "How large should the disk be?")
        if self.edit_only and not self.draft.guests:
            self.ask("target", "Which guest do you mean? There is none in this draft yet.")
            self.dangling = True
        if self.dangling and any(f.field == "static" for f in self.pending):
            self.ask("ip", "Which address should it have?")
        if (
            self.pending
            and not self.dangling
            and not self.draft.guests
            and any(f.field != "storage" for f in self.pending)
        ):
            meeting.create(self, Subject(count=self.count if self.count and self.count > 0 else None))
        targets = sorted({g for s in self.subjects for g in s}) or self.scope or list(range(len(self.draft.guests)))
        for fact in self.pending:
            self.apply.apply(fact, targets, weak=bool(self.subjects))
        if not targets and self.pending:
            self.apply.notes += [f.field for f in self.pending]
        self.draft.focus = [g for g in self.scope if g < len(self.draft.guests)]

    # subjects
    def _title(self, i: int) -> int:
        """Take `web tier: 3 vms` and `database: one vm` as headings that give a role."""
        at = i + 1 + (self.tag(i + 1) == "HEADING")
        heading = self.tag(i) == "KIND" and plural(self.items[i]) and self.tag(i + 1) == "COLON" and not self.old
        if heading and self.tag(i + 2) == "NUM" and self.tag(i + 3) in {"STOP", "COMMA", ""}:
            meeting.create(self, Subject(count=self.items[i + 2].value, kind=self.items[i].value))  # `VMs: 2.`
            return 3
        if heading and self.count is None and self.tag(i + 2) in {"WORD", "QUOTED"}:
            self.kind = self.items[i].value
            return 2
        if self.tag(i) != "ROLE" or self.tag(at) != "COLON":
            return 0
        subject = subject_at(self.items, at + 1, bare=False)
        if subject is None or subject.count is None:
            return 0
        self.title = self.items[i].text
        return at + 1 - i

    def _subject(self, i: int) -> int:
        if used := self._title(i):
            return used
        labels = {"name", "hostname", "nome", "nom", "nombre"}
        if self.subjects and self.tag(i) == "KIND" and self.tag(i + 1) == "NAMED" and self.items[i + 1].low in labels:
            self.apply.apply(Fact("kind", self.items[i].value), self.scope)  # `vault on debian 12, vm name secrets1`
            return 1
        subject = subject_at(self.items, i, bare=False)
        if subject is None:
            return 0
        if self.count is not None and subject.count is None and not subject.times:
            subject.count = self.count
        self.count = None
        return subject.length if meeting.meet(self, subject, i) else 0

    # facts
    def _likewise(self, i: int) -> bool:
        """Take `vlan 10 for a and 20 for b`: a number alone is for what the one before it was for."""
        scope = self.ahead(i + 1) if self.tag(i + 1) in {"FOR", "ON"} and self.tag(i - 1) in {"AND", "COMMA"} else None
        if self.last is None or not scope:
            return False
        self.state(Fact(self.last.field, self.items[i].value), scope)
        return True

    def _fact(self, i: int) -> int:
        matched = grammar.match(self.items, self.line, self.offsets[i], i)
        if matched is None and self.tag(i) == "SIZE":
            matched = [self._bare(float(self.items[i].value), i)], 1
        if matched is None:
            return 0
        found, used = matched
        if found and found[0].op == "times" and self.subjects and self.tag(i + used) in {"OF", "FOR", "THAN"}:
            other = subject_at(self.items, i + used + 1, bare=True)
            if other and (base := self.find(other)):
                self.apply.base = self.draft.guests[base[0]]  # `a db with twice the memory of web`
                for fact in found:
                    self.state(fact)
                self.apply.base = None
                return used + 1 + other.length
        scope = self.ahead(i + used)
        if scope is None and self.tag(i - 1) == "WITH" and self.own and self.joinable and not self._each_ahead(i):
            self.scope = list(self.latest)  # `two web servers and a db with 8 GB`
        if scope is None and all(self._shared(fact, i, used) for fact in found):
            scope = self.everyone()
        self.last = found[0] if len(found) == 1 and isinstance(found[0].value, int) and found[0].op == "set" else None
        for fact in found:
            self._say(fact, scope, i)
        return used

    def _say(self, fact: Fact, scope: list[int] | None, i: int) -> None:
        """State a fact; an address or a VMID that several guests are to have alike is said of each."""
        target = self.scope if scope is None else scope
        alone = fact.field in {"addresses", "vmid"} and isinstance(fact.value, list) and len(fact.value) == 1
        begin = max((k for k in range(i) if self.tag(k) in _HARD), default=-1) + 1
        if alone and len(target) > 1 and any(self.tag(k) in {"ALL", "EACH"} for k in range(begin, i)):
            for g in list(target):
                self.apply.apply(fact, [g])
            return
        self.state(fact, scope)

    def _shared(self, fact: Fact, i: int, used: int) -> bool:
        """Tell whether a fact closes a list of guests, and so is said of all: `2 web 1c and 1 db 4c, debian 12`."""
        while self.tag(i - 1) in {"ROOT", "OSWORD", "FILL", "ON", "WITH", "RUNNING", "COLON", "A", "USER"}:
            i, used = i - 1, used + 1
        alone = self.tag(i - 1) in {"COMMA", "STOP"} and self.tag(i + used) in {"", "COMMA", "STOP"}
        if not alone or fact.field not in _SHARED or len(self.subjects) < 2 or self.parens or self.family:
            return False
        guests = self.everyone()
        return guests[0] >= self.old and not any((g, fact.field) in self.apply.said for g in guests)

    def _each_ahead(self, i: int) -> bool:
        return any(self.tag(k) == "EACH" for k in range(i, self.clause_end(i)))

    def _bare(self, size: float, i: int) -> Fact:
        from atlas.language.places import on_storage

        known = self.apply.said
        scope = self.scope if self.subjects or self.old else []
        if self.apply.changing and self.apply.correcting and self.subjects:
            return Fact("memory", size)
        has = any((g, "memory") in known for g in scope) or any(f.field == "memory" for f in self.pending)
        waits = any(f.field == "disk.data" and f.value[0] is None for f in self.pending)
        if waits or self.apply.sizeless(scope):
            return Fact("disk.fill", size)
        stored = size >= GIB * GIB or on_storage(self, i + 1)  # nobody means a terabyte of memory
        return Fact("disk.any" if has or stored else "memory", size)

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
        if any((g, fact.field) in self.apply.said for g in self.family if g not in self.scope):
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
