"""The tables under the charts of Revenue: the same figures, to read and to copy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st
from babel.dates import get_day_names

from lumira.dashboard import session
from lumira.dashboard.charts import amounts_by_day, by_level
from lumira.dashboard.revenue_figures import made_once
from lumira.dashboard.tables import NOTHING, ROW_HEIGHT, height
from lumira.dashboard.texts import capitalized, day, level_name, money, number, period, share, text
from lumira.days import every_day
from lumira.order_filter import LEVELS
from lumira.revenue_sums import Period


def show_revenue(key: str, by_period: pd.DataFrame, bars: list[date], width: Period, currency: str) -> None:
    """Revenue by period, newest first, written only when there is none of this `key` yet."""
    # A year of days is thousands of words, in a table that most readers leave closed.
    frame = made_once("table", key, lambda: _revenue_frame(by_period, bars, width, currency))
    _show(frame, pinned=True, alt=text("revenue.table"))


def show_cumulative(daily: pd.DataFrame, days: tuple[date, date], currency: str) -> None:
    """Net revenue of each day and up to it, newest first."""
    net = amounts_by_day(daily.groupby("day")["net"].sum())
    rows, total = [], 0
    for one in every_day(*days):
        amount = net.get(one, 0)
        total += amount
        rows.append((day(one), money(amount, currency) if amount else NOTHING, money(total, currency)))
    _show_plain((text("bars.day"), text("revenue.net"), text("revenue.cumulative")), rows[::-1])


def show_levels(daily: pd.DataFrame, currency: str) -> None:
    """Gross, paid orders and their average by level."""
    sums = by_level(daily)
    total = sum(found["gross"] for found in sums.values())
    rows = []
    for level, found in sums.items():
        gross, orders, free = found["gross"], found["orders"], found["free"]
        rows.append(
            (
                level_name(level),
                money(gross, currency) if gross else NOTHING,
                share(gross / total) if total else NOTHING,
                number(orders) if orders else NOTHING,
                money(round(gross / orders), currency) if orders else NOTHING,
                number(free) if free else NOTHING,
            )
        )
    titles = ("orders.level", "revenue.gross", "revenue.share", "revenue.orders", "revenue.average.title")
    _show_plain((*map(text, titles), text("revenue.free")), rows)


def show_hours(counts: list[list[int]]) -> None:
    """Paid orders by hour and weekday."""
    names = get_day_names("abbreviated", "stand-alone", locale=session.language())
    titles = (text("revenue.hours.hour"), *(names[number_of_day] for number_of_day in range(7)))
    _show_plain(
        titles,
        [
            (
                text("revenue.hour", hour=hour),
                *(number(row[hour]) if row[hour] else NOTHING for row in counts),
            )
            for hour in range(24)
        ],
    )


def show_failures(rows: list[tuple[str, int]]) -> None:
    """Reasons of failed payments, most often first."""
    _show_plain(
        (text("revenue.failures.reason"), text("revenue.failed")),
        [(reason, number(count)) for reason, count in rows],
    )


def _revenue_frame(by_period: pd.DataFrame, bars: list[date], width: Period, currency: str) -> pd.DataFrame:
    """The revenue table in the reader's words: a total, then one row a bar, newest first."""
    figures = ["gross", "refunds", "net", "fees", "orders", "free"]
    gross_by_level = by_period.pivot_table(
        index="day", columns="level", values="gross", aggfunc="sum", fill_value=0
    )
    levels = [level for level in LEVELS if level in gross_by_level and gross_by_level[level].any()]
    sums = by_period.groupby("day")[figures].sum().join(gross_by_level[levels]).to_dict("index")
    nothing = dict.fromkeys([*figures, *levels], 0)
    total = {name: sum(row[name] for row in sums.values()) for name in nothing}
    named = [(text("revenue.total"), total)] + [
        (period(start, width), sums.get(pd.Timestamp(start), nothing)) for start in reversed(bars)
    ]
    return pd.DataFrame([_revenue_row(name, row, levels, currency) for name, row in named])


def _revenue_row(name: str, row: dict[Any, int], levels: list[str], currency: str) -> dict[str, str]:
    def amount(figure: str) -> str:
        return money(int(row[figure]), currency) if row[figure] else NOTHING

    def count(figure: str) -> str:
        return number(int(row[figure])) if row[figure] else NOTHING

    return {
        text("revenue.range"): capitalized(name),
        **{level_name(level): amount(level) for level in levels},
        text("revenue.gross"): amount("gross"),
        text("revenue.refunds"): amount("refunds"),
        text("revenue.net"): amount("net"),
        text("revenue.fees"): amount("fees"),
        text("revenue.orders"): count("orders"),
        text("revenue.free"): count("free"),
    }


def _show_plain(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    _show(pd.DataFrame(rows, columns=list(titles)))


def _show(frame: pd.DataFrame, *, pinned: bool = False, alt: str | None = None) -> None:
    """A table of words and figures, the first column to the left, where a `pinned` one stays in sight."""
    name, *figures = frame.columns
    columns: dict[str, Any] = {figure: st.column_config.TextColumn(alignment="right") for figure in figures}
    columns[name] = st.column_config.TextColumn(pinned=pinned, alignment="left")
    st.dataframe(
        frame,
        hide_index=True,
        column_config=columns,
        row_height=ROW_HEIGHT,
        height=height(len(frame)),
        alt=alt,
    )
