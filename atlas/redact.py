"""The one redactor for everything that leaves the process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "<hidden>"

_TEXTS = (
    # A PVE token in any dress: the id may be shown, the secret never.
    (re.compile(r"([\w.@-]+![\w.-]+[=:])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"), rf"\1{HIDDEN}"),
    (re.compile(r"PVE:[^:\s]+:[0-9A-F]{8}::[A-Za-z0-9+/=]+"), HIDDEN),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL), HIDDEN),
    (re.compile(r"\b(sk-[A-Za-z0-9_-]{12,})"), HIDDEN),
    (re.compile(r"(?i)\b(authorization\s*[:=]\s*\w+\s+)\S+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b((?:password|passwd|secret|api[_-]?key)\s*[:=]\s*)[^\s,;]+"), rf"\1{HIDDEN}"),
)
_NAMES = re.compile(r"(?i)(password|passwd|secret|token|api_?key|private_?key|ticket)$")


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(value: str) -> str:
    """Return `value` without what a terminal would obey, such as escape sequences in the name of somebody's guest."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", value)


def text(value: str) -> str:
    """Return `value` with everything that looks like a secret replaced, and nothing that a terminal would obey."""
    value = plain(value)
    for pattern, instead in _TEXTS:
        value = pattern.sub(instead, value)
    return value


def data(value: Any) -> Any:
    """Return plain data with secrets replaced: values under telling names, and texts by their shape."""
    if isinstance(value, Mapping):
        return {k: HIDDEN if isinstance(v, str) and v and _NAMES.search(str(k)) else data(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [data(v) for v in value]
    return text(value) if isinstance(value, str) else value
