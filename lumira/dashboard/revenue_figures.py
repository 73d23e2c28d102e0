"""The figures of the revenue page: a range of days and the one before it, in one currency at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd

from lumira.dashboard import periods, session
from lumira.dashboard.periods import Range
from lumira.revenue import Period, Totals, by_period, totals

__all__ = ["Figures", "Period", "by_period", "read"]

_HOUSE_CURRENCY = "eur"


@dataclass(frozen=True)
class Figures:
    """Daily revenue of a range (`daily`), of the range before (`daily_before`), and the range's days."""

    days: tuple[date, date]
    daily: pd.DataFrame
    daily_before: pd.DataFrame

    @property
    def currencies(self) -> list[str]:
        """The currencies of the range, the largest gross first; the house's own when nothing was sold."""
        return [figures.currency for figures in totals(self.daily)] or [_HOUSE_CURRENCY]

    def of(self, currency: str) -> pd.DataFrame:
        """The daily frame of one currency."""
        return self.daily[self.daily["currency"] == currency]

    def totals(self, currency: str) -> Totals:
        """The sums of the range in one currency."""
        return _totals(self.daily, currency)

    def totals_before(self, currency: str) -> Totals:
        """The sums of the range before in one currency."""
        return _totals(self.daily_before, currency)


def read(span: Range) -> Figures:
    """Asks the store for a range and the one before it."""
    revenue = session.desk().revenue
    today = revenue.today()
    now, before = periods.days(span, today), periods.days_before(span, today)
    return Figures(
        now,
        revenue.daily(*now, actor=session.actor()),
        revenue.daily(*before, actor=session.actor()),
    )


def _totals(daily: pd.DataFrame, currency: str) -> Totals:
    found = {figures.currency: figures for figures in totals(daily)}
    return found.get(currency, Totals(currency, gross=0, refunds=0, net=0, orders=0, free=0))
