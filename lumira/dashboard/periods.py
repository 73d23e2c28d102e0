"""The ranges of days that Revenue offers, what each is compared with, and the bars they are cut into."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from lumira.revenue_sums import Period


class Range(StrEnum):
    """A range of days that ends today, one that is over, or any two days; the value stands in the URL."""

    TODAY = "today"
    YESTERDAY = "yesterday"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"
    THIS_MONTH = "month"
    LAST_MONTH = "last_month"
    THIS_QUARTER = "quarter"
    THIS_YEAR = "year"
    CUSTOM = "custom"


class Compare(StrEnum):
    """What a range is compared with; the value stands in the URL."""

    BEFORE = "before"
    YEAR = "year"


_DAYS: Final = {Range.TODAY: 1, Range.WEEK: 7, Range.MONTH: 30, Range.QUARTER: 90}
_STARTS: Final = {
    Range.THIS_MONTH: Period.MONTH,
    Range.THIS_QUARTER: Period.QUARTER,
}
# More bars than this are a thicket.
_BARS_AT_MOST: Final = 62


def days(span: Range, today: date) -> tuple[date, date]:
    """The first and last day of a range; a custom one begins as the last thirty days."""
    if span is Range.THIS_YEAR:
        return today.replace(month=1, day=1), today
    if span in _STARTS:
        return start_of(today, _STARTS[span]), today
    if span is Range.YESTERDAY:
        return today - timedelta(days=1), today - timedelta(days=1)
    if span is Range.LAST_MONTH:
        return _month_before(today)
    return today - timedelta(days=_DAYS.get(span, _DAYS[Range.MONTH]) - 1), today


def days_before(span: Range, first: date, last: date, compare: Compare = Compare.BEFORE) -> tuple[date, date]:
    """The days to compare with: as many before, the month, quarter or year before up to the same day, the
    whole month before one that is over, or the same days a year before.
    """
    if compare is Compare.YEAR or span is Range.THIS_YEAR:
        return _year_before(first), _year_before(last)
    if span is Range.LAST_MONTH:
        return _month_before(first)
    if span in _STARTS:
        last_before = first - timedelta(days=1)
        first_before = start_of(last_before, _STARTS[span])
        return first_before, min(last_before, first_before + (last - first))
    return first - (last - first) - timedelta(days=1), first - timedelta(days=1)


def fitting(first: date, last: date) -> Period:
    """The narrowest bars that are no thicket, and not so few that they say nothing."""
    number = (last - first).days + 1
    if number <= _BARS_AT_MOST:
        return Period.DAY
    return Period.WEEK if number <= 26 * 7 else Period.MONTH


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


def end_of(start: date, width: Period) -> date:
    """The last day of the bar that begins on `start`."""
    match width:
        case Period.DAY:
            return start
        case Period.WEEK:
            return start + timedelta(days=6)
        case Period.MONTH | Period.QUARTER:
            ahead = 31 if width is Period.MONTH else 93
            return start_of(start + timedelta(days=ahead), width) - timedelta(days=1)


def _month_before(day: date) -> tuple[date, date]:
    last = start_of(day, Period.MONTH) - timedelta(days=1)
    return start_of(last, Period.MONTH), last


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)
