"""JSON bodies are parameters as forms hold them, or are refused in the words of Perl's parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.lab.call import Unreadable
from atlas.lab.json_body import DEEPEST, from_json


def test_json_gives_texts_as_forms_do() -> None:
    body = '{"a": 5, "b": true, "c": null, "d": ["x", 1], "e": "ü\\u0000"}'.encode()
    assert from_json(body) == {"a": "5", "b": "1", "d": ["x", "1"], "e": "ü\0"}
    assert from_json(b"null") == {}
    assert from_json(b'{"a":' + b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1) + b"}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", 'number, string or atom, at character offset 0 (before "(end of string)")'),
        (b"{", "'\"' expected, at character offset 1 (before \"(end of string)\")"),
        (b'{"a":1}x', 'garbage after JSON object, at character offset 7 (before "x")'),
        (b'{"a" 1}', "':' expected, at character offset 5 (before \"1}\")"),
        (b'{"a":tru}', "'true' expected, at character offset 5 (before \"tru}\")"),
        (b'{"a":NaN}', 'string or atom, at character offset 5 (before "NaN}")'),
        (b'{"a":"b', 'end of string while parsing JSON string, at character offset 7 (before "(end of string)")'),
        (b'{"a":"\n"}', 'character encountered while parsing JSON string, at character offset 6 (before "\\n"}")'),
        (b'{"a":"\\x"}', 'illegal backslash escape sequence in string, at character offset 6 (before "\\\\x"}")'),
        (b'{"a":"\\ud800"}', 'missing low surrogate character in surrogate pair, at character offset 12 (before ""}")'),
        (b'{"a":"\xff"}', 'malformed UTF-8 character in JSON string, at character offset 6 (before "\\x{fffd}")'),
        (b"[" * 2000, '(max_depth set too low?), at character offset 513 (before "[[[[[[[[[[[[[[[[[[[[...")'),
        (b"[1]", "Not a HASH reference"),
        (b"5", "Can't use string (\"5\") as a HASH ref while \"strict refs\" in use"),
    ],
)  # fmt: skip
def test_what_is_no_object_is_refused_in_perls_words(body: bytes, words: str) -> None:
    with pytest.raises(Unreadable) as caught:
        from_json(body)
    assert caught.value.status == 500
    assert words in caught.value.message


@given(st.binary(max_size=60) | st.text('{}[]":,\\ud80aetrufalsn1-.e+ \n', max_size=40).map(str.encode))
def test_nothing_else_comes_of_a_body(body: bytes) -> None:
    try:
        values = from_json(body)
    except Unreadable:
        return
    repr(values).encode()
