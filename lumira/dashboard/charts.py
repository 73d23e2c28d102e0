"""The revenue chart: a bar a period, stacked by level, refunds below the line."""

from __future__ import annotations

from datetime import date

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from lumira.dashboard import session
from lumira.dashboard.texts import level_name, money, number, period, text
from lumira.dashboard.theme import LEVEL_COLOURS, NEUTRAL
from lumira.money import major_units
from lumira.revenue import Period

_HEIGHT = 400
_LABELS_AT_MOST = 6


def show_revenue(by_period: pd.DataFrame, bars: list[date], width: Period, currency: str) -> None:
    """Draws the periods of one currency, from `revenue.by_period`."""
    st.plotly_chart(
        _figure(by_period, bars, width, currency, session.language()),
        key="revenue-chart",
        config={"displayModeBar": False, "scrollZoom": False},
        alt=text("revenue.chart"),
    )


# Keyed by the figures themselves, so it never shows old ones: only equal data finds a figure made before.
@st.cache_data(max_entries=64, show_spinner=False)
def _figure(
    by_period: pd.DataFrame,
    bars: list[date],
    width: Period,
    currency: str,
    language: str,  # the texts inside are in it, so it is part of the key
) -> go.Figure:
    return revenue_figure(by_period, bars, width, currency, language)


def revenue_figure(
    by_period: pd.DataFrame, bars: list[date], width: Period, currency: str, language: str
) -> go.Figure:
    """The figure of one currency's periods; hover texts are sentences."""
    places = [start.isoformat() for start in bars]
    figure = go.Figure()
    for level, colour in LEVEL_COLOURS.items():
        rows = by_period[by_period["level"] == level].set_index("day")
        if not rows["gross"].any():
            continue
        figure.add_bar(
            name=level_name(level),
            x=places,
            y=[_value(rows, start, "gross", currency) or None for start in bars],
            marker={"color": colour, "line": {"width": 0}},
            customdata=[_sale(rows, start, width, level, currency) for start in bars],
            hovertemplate="%{customdata}<extra></extra>",
        )
    refunds = by_period.groupby("day")[["refunds"]].sum()
    if refunds["refunds"].any():
        figure.add_bar(
            name=text("revenue.refunds"),
            x=places,
            y=[-_value(refunds, start, "refunds", currency) or None for start in bars],
            marker={
                "color": "rgba(139,133,149,.28)",
                "line": {"color": NEUTRAL, "width": 1},
                "pattern": {"shape": "/", "fgcolor": NEUTRAL, "size": 6, "solidity": 0.35},
            },
            customdata=[_refunded(refunds, start, width, currency) for start in bars],
            hovertemplate="%{customdata}<extra></extra>",
        )
    every = -(-len(bars) // _LABELS_AT_MOST)
    labelled = bars[::-1][::every][::-1]
    symbol_first = language == "en"
    symbol = money(0, currency).replace("0", "").strip(" ,.\u00a0\u202f")
    figure.update_layout(
        barmode="relative",
        height=_HEIGHT,
        margin={"l": 0, "r": 0, "t": 36, "b": 0},
        bargap=0.28 if len(bars) < 40 else 0.15,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        separators=".," if language == "en" else ",\u202f",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        barcornerradius=3,
        dragmode=False,
        xaxis={
            "type": "category",
            "tickvals": [start.isoformat() for start in labelled],
            "ticktext": [period(start, width, short=True) for start in labelled],
            "showgrid": False,
            "fixedrange": True,
            "tickangle": 0,
        },
        yaxis={
            "fixedrange": True,
            "nticks": 6,
            "tickformat": ",.0f",
            "tickprefix": symbol if symbol_first else "",
            "ticksuffix": "" if symbol_first else f"\u00a0{symbol}",
            "zeroline": True,
            "zerolinewidth": 1,
            "gridcolor": "rgba(139,133,149,.18)",
            "zerolinecolor": "rgba(139,133,149,.6)",
        },
    )
    return figure


def _value(rows: pd.DataFrame, start: date, column: str, currency: str) -> float:
    return float(major_units(_amount(rows, start, column), currency))


def _amount(rows: pd.DataFrame, start: date, column: str) -> int:
    day = pd.Timestamp(start)
    return int(rows[column].get(day, 0))


def _sale(rows: pd.DataFrame, start: date, width: Period, level: str, currency: str) -> str:
    count, gross = _amount(rows, start, "orders"), money(_amount(rows, start, "gross"), currency)
    name = "revenue.bar.orders.one" if count == 1 else "revenue.bar.orders"
    return f"<b>{level_name(level)}</b><br>{period(start, width)}<br>" + text(
        name, count=number(count), amount=gross
    )


def _refunded(refunds: pd.DataFrame, start: date, width: Period, currency: str) -> str:
    amount = money(_amount(refunds, start, "refunds"), currency)
    return f"<b>{text('revenue.refunds')}</b><br>{period(start, width)}<br>" + text(
        "revenue.bar.refunds", amount=amount
    )
