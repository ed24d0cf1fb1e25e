"""A JSON body becomes parameters; what is none is refused in the words of Perl's parser."""

from __future__ import annotations

import json
import re
from typing import Any

from atlas.lab.call import Unreadable

DEEPEST = 512
_NEITHER = "malformed JSON string, neither tag, array, object, number, string or atom"
# What Python's parser says, and Perl's
_COMPLAINTS = {
    "Expecting property name enclosed in double quotes": "'\"' expected",
    "Illegal trailing comma before end of object": "'\"' expected",
    "Expecting ':' delimiter": "':' expected",
    "Expecting ',' delimiter": ", or } or ] expected",
    "Extra data": "garbage after JSON object",
    "Invalid control character at": "invalid character encountered while parsing JSON string",
    "Invalid \\escape": "illegal backslash escape sequence in string",
    "Invalid \\uXXXX escape": "malformed \\uXXXX character in JSON string",
    "Unterminated string starting at": "unexpected end of string while parsing JSON string",
}


def where(line: int) -> str:
    """Return what Perl adds to words that do not end a line: the place in the front door's code."""
    return f" at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line {line}.\n"


def from_json(data: bytes) -> dict[str, Any]:
    """Return the parameters of a JSON body, scalars as the texts that a form would hold.

    Raises:
        Unreadable: 500, where it is no JSON object.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        raise _malformed("malformed UTF-8 character in JSON string", before + "\ufffd", len(before)) from error
    _check_depth(text)
    try:
        values = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _malformed(*_complaint(error, text)) from error
    except ValueError as error:  # not a number, or one without end
        raise _malformed(_NEITHER, text, max(text.find(str(error)), 0)) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        what = f'Can\'t use string ("{_scalar(values)}") as a HASH ref while "strict refs" in use'
        raise Unreadable(500, ("Not a HASH reference" if isinstance(values, list) else what) + where(978))
    if any("\ud800" <= character <= "\udfff" for character in json.dumps(values, ensure_ascii=False)):
        half = re.search(r"\\u[dD][89a-fA-F]..", text)
        raise _malformed("missing low surrogate character in surrogate pair", text, half.end() if half else 0)
    return {name: _scalar(value) for name, value in values.items() if value is not None}


def _no_constant(word: str) -> None:
    raise ValueError(word)


def _check_depth(text: str) -> None:
    """Refuse what would take a parser too deep.

    Raises:
        Unreadable: 500.
    """
    depth = 0
    for found in re.finditer(r'"(?:[^"\\]|\\.)*"?|[\[{]|[]}]', text, re.DOTALL):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > DEEPEST:
            what = "json text or perl structure exceeds maximum nesting level (max_depth set too low?)"
            raise _malformed(what, text, found.end())


def _complaint(error: json.JSONDecodeError, text: str) -> tuple[str, str, int]:
    """Return what Perl's parser would say, about which text, and where."""
    what, at = _COMPLAINTS.get(error.msg.partition(": ")[0], _NEITHER), error.pos
    if error.msg.startswith("Unterminated string") or error.msg.startswith("Invalid \\uXXXX"):
        at = len(text.rstrip("\n"))
    elif what == _NEITHER:
        for word in ("true", "false", "null"):
            if text[at : at + 1] == word[0]:
                what = f"'{word}' expected"
    return what, text, at


def _malformed(what: str, text: str, at: int) -> Unreadable:
    near = "".join(_shown(character) for character in text[at : at + 20]) or "(end of string)"
    more = "..." if len(text) > at + 20 else ""
    return Unreadable(500, f'{what}, at character offset {at} (before "{near}{more}"){where(934)}')


def _shown(character: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}.get(character)
    return short or (character if " " <= character <= "~" else f"\\x{{{ord(character):x}}}")


def _scalar(value: Any) -> Any:
    if isinstance(value, list):  # a list within it is no value of any parameter
        return [item if isinstance(item, list) else _scalar(item) for item in value]
    if isinstance(value, bool):
        return str(int(value))
    return value if isinstance(value, dict) else str(value)
