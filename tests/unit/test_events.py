"""The one stream of events: its order holds for every sink, whichever threads report."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from atlas.events import Emitter, Event, EventType


def test_sinks_get_events_in_the_order_of_their_numbers() -> None:
    got: list[int] = []

    def slow(event: Event) -> None:
        time.sleep(0.001 * (event.seq % 3))  # whoever is slower is overtaken, were there no order
        got.append(event.seq)

    emit = Emitter((slow,))
    run = emit.within(run="run-1")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: (emit, run)[i % 2](EventType.NOTE, text=str(i)), range(60)))
    assert got == list(range(1, 61))


def test_a_sink_may_report_itself() -> None:
    got: list[str] = []

    def sink(event: Event) -> None:
        got.append(str(event.data["text"]))
        if event.data["text"] == "one":
            emit(EventType.NOTE, text="two")

    emit = Emitter((sink,))
    emit(EventType.NOTE, text="one")
    assert got == ["one", "two"]
