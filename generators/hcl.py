"""HCL from plain values: everything that came from outside is quoted here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from atlas.errors import GenerateError

_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f\u0085\u2028\u2029\ufeff]|[$%]\{')
_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "${": "$${", "%{": "%%{"}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def quote(text: str) -> str:
    """Return text as one HCL string literal in which nothing is interpolated.

    Raises:
        GenerateError: The text holds what no HCL string can (NUL, half a surrogate pair).

    Source: HCL native syntax, "Template expressions": `$${` and `%%{` stand for `${` and `%{`.
    """
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise GenerateError(f"{text!r} holds characters that cannot be written to a Terraform file")
    return f'"{_SPECIAL.sub(_escape, text)}"' if _SPECIAL.search(text) else f'"{text}"'


def _escape(match: re.Match[str]) -> str:
    found = match[0]
    return _NAMED.get(found) or f"\\u{ord(found):04x}"


def hcl(value: Any, indent: int = 0) -> str:
    """Return a plain value as an HCL expression, laid out as `terraform fmt` does.

    Args:
        value: Text, numbers, booleans, None, sequences and mappings of such.
        indent: Spaces before the line on which the expression starts.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return _block(value, indent)
    if isinstance(value, Sequence):
        return _list(value, indent)
    raise GenerateError(f"a {type(value).__name__} cannot be written to a Terraform file")


def _list(values: Sequence[Any], indent: int) -> str:
    if not any(isinstance(v, Mapping) for v in values):
        return _flat(values)
    inner = " " * (indent + 2)
    lines = "".join(f"{inner}{_flat(v)},\n" for v in values)
    return f"[\n{lines}{' ' * indent}]"


def _flat(value: Any) -> str:
    """Return a value on one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(k)} = {_flat(v)}' for k, v in value.items())} }}" if value else "{}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(_flat(v) for v in value)}]"
    return hcl(value)


def _block(items: Mapping[str, Any], indent: int) -> str:
    if not items:
        return "{}"
    inner = " " * (indent + 2)
    out: list[str] = []
    chain: list[tuple[str, str]] = []

    def close() -> None:
        # `terraform fmt` aligns the equals signs of neighbours that take one line each.
        width = max((len(k) for k, _ in chain), default=0)
        out.extend(f"{inner}{k:<{width}} = {v}\n" for k, v in chain)
        chain.clear()

    for name, value in items.items():
        key, text = _key(name), hcl(value, indent + 2)
        if "\n" in text:
            close()
            out.append(f"{inner}{key} = {text}\n")
        else:
            chain.append((key, text))
    close()
    return f"{{\n{''.join(out)}{' ' * indent}}}"


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else quote(name)
