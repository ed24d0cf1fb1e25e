"""Calendar events, by which jobs are scheduled, and when they happen: `mon..fri 03:00`, `*-1 00:00`, `*/15`."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMES = {
    "minutely": "*:*",
    "hourly": "*:00",
    "daily": "00:00",
    "weekly": "mon 00:00",
    "monthly": "*-1 00:00",
    "quarterly": "1,4,7,10-1 00:00",
    "semiannually": "1,7-1 00:00",
    "semi-annually": "1,7-1 00:00",
    "yearly": "1-1 00:00",
    "annually": "1-1 00:00",
}
YEARS_AHEAD = 10  # a date that does not come within them never comes, as 30 February
_PART = re.compile(r"(?:\*|(\d+)(?:\.\.(\d+))?)(?:/(\d+))?")


class BadEvent(ValueError):
    """A text is no calendar event."""


@dataclass(frozen=True)
class Event:
    """When something happens; weekday 0 is Monday, no year means any."""

    weekdays: frozenset[int]
    years: frozenset[int]
    months: frozenset[int]
    days: frozenset[int]
    hours: frozenset[int]
    minutes: frozenset[int]
    seconds: frozenset[int]

    def after(self, time: float, zone: datetime.tzinfo | None = None) -> int | None:
        """Return the first time after another at which it happens, in seconds since 1970; None if it never does."""
        start = datetime.datetime.fromtimestamp(int(time) + 1, zone)
        for day in self._days_from(start.date()):
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    for second in sorted(self.seconds):
                        found = datetime.datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=zone)
                        if found.timestamp() >= start.timestamp():
                            return int(found.timestamp())
        return None

    def _days_from(self, day: datetime.date) -> Iterator[datetime.date]:
        last = day.replace(year=day.year + YEARS_AHEAD, day=min(day.day, 28))
        while day <= last:
            if (
                day.weekday() in self.weekdays
                and day.day in self.days
                and day.month in self.months
                and (not self.years or day.year in self.years)
            ):
                yield day
            day += datetime.timedelta(1)


def _values(text: str, least: int, most: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise BadEvent(part)
        first, last, step = (int(group) if group else None for group in match.groups())
        begin = least if first is None else first
        end = last if last is not None else most if first is None or step else begin
        if not least <= begin <= end <= most or step == 0:
            raise BadEvent(part)
        found |= set(range(begin, end + 1, step or 1))
    return frozenset(found)


def _weekdays(text: str) -> frozenset[int] | None:
    """Return the days that a text names, or None if it names none."""
    found: set[int] = set()
    for part in text.lower().strip(",").split(","):
        ends = [word[:3] for word in part.split("..")]
        if not all(re.fullmatch(r"[a-z]+", word) and word[:3] in DAYS for word in part.split("..")):
            return None
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        if len(ends) > 2 or last < first:
            raise BadEvent(part)
        found |= set(range(first, last + 1))
    return frozenset(found)


def parse(text: str) -> Event:
    """Read a calendar event.

    Raises:
        BadEvent: its text is the part that is none.
    """
    words = NAMES.get(text.strip().lower(), text).split()
    if not words:
        raise BadEvent(text)
    weekdays = _weekdays(words[0])
    rest = words if weekdays is None else words[1:]
    date = rest.pop(0) if rest and "-" in rest[0] else None
    time = rest.pop(0) if rest else "00:00"
    if rest:
        raise BadEvent(rest[0])
    *years, months, days = date.split("-") if date else ("*", "*")
    # a time without a colon names minutes
    hours, minutes, *seconds = time.split(":") if ":" in time else ("*", time)
    if len(years) > 1 or len(seconds) > 1:
        raise BadEvent(text)
    return Event(
        weekdays if weekdays is not None else frozenset(range(7)),
        _values(years[0], 1970, 2200) if years and years[0] != "*" else frozenset(),
        _values(months, 1, 12),
        _values(days, 1, 31),
        _values(hours, 0, 23),
        _values(minutes, 0, 59),
        _values(seconds[0], 0, 59) if seconds else frozenset({0}),
    )
