"""Days of a time zone: when one begins, and each of several in a row. No I/O."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which a day of the zone begins."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def bounds(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants (UTC) at which the days from `first` to `last`, both included, begin and have ended."""
    return midnight(first, zone), midnight(last + timedelta(days=1), zone)


def every_day(first: date, last: date) -> list[date]:
    """Each day from `first` to `last`, both included."""
    return [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
