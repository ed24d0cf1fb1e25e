"""Data that ships with ATLAS: defaults, image and software catalogues, gallery of specs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def demo_lines(path: Path | None = None) -> list[str]:
    """Return the lines of a scripted conversation; those of `make demo` unless a file is named."""
    text = path.read_text(encoding="utf-8") if path else (files(__name__) / "demo.txt").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
