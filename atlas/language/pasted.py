"""Pasted tickets, mails and logs: data, whose wishes are read and whose orders to the program are not."""

from __future__ import annotations

import re
from collections.abc import Callable

_SOURCE = (
    r"(?:tickets?|e-?mails?|mails?|messages?|requests?|issues?|jira|slack|chat|logs?|queue|forwarded|fwd|quote|richiesta|segnalazione|"
    r"anfrage|nachricht|solicitud|correo|demande|courriel)"
)
_HEADER = re.compile(
    r"^[ \t]*(?:from|to|cc|subject|date|sent|von|an|betreff|gesendet|da|oggetto|de|para|asunto|à|objet)[ \t]*:[^\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_INTRODUCED = re.compile(
    rf"^[ \t]*[^\n:.]{{0,60}}\b{_SOURCE}\b[^\n:,.]{{0,60}}:[ \t]*$|^[-=_* \t]{{3,}}[^\n]*\b{_SOURCE}\b[^\n]*$|"
    rf"^[ \t]*[^\n:.]{{0,40}}\b{_SOURCE}\b[^\n:,.]{{0,30}}:(?=[ \t]*[\"\u201c])|"
    rf"^[ \t]*[\[(]?(?:{_SOURCE})[ \t]*[#\w-]*\d[\])]?[^\n:,.]{{0,40}}:",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED_LINE = re.compile(r"^[ \t]*>[^\n]*$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
_SPEAKER = re.compile(
    r"^[ \t>]*(?:user|customer|client|requester|reporter|agent|support|cliente|utente|kunde|usuario|ps|p\.s\.)[ \t]*:",
    re.IGNORECASE,
)
_CLAUSES = re.compile(r"([^,.;!?\n]+(?:\.(?=\w)[^,.;!?\n]+)*[,.;!?]*)")


def passages(text: str) -> list[tuple[int, int]]:
    """Return where pasted passages are: quoted lines, comments, and all behind a mail's or a ticket's head."""
    found = [m.span() for pattern in (_QUOTED_LINE, _COMMENT) for m in pattern.finditer(text)]
    heads = [m.end() for pattern in (_HEADER, _INTRODUCED) for m in pattern.finditer(text)]
    if heads and not any(begin >= min(heads) for begin, _ in found):
        found.append((min(heads), len(text)))
    return sorted(found)


def outside(text: str) -> str:
    """Return a message without what is pasted into it."""
    for begin, end in reversed(passages(text)):
        text = f"{text[:begin]} pasted {text[end:]}"
    return text


def wishes(text: str, orders: Callable[[str], bool]) -> str:
    """Return a message with what its pasted passages wish for, without their heads and their orders.

    Args:
        text: The message.
        orders: Whether some words are an order to the program that only the person could give.
    """
    found = passages(text)
    heads = [m.span() for m in _INTRODUCED.finditer(text) if not any(b < m.end() <= e for b, e in found)]
    for begin, end in sorted([*found, *heads], reverse=True):
        lines = () if (begin, end) in heads else text[begin:end].split("\n")
        text = text[:begin] + "\n".join(_kept(line, orders) for line in lines) + text[end:]
    return _HEADER.sub("", text)


def _kept(line: str, orders: Callable[[str], bool]) -> str:
    if line.lstrip().startswith("<!--"):
        return ""
    while match := _SPEAKER.match(line):
        line = line[match.end() :]
    line = line.lstrip("> \t").strip('"\u201c\u201d')
    if not orders(line):
        return line
    kept = "".join(clause for clause in _CLAUSES.findall(line) if not orders(clause))
    return "" if orders(kept) else kept
