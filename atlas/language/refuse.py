"""What must not be done however it is asked for, and what needs a confirmation of its own."""

from __future__ import annotations

import re
from functools import cache

from atlas.language.draft import Finding
from atlas.language.pasted import outside as unpasted
from atlas.language.pasted import wishes

_DATA = re.compile(
    r"(?:called|named|name[ds]?|tag(?:ged)?|hostname|ticket|mail|note|nom|nome|namens|llamada)\s*(?:it|is|says|as|:)?\s*"
    r"[\"'`]?[\w-]+|(?:vm|ct|lxc|container|guest|server|machine|box)\s+\w+(?:-\w+)+",
    re.IGNORECASE,
)
_QUOTES = re.compile(
    r"\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d|\u00ab[^\u00bb\n]*\u00bb|\u201e[^\u201c\u201d\n]*[\u201c\u201d]|`[^`\n]*`|"
    r"(?<!\w)'[^'\n]+'(?!\w)|^\s*>[^\n]*$",
    re.MULTILINE,
)
_REPORTED = re.compile(
    r"(?:(?:the|this|a|our) )?(?:(?:e-?)?mail|ticket|note|message|comment|issue|log)\s+"
    r"(?:says|said|reads|read|states)\s*:?\s*"
    r"(?:\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d|'[^'\n]*')",
    re.IGNORECASE,
)
_ALSO_QUOTED = frozenset({"secret", "remote_code"})
"""What stays wrong in quotes: a password, and a command to run."""
_DESTROYS = (
    "That destroys something that exists. I do it only for stacks of ATLAS, with `atlas destroy NAME`, after showing "
    "what goes."
)


@cache
def _table() -> tuple[tuple[tuple[str, re.Pattern[str], str], ...], tuple[re.Pattern[str], ...], re.Pattern[str]]:
    from importlib.resources import files

    from ruamel.yaml import YAML

    data = YAML(typ="safe").load((files("atlas.configs") / "refusals.yaml").read_text(encoding="utf-8"))
    parts = {name: text.replace("\n", "") for name, text in data["parts"].items()}

    def whole(text: str) -> re.Pattern[str]:
        text = text.replace("\n", "")
        for name, part in parts.items():
            text = text.replace(f"{{{name}}}", part)
        return re.compile(text)

    refused = tuple((row["code"], whole(row["pattern"]), row["words"]) for row in data["refused"])
    harmless = whole("|".join(data["harmless"]))
    return refused, tuple(whole(text) for text in data["confirm"]), harmless


_UNREADABLE = frozenset({"unbounded", "hypervisor", "attack", "secret"})


def readable(text: str, found: list[Finding]) -> str:
    """Return what of a message may be read for the draft: without what is refused, or nothing of it."""
    if any(f.code in _UNREADABLE or f.kind == "confirm" for f in found):
        return ""
    text = wishes(_REPORTED.sub(" , ", text), _orders)
    codes = {f.code for f in found}
    for code, pattern, _ in _table()[0]:
        if code in codes:
            text = re.sub(pattern.pattern, " , ", text, flags=re.IGNORECASE)
    return text


def _orders(words: str) -> bool:
    """Tell whether words of a pasted passage want what only a person may ask for, and no words may make happen."""
    refused, confirm, _ = _table()
    low = re.sub(r"\s+", " ", words).lower()
    return any(p.search(low) for _, p, _ in refused) or any(p.search(low) for p in confirm)


def refusals(text: str) -> list[Finding]:
    """Return what of a message is refused, or needs a confirmation.

    Names and quoted passages are data: an instruction inside them is neither obeyed nor refused.
    """
    refused, confirm, harmless = _table()
    outside = _QUOTES.sub(" quoted ", unpasted(text))
    plain = harmless.sub(" ", re.sub(r"\s+", " ", _DATA.sub(" named ", outside)).lower())
    whole = re.sub(r"\s+", " ", _DATA.sub(" named ", text)).lower()
    found = {
        code: Finding(kind="refuse", code=code, text=words)
        for code, pattern, words in refused
        if pattern.search(whole if code in _ALSO_QUOTED else plain)
    }
    if not found and any(pattern.search(re.sub(r"\s+", " ", outside).lower()) for pattern in confirm):
        return [Finding(kind="confirm", code="destroys", text=_DESTROYS)]
    return list(found.values())
