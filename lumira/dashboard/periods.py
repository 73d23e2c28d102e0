"""The ranges of days that Revenue offers, and the bars they are cut into."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from lumira.revenue import Period


class Range(StrEnum):
    """A range of days that ends today; the value stands in the URL."""

    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"
    THIS_MONTH = "month"
    THIS_YEAR = "year"


_DAYS: Final = {Range.WEEK: 7, Range.MONTH: 30, Range.QUARTER: 90}
# Bars that are neither a thicket nor a single block.
FITTING: Final = {
    Range.WEEK: Period.DAY,
    Range.MONTH: Period.DAY,
    Range.QUARTER: Period.WEEK,
    Range.THIS_MONTH: Period.DAY,
    Range.THIS_YEAR: Period.MONTH,
}


def days(span: Range, today: date) -> tuple[date, date]:
    """The first and last day of a range."""
    if span in _DAYS:
        return today - timedelta(days=_DAYS[span] - 1), today
    return today.replace(day=1, month=1 if span is Range.THIS_YEAR else today.month), today


def days_before(span: Range, today: date) -> tuple[date, date]:
    """The range to compare with: as many days before it, or the month or year before up to the same day."""
    first, last = days(span, today)
    if span in _DAYS:
        return first - timedelta(days=_DAYS[span]), first - timedelta(days=1)
    if span is Range.THIS_YEAR:
        leap_day = (today.month, today.day) == (2, 29)
        return first.replace(year=first.year - 1), today.replace(
            year=today.year - 1, day=28 if leap_day else today.day
        )
    last_before = first - timedelta(days=1)
    return last_before.replace(day=1), min(last_before, last_before.replace(day=1) + (last - first))


def starts(first: date, last: date, width: Period) -> list[date]:
    """The first day of every bar from `first` to `last`, those without a sale too."""
    found: list[date] = []
    day = first
    while day <= last:
        start = start_of(day, width)
        if not found or found[-1] != start:
            found.append(start)
        day += timedelta(days=1)
    return found


def start_of(day: date, width: Period) -> date:
    """The first day of the bar that `day` falls into; weeks begin on Monday."""
    match width:
        case Period.DAY:
            return day
        case Period.WEEK:
            return day - timedelta(days=day.weekday())
        case Period.MONTH:
            return day.replace(day=1)
        case Period.QUARTER:
            return day.replace(month=day.month - (day.month - 1) % 3, day=1)
