"""Only words that mean nothing else are an intent; above all for a yes."""

from __future__ import annotations

import pytest

from atlas.language.intents import Intent, read


@pytest.mark.parametrize(
    "words",
    ["yes", "Yes!", "y", "yes please", "Approve it.", "go ahead", "yes, do it", "sì", "ja", "oui", "sí, gracias"],
)
def test_a_clear_yes(words: str) -> None:
    assert read(words) is Intent.YES


@pytest.mark.parametrize(
    "words",
    [
        *(
            "yes but make it 8 GB",
            "ok",
            "maybe",
            "yes?no",
            "don't apply",
            "do not do it",
            "yesterday",
            "not yes",
            "no yes",
        ),
        *("yes if it is free", "", "approve all future plans", "is it ok to say yes", "yes\nno", "apply nothing"),
    ],
)
def test_anything_else_is_no_yes(words: str) -> None:
    assert read(words) is not Intent.YES


@pytest.mark.parametrize(
    ("words", "intent"),
    [
        ("no", Intent.NO),
        ("No, thanks.", Intent.NO),
        ("don't", Intent.NO),
        ("cancel", Intent.CANCEL),
        ("never mind", Intent.CANCEL),
        ("help", Intent.HELP),
        ("?", Intent.HELP),
        ("status", Intent.STATUS),
        ("try again", Intent.AGAIN),
        ("cancel the third disk", None),
        ("two vms", None),
    ],
)
def test_the_others(words: str, intent: Intent | None) -> None:
    assert read(words) is intent
