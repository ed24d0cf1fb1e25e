"""Answers that are true to a method's schema but hold nothing of the world: indexes, and reads that need no state."""

from __future__ import annotations

import re
from typing import Any

from atlas.lab.call import HANDLERS, Call, Handler, shaped
from atlas.lab.table import Schema, load


def empty(schema: Schema) -> Any:
    """Return the least answer that a schema allows: no rows, no optional property, zero, the first of a choice."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "array":
        return []
    if kind == "object":
        fields: dict[str, Schema] = schema.get("properties", {})
        return {name: empty(field) for name, field in fields.items() if not int(field.get("optional") or 0)}
    if kind in ("integer", "number", "boolean"):
        return int(schema.get("default") or schema.get("minimum") or 0)
    return "" if kind == "string" else None


def shape(template: str) -> None:
    """Answer a read by its schema alone."""
    returns = load().description[template]["GET"]["returns"]

    @shaped("GET", template)
    def handler(_: Call) -> object:
        return empty(returns)


def _index(key: str, names: list[str]) -> Handler:
    return lambda _: [{key: name} for name in names]


def register_indexes() -> None:
    """Let each read that has no handler of its own, and fixed paths below it, list these."""
    table = load()
    for template, verbs in table.description.items():
        if "GET" not in verbs or ("GET", template) in HANDLERS:
            continue
        links = verbs["GET"]["returns"].get("links")
        match = re.fullmatch(r"\{(\w+)\}", links[0]["href"]) if links else None
        children = table.children(template)
        if match is not None and children:
            shaped("GET", template)(_index(match[1], children))
