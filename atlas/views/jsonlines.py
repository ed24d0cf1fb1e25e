"""Events as JSON lines: one object a line on standard output, and nothing else there."""

from __future__ import annotations

import json
import sys
import threading
from typing import TextIO

from atlas.events import Event, Sink


def json_lines(out: TextIO | None = None) -> Sink:
    """Return a sink that writes each event as one line, whole even with several threads."""
    stream, lock = out or sys.stdout, threading.Lock()

    def write(event: Event) -> None:
        line = json.dumps(event.as_json(), ensure_ascii=False, default=str)
        with lock:
            stream.write(f"{line}\n")
            stream.flush()

    return write
