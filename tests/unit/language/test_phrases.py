"""The many ways to say one thing of a guest."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from atlas.language.draft import Draft
from atlas.language.known import Known
from atlas.language.understand import understand

ROWS = yaml.safe_load((Path(__file__).parent / "phrases.yaml").read_text(encoding="utf-8"))
CASES = [(row["kind"], said, row["fields"]) for row in ROWS for said in row["said"]]


@pytest.mark.parametrize(("kind", "said", "fields"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_words_say_this_of_a_guest(kind: str, said: str, fields: dict[str, object]) -> None:
    draft = understand(f"{kind} x1, debian 12, {said}", Draft(), Known())
    guests = [{k: v for k, v in g.fields.items() if k not in {"kind", "image"}} for g in draft.guests]
    assert guests == [fields]
    assert draft.complete
