"""The tables under the charts of Revenue: the same figures, to read and to copy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd
import streamlit as st
from babel.dates import get_day_names

from lumira.dashboard import session
from lumira.dashboard.charts import amounts_by_day, by_level
from lumira.dashboard.tables import NOTHING, ROW_HEIGHT, height
from lumira.dashboard.texts import day, level_name, money, number, share, text
from lumira.days import every_day


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


def _show_plain(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of words and figures, the first column to the left."""
    columns = {
        title: st.column_config.TextColumn(alignment="right" if place else "left")
        for place, title in enumerate(titles)
    }
    st.dataframe(
        pd.DataFrame(rows, columns=list(titles)),
        hide_index=True,
        column_config=columns,
        row_height=ROW_HEIGHT,
        height=height(len(rows)),
    )
