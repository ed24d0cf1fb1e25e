"""Text to tokens: what must not be taken apart (keys, addresses, sizes, quotes, paths) is recognised first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_OCTET = r"\d{1,3}"
_KINDS = (
    (
        "KEY",
        r"(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]+)\s+[A-Za-z0-9+/]{16,}={0,3}(?:\s+[\w.+-]+@[\w.-]+)?",
    ),
    ("URL", r"https?://[^\s,;\"'<>]+"),
    ("QUOTED", r"\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|„[^“”\n]*[“”]|`[^`\n]*`|(?<![\w])'[^'\n]+'(?!\w)"),
    ("PCI", r"(?<![\w:])(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.\d(?!\w)"),
    ("MACADDR", r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}"),
    (
        "ADDR",
        rf"{_OCTET}(?:\.{_OCTET}){{3}}(?:\s?[-\u2013]\s?(?:{_OCTET}\.){{0,3}}{_OCTET})?(?:/\d{{1,3}}(?!\d|\.\d))?",
    ),
    ("ADDR", r"(?=[0-9a-fA-F]*:[0-9a-fA-F:]*:)[0-9a-fA-F:]{3,39}(?:/\d{1,3})?(?![\w:])"),
    ("LASTPART", rf"(?<![\w.])\.{_OCTET}(?![\w.]\d)(?:\s?[-\u2013]\s?\.?{_OCTET})?(?:/\d{{1,2}})?"),
    ("PORTPROTO", r"\d+/(?:udp|tcp)\b"),
    ("PREFIXLEN", r"(?<![\w/])/\d{1,3}\b(?!\s*[GMTgmt][Bb]?\b)"),
    ("WORD", r"(?<![\w.])x86-64(?:-v\d)?(?:-aes)?(?!\w)"),
    ("SIZE", r"(?<![\w.])-?\d+(?:[.,]\d+)?\s?(?:UNITS|(?-i:To))(?![\w])"),
    ("CORESHORT", r"(?<![\w.])\d+(?:\.\d+)?c(?![\w])"),
    ("TIMES", r"(?<![\w.])(?:x\s?\d+|\d+\s?x)(?![\w])"),
    ("VERSION", r"(?<![\w.])v?\d+(?:\.\d+)+(?:[-+][\w.]+)?|(?<!\w)v\d+\b"),
    ("NUM", r"(?<![\w.])-?\d+(?:st|nd|rd|th)?(?![\w])"),
    ("NAMES", r"[A-Za-z][\w-]*?(?:\d+\.\.+(?:[A-Za-z][\w-]*?)?\d+|\[\d+(?:-|\.\.|:)\d+\]|\{\d+\.\.\d+\})"),
    ("PATH", r"(?<![A-Za-z_/])/[A-Za-z][\w./-]*"),
    ("WORD", r"[^\W_](?:[\w@]|[.+'\u2019-](?=\w)|/(?=[^\W\d_]))*"),
    ("WORD", r"->|=>|\u2192"),
    ("PUNCT", r"[,;:.()+/&\n?!=\u2013\u2014|*@-]"),
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: its kind, its text as written, and what it stands for."""

    kind: str
    text: str
    start: int
    value: Any = None

    @property
    def low(self) -> str:
        """The text in lower case."""
        return self.text.lower()


def pattern(units: frozenset[str]) -> re.Pattern[str]:
    """Return the lexer's pattern for a set of unit words."""
    words = "|".join(sorted(map(re.escape, units), key=len, reverse=True))
    parts = (f"(?P<{kind}{n}>{text.replace('UNITS', words)})" for n, (kind, text) in enumerate(_KINDS))
    return re.compile("|".join(parts), re.IGNORECASE)


def tokens(text: str, lexer: re.Pattern[str]) -> Iterator[Token]:
    """Split a text into tokens; blanks and what has no meaning are left out."""
    for match in lexer.finditer(text):
        kind = str(match.lastgroup).rstrip("0123456789")
        piece = match.group()
        if kind == "WORD" and _splits(piece):
            yield from _apart(piece, match.start(), lexer)
        else:
            yield Token(kind, piece, match.start())


def _splits(word: str) -> bool:
    """Tell whether slashes and apostrophes join words here, rather than being part of one."""
    return "/" in word or "'" in word or "\u2019" in word


def _apart(word: str, start: int, lexer: re.Pattern[str]) -> Iterator[Token]:
    for match in re.finditer(r"[^/'\u2019]+|/", word):
        piece = match.group()
        if piece == "/":
            yield Token("PUNCT", "/", start + match.start())
        elif len(piece) > 1 or piece.lower() in "lew":
            inner = lexer.fullmatch(piece)
            kind = str(inner.lastgroup).rstrip("0123456789") if inner else "WORD"
            yield Token(kind, piece, start + match.start())
