"""The figures of revenue from rows of orders and of days: summed, compared, as frames. No I/O.

Money is in minor units and never summed over currencies; days are those of the business time zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from lumira.catalog import level_sold
from lumira.order_filter import UNKNOWN

if TYPE_CHECKING:
    import pandas as pd

KEYS: Final = ["day", "level", "currency"]
# What is kept of each day and can be added up; net follows from it.
FIGURES: Final = (
    "gross",
    "refunds",
    "fees",
    "orders",
    "free",
    "refunded",
    "disputed",
    "failed",
    "fees_known",
)
# Of each hour of the day: the paid orders, and their gross.
BY_HOUR: Final = ("hours", "gross_hours")
SUMS: Final = ["gross", "refunds", "net", *FIGURES[2:]]

Row = dict[str, Any]


class Period(StrEnum):
    """The width of a bar. Weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


_FREQUENCY: Final = {Period.DAY: "D", Period.WEEK: "W-SUN", Period.MONTH: "M", Period.QUARTER: "Q"}


@dataclass(frozen=True)
class Totals:
    """The figures of a range in one currency, money in minor units, the rest counts.

    `orders` are paid ones, `refunded` refunds made, `disputed` paid orders that were disputed at any time,
    `failed` orders whose payment failed. `fees` are what Stripe kept of `fees_known` of the orders.
    The ratios are of 1, and None where there is nothing to divide by.
    """

    currency: str
    gross: int = 0
    refunds: int = 0
    net: int = 0
    orders: int = 0
    free: int = 0
    refunded: int = 0
    disputed: int = 0
    failed: int = 0
    fees: int = 0
    fees_known: int = 0

    @property
    def left(self) -> int:
        """What is left of net after the fees that are known, in minor units."""
        return self.net - self.fees

    @property
    def average(self) -> int:
        """The average paid order in minor units, rounded; 0 when there was none."""
        return round(self.gross / self.orders) if self.orders else 0

    @property
    def refund_rate(self) -> float | None:
        """What was refunded of what came in."""
        return self.refunds / self.gross if self.gross else None

    @property
    def dispute_rate(self) -> float | None:
        """Paid orders that were disputed, of all paid orders."""
        return self.disputed / self.orders if self.orders else None

    @property
    def success_rate(self) -> float | None:
        """Paid orders, of those that were paid or failed."""
        tried = self.orders + self.failed
        return self.orders / tried if tried else None


@dataclass(frozen=True)
class Mismatch:
    """A figure that is not what the orders say: both in minor units or counts."""

    day: date
    level: str
    currency: str
    figure: str
    kept: int
    counted: int


def combine(sales: Iterable[Row], undated: Iterable[Row], refunds: Iterable[Row]) -> dict[date, list[Row]]:
    """The rows of each day, from the store's rows of sales, of undated orders and of refunds.

    Old names of a level are one level; a day's rows are sorted by level and currency.
    """
    rows: dict[tuple[str, str, str], Row] = {}

    def row_of(source: Mapping[str, Any], currency_field: str = "currency") -> Row:
        level = level_sold(source["product"], source["level"]) or UNKNOWN
        currency = str(source[currency_field]).lower()
        key = (source["hour"][:10], level, currency)
        if key not in rows:
            rows[key] = {
                "level": level,
                "currency": currency,
                **dict.fromkeys(FIGURES, 0),
                **{name: [0] * 24 for name in BY_HOUR},
                "failures": [],
            }
        return rows[key]

    def add_sale(source: Mapping[str, Any]) -> None:
        row = row_of(source)
        # JavaScript has one number type: another program may have stored whole amounts as doubles.
        row["gross"] += int(source["amount"])
        for name in ("orders", "free", "disputed", "fees_known"):
            row[name] += source[name]
        if source["fees"]:
            row_of(source, "fee_currency")["fees"] += int(source["fees"])
        hour = int(source["hour"][11:])
        row["hours"][hour] += source["orders"]
        row["gross_hours"][hour] += int(source["amount"])

    for source in sales:
        add_sale(source)
    for source in undated:
        if source["status"] == "completed":
            add_sale(source)
            continue
        row, count = row_of(source), source["orders"] + source["free"]
        row["failed"] += count
        row["failures"].append([source["code"] or "", count])
    for source in refunds:
        row = row_of(source)
        row["refunds"] += int(source["amount"])
        row["refunded"] += source["refunded"]
    days: dict[date, list[Row]] = {}
    for (day, _, _), row in sorted(rows.items()):
        row["failures"] = _summed(row["failures"])
        days.setdefault(date.fromisoformat(day), []).append(row)
    return days


