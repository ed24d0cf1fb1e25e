"""Tables and times as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a plain table without frames, which also reads well in a pipe."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        made.add_column(name, header_style="dim", overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return made


def when(seconds: float) -> str:
    """Return a Unix time in the reader's own zone."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
