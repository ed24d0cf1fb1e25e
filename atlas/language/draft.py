"""The draft: what was understood so far, guest by guest, with what is still asked and what stands in the way."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from atlas.units import format_size


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Question(_Part):
    """One thing that only the person knows.

    Args:
        field: What is asked for, such as `count`, `memory`, `target`.
        guests: Positions of the guests in the draft that it is about; empty for all.
        text: The question in words.
        choices: Answers to choose from, if there are any.
    """

    field: str
    text: str
    guests: list[int] = Field(default_factory=list)
    choices: list[str] = Field(default_factory=list)


class Finding(_Part):
    """Something that stands in the way.

    Args:
        kind: `error` (a value that cannot be), `refuse` (must not be done), `confirm` (destroys something), `note`.
        code: Its kind as one word, such as `duplicate_ip`.
        text: What it is and what to do, in words.
        fields: The fields whose next mention settles it; empty if it is found anew each time.
    """

    kind: Literal["error", "refuse", "confirm", "note"]
    code: str
    text: str
    fields: list[str] = Field(default_factory=list)


class DraftGuest(_Part):
    """One guest.

    Args:
        role: The person's word for what it is (`web`, `postgres`); groups guests that were named together.
        name: Its name, where the person gave one.
        prefix: The beginning of its name, where only that was given.
        fields: What was said, under the spec's own field names.
        live: Whether it was said to exist already: to remove or to remake it destroys something.
    """

    role: str = ""
    name: str | None = None
    prefix: str | None = None
    fields: dict[str, Any] = Field(default_factory=dict)
    live: bool = False


class Draft(_Part):
    """All that was understood of a session.

    Args:
        stack: The stack's name, where one was given.
        guests: One entry for each guest.
        focus: Positions of the guests that were spoken of last.
        questions: What is asked, the most important first; one is asked at a time.
        findings: What stands in the way.
        notes: What was understood in the last message, in words.
        unknown: Words of the last message that nothing was made of.
    """

    stack: str | None = None
    guests: list[DraftGuest] = Field(default_factory=list)
    focus: list[int] = Field(default_factory=list)
    questions: list[Question] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    unknown: list[str] = Field(default_factory=list)

    def of_kind(self, kind: str) -> list[Finding]:
        """Return the findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]

    @property
    def complete(self) -> bool:
        """Whether it can be planned: there are guests, nothing is asked and nothing stands in the way."""
        return bool(self.guests) and not self.questions and not [f for f in self.findings if f.kind != "note"]


def label(guest: DraftGuest) -> str:
    """Return what a person calls a guest."""
    return guest.name or guest.prefix or guest.role or "the guest"


def destroys(guest: DraftGuest) -> Finding:
    """Return what has to be confirmed before a guest that exists is removed or made anew."""
    text = f"{label(guest)} is live, and that destroys it. Say `yes` if it may go; what goes is shown first."
    return Finding(kind="confirm", code="destroys", text=text)


def shown(value: Any) -> str:
    """Return a value in words."""
    if isinstance(value, float):
        return format_size(int(value))
    return str(value)