def differences(kept: Sequence[Row], counted: Sequence[Row]) -> list[Mismatch]:
    """Every figure of `kept` that is not the one of `counted`; rows as of `Revenue.days`."""
    found = []
    ours, theirs = (
        {(row["day"], row["level"], row["currency"]): row for row in rows} for rows in (kept, counted)
    )
    for key in sorted({*ours, *theirs}):
        for figure in FIGURES:
            have, count = (int(side.get(key, {}).get(figure, 0)) for side in (ours, theirs))
            if have != count:
                found.append(Mismatch(*key, figure=figure, kept=have, counted=count))
        for figure in BY_HOUR:
            hours = [side.get(key, {}).get(figure, [0] * 24) for side in (ours, theirs)]
            if hours[0] != hours[1]:
                for hour, (have, count) in enumerate(zip(*hours, strict=True)):
                    if have != count:
                        found.append(Mismatch(*key, figure=f"{figure}.{hour}", kept=have, counted=count))
        failed = [dict(side.get(key, {}).get("failures", [])) for side in (ours, theirs)]
        for code in sorted({*failed[0], *failed[1]}):
            have, count = (side.get(code, 0) for side in failed)
            if have != count:
                found.append(Mismatch(*key, figure=f"failures.{code}", kept=have, counted=count))
    return found


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """One row a day, level and currency in which something happened.

    Columns: day (datetime64, midnight, no zone), level, currency; gross, refunds, net, fees in minor units;
    orders (paid), free, refunded, disputed, failed and fees_known (counts). Sorted by day, level, currency.
    """
    # Here, because it takes longer to import than all the rest together, and only pages need it.
    import pandas as pd

    figures = list(FIGURES)
    daily = pd.DataFrame(
        [{name: row[name] for name in [*KEYS, *figures]} for row in rows], columns=[*KEYS, *figures]
    )
    daily["day"] = pd.to_datetime(daily["day"])
    daily = daily.astype(dict.fromkeys(figures, "int64"))
    daily["net"] = daily["gross"] - daily["refunds"]
    return daily[[*KEYS, *SUMS]]


def by_period(daily: pd.DataFrame, period: Period) -> pd.DataFrame:
    """The daily frame summed by day, week, month or quarter; `day` becomes the first day of each."""
    starts = daily["day"].dt.to_period(_FREQUENCY[period]).dt.start_time
    return daily.assign(day=starts).groupby(KEYS, as_index=False, sort=True)[SUMS].sum()


def totals(daily: pd.DataFrame) -> list[Totals]:
    """The figures of a daily frame, one for each currency, the largest gross first."""
    sums = daily.groupby("currency")[SUMS].sum()
    found = [
        Totals(str(currency), **{name: int(row[name]) for name in SUMS}) for currency, row in sums.iterrows()
    ]
    return sorted(found, key=lambda figures: (-figures.gross, -figures.orders, figures.currency))


def by_hour(rows: Iterable[Row]) -> list[list[int]]:
    """Paid orders by weekday (Monday first) and hour of the business time zone: 7 lists of 24 counts."""
    found = [[0] * 24 for _ in range(7)]
    for row in rows:
        of = found[row["day"].weekday()]
        for hour, count in enumerate(row["hours"]):
            of[hour] += count
    return found


def failures(rows: Iterable[Row]) -> list[tuple[str, int]]:
    """Why payments failed: Stripe's code, empty where none was stored, and how often; most often first."""
    every = _summed(pair for row in rows for pair in row["failures"])
    return sorted(((code, count) for code, count in every), key=lambda pair: (-pair[1], pair[0]))


def _summed(pairs: Iterable[Sequence[Any]]) -> list[list[Any]]:
    sums: dict[str, int] = {}
    for name, count in pairs:
        sums[str(name)] = sums.get(str(name), 0) + int(count)
    return [[name, count] for name, count in sorted(sums.items())]
