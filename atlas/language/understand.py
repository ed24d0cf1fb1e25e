"""Text and a draft to the next draft: no model, no clock, no disk; the same words always mean the same."""

from __future__ import annotations

import re

from atlas.language import walk
from atlas.language.annotate import annotate
from atlas.language.answers import DEFAULT, answer, choice, recounted
from atlas.language.check import findings
from atlas.language.disks import sizeless
from atlas.language.draft import Draft, Question, label
from atlas.language.known import Known
from atlas.language.layout import plain
from atlas.language.reading import Reading
from atlas.language.refuse import readable, refusals
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


_LIKE = frozenset({"SAME", "ALIKE", "OLD"})
"""What points at something that was made before."""
_RESTART = re.compile(
    r"\s*(?:please )?(?:start over|start again|start from scratch|reset|forget (?:all )?(?:that|everything)|new draft|"
    r"ricomincia(?: da capo)?|von vorne|empezar de nuevo|recommence[rz]?)\b[\s,.:;-]*",
    re.IGNORECASE,
)


_TAKEN_BACK = re.compile(
    r"\b(?:scrap|forget|ignore|strike|disregard) (?:all )?(?:that|this|the above|what i (?:just )?said)\b"
    r"[\s,.:;!-]*(?=\w)",
    re.IGNORECASE,
)


def _kept(text: str) -> str:
    """Return a message without what it takes back itself: `a web vm, no, scrap that, two db vms`."""
    found = list(_TAKEN_BACK.finditer(text))
    return text[found[-1].end() :] if found and len(text[: found[-1].start()].split()) > 2 else text


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
    if asked is not None and DEFAULT.fullmatch(text.strip().lower().rstrip(".!")):
        new.questions = new.questions[1:]
        new.notes = ["default"]
        return _settled(new, None)
    if asked is not None and (chosen := choice(text, asked)):
        text = chosen
    names = frozenset(n.lower() for g in new.guests for n in (g.name, g.prefix) if n)
    names |= frozenset(n for n in called(new) if "-" in n)
    if restart := _RESTART.match(text):
        new = Draft(stack=new.stack, notes=["removed"])
        text, asked, names = text[restart.end() :], None, frozenset()
    text = _kept(plain(readable(text, refused)))
    items = annotate(text, known.words, names)
    reading = Reading(items, new, text)
    if asked is not None and asked.guests:
        reading.scope = [g for g in asked.guests if g < len(new.guests)]
        new.focus = list(reading.scope)
    if not (asked and answer(asked, items, reading)) and not recounted(items, reading):
        walk.run(reading)
    new.notes = list(dict.fromkeys(reading.apply.notes))
    new.unknown = reading.unknown
    new.findings += refused
    new.findings = [f for n, f in enumerate(new.findings) if f not in new.findings[:n]]
    _complete_addresses(new, known)
    new = _settled(new, reading)
    if reading.unread and new.guests and not new.questions and not new.findings:
        words = ", ".join(repr(word) for word in dict.fromkeys(reading.unread))
        new.questions.append(
            Question(field="what", text=f"I made nothing of {words}. Say it in other words, or `skip`.")
        )
    if not new.guests and not new.questions and not new.findings and any(x.tag in _LIKE for x in items):
        new.questions.append(Question(field="target", text="What should it be like? I know only what you say here."))
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
            done = done and not (question.field == "disk" and sizeless(reading.apply, question.guests))
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
