"""What is wrong with the user's input: severity, summary, detail, hint and where; all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a diagnostic is: an error stops, a warning is shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the user's input; line and column count from 1, `path` is like `guests[0].memory`."""

    path: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return " ".join(part for part in (place, self.path) if part)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault of the user's input, with what to do about it."""

    summary: str
    detail: str = ""
    hint: str = ""
    where: Where = Where()
    severity: Severity = Severity.ERROR

    def as_data(self) -> dict[str, str]:
        """Return the diagnostic as the `data` of a `diagnostic` event."""
        return {
            "severity": self.severity.value,
            "summary": self.summary,
            "detail": self.detail,
            "where": str(self.where),
            "hint": self.hint,
        }


def error(path: str, summary: str, *, detail: str = "", hint: str = "") -> Diagnostic:
    """Make an error about the value at `path`; the reader of the file adds line and column."""
    return Diagnostic(summary, detail, hint, Where(path))


def warning(path: str, summary: str, *, detail: str = "", hint: str = "") -> Diagnostic:
    """Make a warning about the value at `path`."""
    return Diagnostic(summary, detail, hint, Where(path), Severity.WARNING)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Tell whether any of the diagnostics is an error."""
    return any(d.severity is Severity.ERROR for d in diagnostics)
