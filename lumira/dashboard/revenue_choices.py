"""What a reader of Revenue chooses: the days, by name or by hand, and a bar whose orders are to open."""

from __future__ import annotations

from datetime import date
from typing import Final

import streamlit as st

from lumira.dashboard import address, choices, navigation, periods, session
from lumira.dashboard.periods import Range
from lumira.dashboard.texts import text
from lumira.revenue_sums import Period

_CLICKED: Final = "revenue-clicked"
_SHOWN: Final = "revenue-shown"


def choose_days() -> tuple[Range, date, date]:
    """The range and its first and last day; days chosen by hand stand in the URL as from and to."""
    today = session.desk().revenue.today()
    shown = periods.days(_span(), today)

    def begin() -> None:
        # A new range begins with the bars that suit it; days by hand, with those that were shown.
        _forget("bars", "from", "to")
        if _span() is Range.CUSTOM:
            _keep_days(*shown)

    span = choices.choose(
        "range",
        text("revenue.range"),
        Range,
        Range.MONTH,
        format_func=lambda span: text(f"range.{span}"),
        on_change=begin,
    )
    first, last = periods.days(span, today)
    if span is not Range.CUSTOM:
        return span, first, last
    first, last = _from_url(first, last, today)

    def changed() -> None:
        chosen = st.session_state["days"]
        if len(chosen) == 2:
            _keep_days(*chosen)
            _forget("bars")

    if len(st.session_state.get("days", ())) != 1:
        st.session_state["days"] = (first, last)
    st.date_input(
        text("revenue.days"),
        key="days",
        max_value=max(today, last),
        on_change=changed,
        format="DD/MM/YYYY",
        width=230,
    )
    return span, first, last


def _span() -> Range:
    return choices.read("range", Range, Range.MONTH)


def _keep_days(first: date, last: date) -> None:
    address.change({"from": first.isoformat(), "to": last.isoformat()})


def _from_url(first: date, last: date, today: date) -> tuple[date, date]:
    """The days of the URL; where it holds none, or none that make a range, the ones given."""
    try:
        wanted = tuple(date.fromisoformat(st.query_params[name]) for name in ("from", "to"))
    except (KeyError, ValueError):
        return first, last
    if date(2000, 1, 1) <= wanted[0] <= wanted[1] <= today:
        return wanted[0], wanted[1]
    return first, last


def _forget(*names: str) -> None:
    address.change(dict.fromkeys(names))
    for name in names:
        st.session_state.pop(name, None)


def remember_shown(chart: str, series: list[str | None], first: date, last: date, width: Period) -> None:
    """Keeps what a chart shows, to know what a click on it means; a series is a level, refunds or None."""
    st.session_state[f"{_SHOWN}-{chart}"] = (series, first, last, width)


def remember_click(chart: str) -> None:
    """Keeps the orders behind the bar that was clicked, for the rerun that follows."""
    points = st.session_state[f"{chart}-chart"].selection.points
    if not points or f"{_SHOWN}-{chart}" not in st.session_state:
        return
    series, first, last, width = st.session_state[f"{_SHOWN}-{chart}"]
    point = points[0]
    number = point.get("curve_number", -1)
    meant = series[number] if 0 <= number < len(series) else None
    if meant is None:
        return
    if chart == "chart":
        start = date.fromisoformat(str(point["x"])[:10])
        first, last = max(first, start), min(last, periods.end_of(start, width))
    st.session_state[_CLICKED] = orders_of(meant, first, last)


def orders_of(series: str, first: date, last: date) -> dict[str, str]:
    """The query of the orders page that lists what a bar is made of."""
    query = {
        "date": "refunded" if series == "refunds" else "completed",
        "from": first.isoformat(),
        "to": last.isoformat(),
    }
    return query if series == "refunds" else query | {"level": series}


def open_clicked() -> None:
    """Opens the orders of the bar that was clicked, if one was."""
    if query := st.session_state.pop(_CLICKED, None):
        address.leave(navigation.orders(), query)
