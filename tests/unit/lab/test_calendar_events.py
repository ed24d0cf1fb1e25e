"""When calendar events happen."""

from __future__ import annotations

import datetime

import pytest

from atlas.lab.calendar_events import BadEvent, parse

UTC = datetime.UTC
SATURDAY = datetime.datetime(2026, 11, 21, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "next_"),
    [
        ("daily", "2026-11-22 00:00:00"),
        ("hourly", "2026-11-21 15:00:00"),
        ("*/15", "2026-11-21 14:45:00"),
        ("7", "2026-11-21 15:07:00"),
        ("mon..fri 03:00", "2026-11-23 03:00:00"),
        ("sat 14:31", "2026-11-21 14:31:00"),
        ("sat", "2026-11-28 00:00:00"),
        ("mon,Wednesday 22:30:10", "2026-11-23 22:30:10"),
        ("8..17/3:0/20", "2026-11-21 14:40:00"),
        ("monthly", "2026-12-01 00:00:00"),
        ("quarterly", "2027-01-01 00:00:00"),
        ("2028-2-29 12:00", "2028-02-29 12:00:00"),
        ("*-2-29 12:00", "2028-02-29 12:00:00"),
    ],
)
def test_the_next_time_comes_after_now(event: str, next_: str) -> None:
    found = parse(event).after(SATURDAY.timestamp(), UTC)
    assert found is not None
    assert str(datetime.datetime.fromtimestamp(found, UTC))[:19] == next_


def test_what_happens_now_happens_next_later() -> None:
    assert parse("*:30").after(SATURDAY.timestamp(), UTC) == SATURDAY.timestamp() + 3600


def test_a_day_that_is_in_no_month_never_comes() -> None:
    assert parse("2-30 00:00").after(SATURDAY.timestamp(), UTC) is None


@pytest.mark.parametrize(
    "text", ["", "someday", "25:00", "*:60", "fri..mon", "*/0", "3:00 4:00", "1-2-3-4 0:00", "5..2:0"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadEvent):
        parse(text)
