"""Text and a draft to the next draft: no model, no clock, no disk; the same words always mean the same."""

from __future__ import annotations

import re

from atlas.language import meeting
from atlas.language.annotate import Item, annotate
from atlas.language.check import findings
from atlas.language.draft import Draft, Question
from atlas.language.facts import Fact
from atlas.language.intents import Intent, read
from atlas.language.known import Known
from atlas.language.reading import Reading
from atlas.language.refuse import readable, refusals
from atlas.language.scope import label
from atlas.language.stack import called

SAYS = {
    "count": ("count",),
    "names": ("name",),
    "cores": ("cpu.cores",),
    "memory": ("memory",),
    "disk": ("disk.size", "disk.any", "disk.data", "disk.root"),
    "size": ("memory", "cpu.cores", "disk.size"),
    "os": ("image",),
    "storage": ("storage",),
    "node": ("node",),
    "bridge": ("bridge",),
    "vlan": ("vlan",),
    "ip": ("addresses", "dhcp"),
    "gateway": ("gateway",),
    "template": ("template",),
    "software": ("software",),
    "ports": ("open_ports",),
    "gpu": ("gpu",),
    "user": ("user.name",),
    "ssh_key": ("ssh_keys",),
    "kind": ("kind",),
}
"""The fields whose mention answers a question."""

_DEFAULT = re.compile(
    r"(?:you (?:decide|choose|pick)|(?:the )?defaults?|default is fine|use (?:the )?defaults?|any(?:thing)?|whatever|"
    r"i don'?t (?:care|mind)|skip(?: it)?|as you like|up to you|no matter|decidi tu|egal|da igual|peu importe)"
)


_RESTART = re.compile(
    r"\s*(?:please )?(?:start over|start again|start from scratch|reset|forget (?:all )?(?:that|everything)|new draft|"
    r"ricomincia(?: da capo)?|von vorne|empezar de nuevo|recommence[rz]?)\b[\s,.:;-]*",
    re.IGNORECASE,
)


def understand(text: str, draft: Draft, known: Known) -> Draft:
    """Return the draft with what a message says.

    Args:
        text: What the person said.
        draft: The draft so far; it is not changed.
        known: Names of software and images.
    """
    new = draft.model_copy(deep=True)
    new.notes, new.unknown = [], []
    new.findings = [f for f in new.findings if f.kind == "error" and f.fields]
    refused = refusals(text)
    asked = new.questions[0] if new.questions else None
    if asked is not None and _DEFAULT.fullmatch(text.strip().lower().rstrip(".!")):
        new.questions = new.questions[1:]
        new.notes = ["default"]
        return _settled(new, None)
    if asked is not None and (chosen := _choice(text, asked)):
        text = chosen
    names = frozenset(n.lower() for g in new.guests for n in (g.name, g.prefix) if n)
    names |= frozenset(n for n in called(new) if "-" in n)
    if restart := _RESTART.match(text):
        new = Draft(stack=new.stack, notes=["removed"])
        text, asked, names = text[restart.end() :], None, frozenset()
    text = readable(text, refused)
    items = annotate(text, known.words, names)
    reading = Reading(items, new, text)
    if asked is not None and asked.guests:
        reading.scope = [g for g in asked.guests if g < len(new.guests)]
        new.focus = list(reading.scope)
    if not (asked and _answer(asked, items, reading)) and not _recounted(items, reading):
        reading.run()
    new.notes = list(dict.fromkeys(reading.apply.notes))
    new.unknown = reading.unknown
    new.findings += refused
    _complete_addresses(new, known)
    new = _settled(new, reading)
    if not new.guests and not new.questions and not new.findings:
        new.questions.append(
            Question(field="what", text="What do you want? Such as: two debian servers with nginx, 4 GB.")
        )
    return new


def _settled(new: Draft, reading: Reading | None) -> Draft:
    """Drop what this message has settled, and add what follows from the draft as a whole."""
    if reading is not None:
        said = {f for _, f in reading.apply.said} | set(reading.apply.notes)
        for finding in list(new.findings):
            old = finding.kind == "error" and finding.fields and reading.draft_errors is not None
            if old and finding in reading.draft_errors and said & set(finding.fields):
                new.findings.remove(finding)
        kept: list[Question] = []
        for question in new.questions:
            done = any((g, f) in reading.apply.said for f in SAYS.get(question.field, ()) for g in question.guests)
            done = done or (question.field == "count" and "count" in reading.apply.notes)
            done = done or (
                question.field in {"target", "what"} and question in reading.draft_questions and bool(new.notes)
            )
            done = done and not (question.field in reading.firm and question not in reading.draft_questions)
            done = done and not (question.field == "disk" and reading.apply.sizeless(question.guests))
            conflict = any(f.code == "conflicting_values" for f in new.findings)
            if not done or (conflict and question not in reading.draft_questions and question.choices):
                kept.append(question)
        new.questions = _merged(kept)
        waiting = sorted(g for g in reading.apply.static if g < len(new.guests) and not _has_address(new, g))
        if waiting and not any(q.field == "ip" for q in new.questions):
            who = ", ".join(dict.fromkeys(label(new.guests[g]) for g in waiting))
            text = f"Which addresses should {who} have? Give one for each, a first one, or say dhcp."
            new.questions.append(Question(field="ip", guests=waiting, text=text))
    codes = {(f.code, f.text) for f in new.findings}
    new.findings += [f for f in findings(new) if (f.code, f.text) not in codes]
    return new


def _complete_addresses(new: Draft, known: Known) -> None:
    """Give addresses that were said without a prefix length that of the known network which holds them."""
    for network in (n for guest in new.guests for n in guest.fields.get("networks", [])):
        prefix = known.prefix_of(str(network.get("address", "")))
        if prefix is not None:
            network["address"] = f"{network['address']}/{prefix}"


def _merged(questions: list[Question]) -> list[Question]:
    out: list[Question] = []
    for question in questions:
        same = next((q for q in out if q.field == question.field and q.field != "target"), None)
        if same is None:
            out.append(question)
        else:
            same.guests = sorted({*same.guests, *question.guests})
    return out


def _has_address(draft: Draft, g: int) -> bool:
    return any(n.get("address") not in {None, "auto"} for n in draft.guests[g].fields.get("networks", []))


def _choice(text: str, asked: Question) -> str | None:
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


def _answer(asked: Question, items: list[Item], reading: Reading) -> bool:
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
            reading.draft.focus = meeting.scale(reading, base, number)
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


def _recounted(items: list[Item], reading: Reading) -> bool:
    """Take `actually only 3` as how many there should be; tell whether it was that."""
    said = [i for i in items if i.tag not in _BESIDE_A_NUMBER]
    only = len(said) == 1 and said[0].tag == "NUM" and len(items) > 1 and reading.old > 0
    if only and said[0].value > 0:
        group = reading.draft.focus or list(range(reading.old))
        reading.draft.focus = meeting.scale(reading, list(group), said[0].value)
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
