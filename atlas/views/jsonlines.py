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
    # What another encoding lacks would be lost; JSON can spell it out.
    plain = (stream.encoding or "utf-8").lower().replace("-", "") != "utf8"

    def write(event: Event) -> None:
        line = json.dumps(event.as_json(), ensure_ascii=plain, default=str)
        with lock:
            stream.write(f"{line}\n")
            stream.flush()

    return write
