"""Collecting: what the person said becomes the draft of a spec, or one question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from atlas.diagnostics import Diagnostic
from atlas.errors import ModelError, SpecError
from atlas.language.describe import describe, obstacles
from atlas.language.draft import Draft
from atlas.language.intents import Intent, read
from atlas.language.known import Known
from atlas.language.stack import draft_to_stack, stack_name
from atlas.language.understand import understand
from atlas.phases import Phase
from atlas.ports.store import Session, Store
from atlas.spec import Stack
from atlas.steps.contract import Step, StepResult

Fill = Callable[[str, Draft], tuple[Draft, Mapping[str, Any]]]
"""A model that fills the draft, with what it used; raises ModelError where it does not answer, or answers nonsense."""


_NOTHING = "I could not make anything of that."


def collector(store: Store, known: Known, fill: Fill | None = None) -> Step:
    """Return the collector's step.

    Args:
        store: Where the words and the draft are.
        known: Names of software and images.
        fill: A model, where one is configured; without, or where it fails, the words are read by rules alone.
    """

    def collect(session_id: str) -> StepResult:
        session = store.session(session_id)
        heard = int(session.draft.get("heard", 0))
        said = [m for m in store.messages(session_id, 200) if m.source == "user" and m.id > heard]
        draft = draft_of(session)
        remarks: list[str] = []
        used: list[Mapping[str, Any]] = []
        for message in said:
            draft = _understand(message.text, draft, known, fill, remarks, used)
        last = said[-1].id if said else heard
        name = session.stack or _free_name(store, session, draft)
        understood = bool(draft.notes) or bool(said and read(said[-1].text) in {Intent.AGAIN, Intent.YES})
        result = draft_to_stack(draft, name, known) if draft.complete and understood else []
        data: dict[str, Any] = {"draft": {"draft": draft.model_dump(mode="json"), "heard": last, "name": name}}
        if used:
            data["model"] = used
        text = _answer(
            draft, result if isinstance(result, list) else [], [*remarks, *([] if understood else [_NOTHING])]
        )
        if isinstance(result, Stack):
            return StepResult(text, Phase.VALIDATING, {**data, "stack": result.metadata.name})
        return StepResult(text, Phase.COLLECTING, data)

    return collect


def draft_of(session: Session) -> Draft:
    """Return the draft of a session."""
    return Draft.model_validate(session.draft.get("draft") or {})


def stack_of(session: Session, known: Known) -> Stack:
    """Return the spec that a session's draft stands for.

    Raises:
        SpecError: It is not complete, or faulty.
    """
    draft = draft_of(session)
    name = session.stack or str(session.draft.get("name") or stack_name(draft))
    result = draft_to_stack(draft, name, known)
    if isinstance(result, Stack):
        return result.model_copy(update={"cluster": session.cluster}) if session.cluster else result
    raise SpecError(result)


def _understand(
    text: str, draft: Draft, known: Known, fill: Fill | None, remarks: list[str], used: list[Mapping[str, Any]]
) -> Draft:
    """Read the words by rules, and step up to the model where those are not enough."""
    by_rules = understand(text, draft, known)
    reason = _reason(by_rules, draft)
    if fill is None or reason is None or by_rules.of_kind("refuse") or by_rules.of_kind("confirm"):
        return by_rules
    try:
        filled, cost = fill(text, draft)
    except ModelError as problem:
        remarks.append(f"The model was of no help, so the words were read by rules alone: {problem.message}.")
        return by_rules
    used.append({**cost, "reason": reason})
    return filled


def _reason(by_rules: Draft, before: Draft) -> str | None:
    """Return why a model is asked; None where the rules understood an edit or an answer in full."""
    if not by_rules.notes:
        return "the rules made nothing of the words"
    if by_rules.unknown:
        return f"the rules do not know: {', '.join(by_rules.unknown)}"
    return None if before.guests else "it is the first description"


def _free_name(store: Store, session: Session, draft: Draft) -> str:
    """Return a name that no other stack has: taking one up would change that stack's guests."""
    name = stack_name(draft)
    taken = {str(row["stack"]) for row in store.stacks()}
    taken |= {s.stack for s in store.sessions() if s.stack and s.id != session.id}
    return name if name not in taken else f"{name[:50]}-{session.id.rsplit('-', 1)[-1]}"


def _answer(draft: Draft, faults: Sequence[Diagnostic], remarks: Sequence[str]) -> str:
    parts = list(remarks)
    if draft.unknown and draft.notes:
        parts.append(f"I made nothing of: {', '.join(dict.fromkeys(draft.unknown))}.")
    if draft.guests:
        parts.append(f"So far: {describe(draft)}.")
    parts.append(obstacles(draft, faults))
    if draft.guests and draft.of_kind("refuse"):
        parts.append("Say `go on` to plan the rest, or what should be different.")
    return "\n".join(part for part in parts if part)
