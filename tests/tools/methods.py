"""Write docs/lab-methods.md: run the proofs, then say for each method what the lab does with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fakes.proof import run_all

from atlas.lab.methods import counts, document

PAGE = Path(__file__).parents[2] / "docs" / "lab-methods.md"


def main() -> None:
    """Write the page."""
    proved = asyncio.run(run_all())
    PAGE.write_text(document(proved), encoding="utf-8")
    print(counts(proved))


if __name__ == "__main__":
    main()
