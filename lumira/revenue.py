"""Revenue: what was sold and refunded, by day, level and currency.

Gross is the amount stored on orders ever completed, on the day the money came in; a refund counts on the day
it was made and never shrinks gross; net is gross − refunds. Free orders are counted, not summed. Days are
those of the business time zone. Currencies are never summed together, live and test never mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from lumira.access import Actor, Permission, require
from lumira.catalog import level_of

if TYPE_CHECKING:
    import pandas as pd

    from lumira.storage import RevenueRows

UNKNOWN_LEVEL: Final = "unknown"
KEYS: Final = ["day", "level", "currency"]
SUMS: Final = ["gross", "refunds", "net", "orders", "free"]


class Period(StrEnum):
    """The width of a bar. Weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


_FREQUENCY: Final = {Period.DAY: "D", Period.WEEK: "W-SUN", Period.MONTH: "M"}


@dataclass(frozen=True)
class Totals:
    """The figures of a range in one currency, minor units; `average` is gross by paid order, rounded."""

    currency: str
    gross: int
    refunds: int
    net: int
    orders: int
    free: int

    @property
    def average(self) -> int:
        """The average paid order in minor units, 0 when there was none."""
        return round(self.gross / self.orders) if self.orders else 0


class Revenue:
    """Reads revenue from the store in the business time zone, for live or for test orders."""

    def __init__(self, rows: RevenueRows, timezone: ZoneInfo, *, livemode: bool) -> None:
        self._rows = rows
        self._timezone = timezone
        self._livemode = livemode

    def today(self) -> date:
        """Today in the business time zone."""
        return datetime.now(self._timezone).date()

    def daily(self, first: date, last: date, *, actor: Actor) -> pd.DataFrame:
        """One row a day, level and currency in which something happened, `first` to `last` inclusive.

        Columns: day (datetime64, midnight, no zone), level (a Level's value or `unknown`), currency; gross,
        refunds, net in minor units; orders (paid) and free (counts). Sorted by day, level, currency. Raises
        StoreUnavailable, and Forbidden without the permission.
        """
        require(actor, Permission.VIEW_REVENUE)
        start = datetime.combine(first, time.min, self._timezone)
        end = datetime.combine(last + timedelta(days=1), time.min, self._timezone)
        zone = self._timezone.key
        sales = self._rows.sales(start, end, zone, livemode=self._livemode)
        refunds = self._rows.refunds(start, end, zone, livemode=self._livemode)
        return combine(sales, refunds)


def combine(sales: list[dict[str, Any]], refunds: list[dict[str, Any]]) -> pd.DataFrame:
    """The daily frame of `Revenue.daily` from the store's rows of sales and refunds."""
    # Here, because it takes longer to import than all the rest together, and only pages need it.
    import pandas as pd

    records = [
        {**_keys(row), "gross": row["amount"], "refunds": 0, "orders": row["orders"], "free": row["free"]}
        for row in sales
    ] + [{**_keys(row), "gross": 0, "refunds": row["amount"], "orders": 0, "free": 0} for row in refunds]
    frame = pd.DataFrame(records, columns=[*KEYS, "gross", "refunds", "orders", "free"])
    frame["day"] = pd.to_datetime(frame["day"])
    frame = frame.groupby(KEYS, as_index=False, sort=True).sum()
    frame["net"] = frame["gross"] - frame["refunds"]
    return frame[[*KEYS, *SUMS]].astype(dict.fromkeys(SUMS, "int64"))


def by_period(daily: pd.DataFrame, period: Period) -> pd.DataFrame:
    """The daily frame summed by day, week or month; `day` becomes the first day of each."""
    starts = daily["day"].dt.to_period(_FREQUENCY[period]).dt.start_time
    return daily.assign(day=starts).groupby(KEYS, as_index=False, sort=True)[SUMS].sum()


def totals(daily: pd.DataFrame) -> list[Totals]:
    """The figures of a daily frame, one for each currency, the largest gross first."""
    sums = daily.groupby("currency")[SUMS].sum()
    found = [
        Totals(str(currency), **{name: int(row[name]) for name in SUMS}) for currency, row in sums.iterrows()
    ]
    return sorted(found, key=lambda figures: -figures.gross)


def _keys(row: Mapping[str, Any]) -> dict[str, str]:
    level = level_of(row["product"]) or level_of(row["level"])
    return {"day": row["day"], "level": str(level or UNKNOWN_LEVEL), "currency": str(row["currency"]).lower()}
