"""The figures of the revenue page: a range of days beside another, one currency at a time.

They are read once for each revision of revenue and shared by all sessions, so a rerun of the page asks the
store only whether anything changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final, TypeVar

import pandas as pd
import streamlit as st

from lumira.dashboard import session
from lumira.dashboard.periods import Compare, Range, days_before, starts
from lumira.revenue import Conversion
from lumira.revenue_sums import Period, Row, Totals, by_period, frame, totals

_HOUSE_CURRENCY: Final = "eur"
# Who came back changes slowly, and costs more to find out than all the rest.
_CONVERSION_SECONDS: Final = 600

Days = tuple[date, date]
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Figures:
    """The rows of a range (`rows`) and of the one it is compared with, with the days of both.

    Equal `key` means equal figures. Read only: all sessions share it.
    """

    key: str
    days: Days
    days_before: Days
    rows: list[Row]
    rows_before: list[Row]

    @cached_property
    def daily(self) -> pd.DataFrame:
        """The daily frame of the range, all currencies."""
        return frame(self.rows)

    @cached_property
    def daily_before(self) -> pd.DataFrame:
        """The daily frame of the other range, all currencies."""
        return frame(self.rows_before)

    @cached_property
    def currencies(self) -> list[str]:
        """The currencies of the range. The page opens in the first: the house's own where money moved in it,
        or where there is none at all.
        """

        def is_other(figures: Totals) -> bool:
            return figures.currency != _HOUSE_CURRENCY or not (figures.gross or figures.refunds)

        # Sums in two currencies can't be compared: ten thousand yen are less than a hundred euros.
        return [figures.currency for figures in sorted(totals(self.daily), key=is_other)] or [_HOUSE_CURRENCY]


@dataclass(frozen=True, eq=False)
class View:
    """Figures in one currency and cut into bars of one width: daily rows and frames, totals, and by bar the
    frame of `by_period`, the course of gross, refunds, net and orders, and the gross of the other range.

    Read only: all sessions share it.
    """

    rows: list[Row]
    daily: pd.DataFrame
    daily_before: pd.DataFrame
    totals: Totals
    totals_before: Totals
    bars: pd.DataFrame
    course: dict[str, list[int]]
    gross_before: list[tuple[date, int]]


def view(figures: Figures, currency: str, width: Period) -> View:
    """The figures in one currency and width of bars."""
    return _view(figures.key, currency, width, figures)


@st.cache_resource(max_entries=128, show_spinner=False)
def _view(key: str, currency: str, width: Period, _figures: Figures) -> View:  # noqa: ARG001
    daily, before = (
        found[found["currency"] == currency] for found in (_figures.daily, _figures.daily_before)
    )
    bars = by_period(daily, width)
    names = ["gross", "refunds", "net", "orders"]
    every = [pd.Timestamp(start) for start in starts(*_figures.days, width)]
    course = bars.groupby("day")[names].sum().reindex(every, fill_value=0)
    gross_before = by_period(before, width).groupby("day")["gross"].sum()
    return View(
        rows=[row for row in _figures.rows if row["currency"] == currency],
        daily=daily,
        daily_before=before,
        totals=_totals(daily, currency),
        totals_before=_totals(before, currency),
        bars=bars,
        course={name: [int(value) for value in course[name]] for name in names},
        gross_before=[
            (start, int(gross_before.get(pd.Timestamp(start), 0)))
            for start in starts(*_figures.days_before, width)
        ],
    )


def read(span: Range, first: date, last: date, compare: Compare) -> Figures:
    """The figures of a range and of the one it is compared with, as they are now."""
    revision = session.desk().revenue.revision(actor=session.actor())
    return _read(revision, (first, last), days_before(span, first, last, compare))


# Keyed by the revision of all figures, so it never shows old ones. Whoever gets here may see revenue.
@st.cache_resource(max_entries=64, show_spinner=False)
def _read(revision: str, days: Days, before: Days) -> Figures:
    revenue, actor = session.desk().revenue, session.actor()
    return Figures(
        key=f"{revision}:{days[0]}:{days[1]}:{before[0]}:{before[1]}",
        days=days,
        days_before=before,
        rows=revenue.days(*days, actor=actor),
        rows_before=revenue.days(*before, actor=actor),
    )


def made_once(name: str, key: str, make: Callable[[], Made]) -> Made:
    """What `make` makes of the figures of this key in the reader's language: once under its name, shared
    by all sessions.
    """
    made: Made = _made_once(name, key, session.language(), make)
    return made


@st.cache_resource(max_entries=320, show_spinner=False)
def _made_once(name: str, key: str, language: str, _make: Callable[[], Any]) -> Any:  # noqa: ARG001
    return _make()


def conversion(figures: Figures) -> Conversion:
    """Who took a free reading in the range and bought one since; up to ten minutes old."""
    store = figures.key.partition("-")[0]
    return _conversion(store, figures.days)


@st.cache_data(max_entries=64, ttl=_CONVERSION_SECONDS, show_spinner=False)
def _conversion(store: str, days: Days) -> Conversion:  # noqa: ARG001 - the store is part of the key
    return session.desk().revenue.conversion(*days, actor=session.actor())


def _totals(daily: pd.DataFrame, currency: str) -> Totals:
    found = {figures.currency: figures for figures in totals(daily)}
    return found.get(currency, Totals(currency))
