"""The charts of the revenue page. Each says in words what the pointer is on, and can be kept as an image.

A level has its colour and a pattern of its own, so the levels are told apart without colours too. A chart is
drawn once for equal figures and shared by all sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import accumulate
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from babel.dates import get_day_names
from plotly.basedatatypes import BaseTraceType

from lumira.catalog import Level
from lumira.dashboard import revenue_choices, session
from lumira.dashboard.revenue_figures import made_once
from lumira.dashboard.texts import (
    capitalized,
    counted,
    day,
    failure_reason,
    level_name,
    money,
    number,
    period,
    share,
    text,
)
from lumira.dashboard.theme import GOLD, LEVEL_COLOURS, NEUTRAL
from lumira.days import every_day
from lumira.money import major_units
from lumira.order_filter import LEVELS, UNKNOWN
from lumira.revenue_sums import Period

_HEIGHT: Final = 400
_SMALL_HEIGHT: Final = 300
_LABELS_AT_MOST: Final = 6
_REASONS_AT_MOST: Final = 6
# The name of a reason beside its bar is broken into lines of this length.
_LINE_LENGTH: Final = 24
# Plotly's own words for that button, of a PNG and of any other image.
_SAVING: Final = ("Download plot as a PNG", "Download plot")
_NO_LEGEND: Final = {"showlegend": False, "margin": {"l": 0, "r": 0, "t": 8, "b": 0}}
_GRID: Final = "rgba(139,133,149,.18)"
_FAINT: Final = "rgba(139,133,149,.22)"
# https://plotly.com/python/pattern-hatching-texture/
PATTERNS: Final[Mapping[str, str]] = {
    Level.INITIE: ".",
    Level.MYSTIQUE: "",
    Level.PROFOND: "/",
    Level.INTEGRALE: "x",
    UNKNOWN: "-",
}


def show(
    name: str,
    key: str,
    draw: Callable[[], go.Figure],
    *,
    image: str,
    opens: tuple[date, date, Period] | None = None,
) -> None:
    """Shows the chart `name`, drawn only when there is none of this `key` yet.

    `image` is what the button at its corner saves: png or svg. A click on a bar opens its orders
    when `opens` says which days the chart shows, in bars of which width.
    """
    figure = made_once(name, key, draw)
    if opens:
        revenue_choices.remember_shown(name, [trace.meta for trace in figure.data], *opens)
    st.plotly_chart(
        figure,
        key=f"{name}-chart",
        on_select=(lambda: revenue_choices.remember_click(name)) if opens else "ignore",
        selection_mode="points",
        config={
            "displaylogo": False,
            "scrollZoom": False,
            "doubleClick": False,
            "modeBarButtons": [["toImage"]],
            "toImageButtonOptions": {"format": image, "filename": f"lumira-{name}", "scale": 2},
            "locale": session.language(),
            "locales": {session.language(): {"dictionary": dict.fromkeys(_SAVING, text("revenue.image"))}},
        },
        alt=text(f"revenue.{name}"),
    )


def revenue_figure(
    by_period: pd.DataFrame,
    bars: list[date],
    width: Period,
    currency: str,
    language: str,
    before: Sequence[tuple[date, int]] = (),
) -> go.Figure:
    """Bars by period, stacked by level, refunds below the line; `before` are the first day and the gross of
    each bar of the range that stands behind them.
    """
    traces: list[BaseTraceType] = []
    if any(gross for _, gross in before):
        traces.append(_bars_before(list(before)[: len(bars)], bars, width, currency))
    traces += _bars_of_levels(by_period, bars, width, currency)
    refunds = amounts_by_day(by_period.groupby("day")["refunds"].sum())
    if any(refunds.values()):
        traces.append(_bars_of_refunds(refunds, bars, width, currency))
    labelled = _labelled(bars)
    return go.Figure(
        traces,
        {
            **_layout(_HEIGHT, language),
            "barmode": "overlay",
            "barcornerradius": 3,
            "clickmode": "event+select",
            "xaxis": {
                "type": "category",
                "categoryorder": "array",
                "categoryarray": _places(bars),
                "tickvals": _places(labelled),
                "ticktext": [_on_axis(start, width) for start in labelled],
                "showgrid": False,
                "fixedrange": True,
                "tickangle": 0,
            },
            "yaxis": _money_axis(currency, language),
        },
    )


def _on_axis(start: date, width: Period) -> str:
    """The name of a bar under the axis, a year below its month: a phone has no room for six of them else."""
    name = period(start, width, short=True)
    return "<br>".join(name.rsplit(" ", 1)) if name.endswith(str(start.year)) else name


def _places(bars: Sequence[date]) -> list[str]:
    """Where bars stand on the axis."""
    return [start.isoformat() for start in bars]


def _bars_before(
    before: list[tuple[date, int]],
    bars: list[date],
    width: Period,
    currency: str,
) -> go.Bar:
    """The range that is compared with, wide and faint behind the bars of this one."""
    return go.Bar(
        name=text("revenue.before.name"),
        x=_places(bars)[: len(before)],
        y=[_major(gross, currency) or None for _, gross in before],
        width=0.86,
        marker={"color": _FAINT, "line": {"width": 0}},
        customdata=[
            f"<b>{text('revenue.before.name')}</b><br>{period(start, width)}<br>{money(gross, currency)}"
            for start, gross in before
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _bars_of_levels(by_period: pd.DataFrame, bars: list[date], width: Period, currency: str) -> list[go.Bar]:
    """The gross of each level, one on top of the other."""
    found, base = list[go.Bar](), [0.0] * len(bars)
    for level in LEVELS:
        rows = by_period[by_period["level"] == level].set_index("day")
        gross, orders = amounts_by_day(rows["gross"]), amounts_by_day(rows["orders"])
        if not any(gross.values()):
            continue
        heights = [_major(gross.get(start, 0), currency) for start in bars]
        found.append(
            go.Bar(
                name=level_name(level),
                x=_places(bars),
                y=[height or None for height in heights],
                base=list(base),
                width=0.6,
                marker=_marker(level),
                # Where there is no bar, no pointer asks.
                customdata=[
                    _sale(gross[start], orders[start], period(start, width), level, currency)
                    if gross.get(start)
                    else ""
                    for start in bars
                ],
                hovertemplate="%{customdata}<extra></extra>",
                meta=str(level),
            )
        )
        base = [low + height for low, height in zip(base, heights, strict=True)]
    return found


def _bars_of_refunds(refunds: Mapping[date, int], bars: list[date], width: Period, currency: str) -> go.Bar:
    """What was refunded, below the line."""
    return go.Bar(
        name=text("revenue.refunds"),
        x=_places(bars),
        y=[-_major(refunds.get(start, 0), currency) or None for start in bars],
        width=0.6,
        marker={
            "color": "rgba(139,133,149,.28)",
            "line": {"color": NEUTRAL, "width": 1},
            "pattern": {"shape": "\\", "fgcolor": NEUTRAL, "size": 6, "solidity": 0.35},
        },
        customdata=[
            _refunded(refunds[start], period(start, width), currency) if refunds.get(start) else ""
            for start in bars
        ],
        hovertemplate="%{customdata}<extra></extra>",
        meta="refunds",
    )


def cumulative_figure(
    daily: pd.DataFrame,
    days: tuple[date, date],
    daily_before: pd.DataFrame,
    days_before: tuple[date, date],
    currency: str,
    language: str,
) -> go.Figure:
    """Net revenue adding up over the days, beside the range before."""
    traces: list[BaseTraceType] = []
    for name, rows, (first, last), line in (
        ("revenue.before.name", daily_before, days_before, {"color": NEUTRAL, "width": 2, "dash": "dot"}),
        ("revenue.now.name", daily, days, {"color": GOLD, "width": 3}),
    ):
        net = amounts_by_day(rows.groupby("day")["net"].sum())
        every = every_day(first, last)
        sums = list(accumulate(net.get(one, 0) for one in every))
        traces.append(
            go.Scatter(
                name=text(name),
                x=list(range(1, len(every) + 1)),
                y=[_major(amount, currency) for amount in sums],
                mode="lines" if len(every) > 1 else "markers",
                line=line | {"shape": "hv" if len(every) < 40 else "linear"},
                customdata=[
                    text(
                        "revenue.cumulative.hover",
                        first=day(first),
                        last=day(one),
                        amount=money(amount, currency),
                    )
                    for one, amount in zip(every, sums, strict=True)
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    first, last = days
    every = every_day(first, last)
    labelled = _labelled(every, 4)
    return go.Figure(
        traces,
        {
            **_layout(_SMALL_HEIGHT, language),
            "xaxis": {
                "tickvals": [(one - first).days + 1 for one in labelled],
                "ticktext": [period(one, Period.DAY, short=True) for one in labelled],
                "range": [0.5, len(every) + 0.5],
                "showgrid": False,
                "fixedrange": True,
            },
            "yaxis": _money_axis(currency, language),
        },
    )


def levels_figure(daily: pd.DataFrame, currency: str, language: str) -> go.Figure:
    """What each level brought of the gross, with its paid orders and the average of them."""
    sums = by_level(daily)
    levels = sorted(
        (level for level, found in sums.items() if found["gross"]), key=lambda name: sums[name]["gross"]
    )
    total = sum(found["gross"] for found in sums.values())
    traces: list[BaseTraceType] = []
    for level in levels:
        gross, orders = sums[level]["gross"], sums[level]["orders"]
        average = money(round(gross / orders), currency) if orders else "–"
        traces.append(
            go.Bar(
                orientation="h",
                x=[_major(gross, currency)],
                y=[level_name(level)],
                marker=_marker(level),
                width=_thickness(len(levels)),
                text=[f"<b>{share(gross / total)}</b>  {money(gross, currency)}"],
                textposition="outside",
                cliponaxis=False,
                customdata=[
                    f"<b>{level_name(level)}</b><br>"
                    + counted(
                        "revenue.levels.hover",
                        orders,
                        amount=money(gross, currency),
                        share=share(gross / total),
                        average=average,
                    )
                ],
                hovertemplate="%{customdata}<extra></extra>",
                meta=str(level),
            )
        )
    most = max((found["gross"] for found in sums.values()), default=0)
    return go.Figure(
        traces,
        {
            **_layout(_SMALL_HEIGHT, language),
            **_NO_LEGEND,
            "barcornerradius": 3,
            "clickmode": "event+select",
            "xaxis": {"visible": False, "fixedrange": True, "range": [0, 1.55 * _major(most, currency) or 1]},
            "yaxis": {"fixedrange": True, "showgrid": False, "ticksuffix": "  ", "automargin": True},
        },
    )


def hours_figure(counts: list[list[int]], language: str) -> go.Figure:
    """Paid orders by weekday, Monday on top, and hour."""
    names = get_day_names("abbreviated", "stand-alone", locale=language)
    whole = get_day_names("wide", "stand-alone", locale=language)
    most = max(map(max, counts))
    trace = go.Heatmap(
        z=counts,
        zmin=0,
        zmax=max(most, 1),
        x=list(range(24)),
        y=[names[number_of_day] for number_of_day in range(7)],
        colorscale=[[0, "rgba(139,133,149,.10)"], [0.25, "#4B3A17"], [0.6, "#9C7C1F"], [1, "#F0CE63"]]
        if st.context.theme.type != "light"
        else [[0, "rgba(139,133,149,.10)"], [0.25, "#EBD9A0"], [0.6, "#C09A2B"], [1, "#5B450C"]],
        colorbar=_scale(most),
        xgap=2,
        ygap=2,
        customdata=[
            [
                text(
                    "revenue.hours.hover" + {0: ".none", 1: ".one"}.get(count, ""),
                    day=whole[number_of_day].capitalize(),
                    hour=hour,
                    next=(hour + 1) % 24,
                    count=number(count),
                )
                for hour, count in enumerate(row)
            ]
            for number_of_day, row in enumerate(counts)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    hours = [0, 6, 12, 18, 23]
    return go.Figure(
        trace,
        {
            **_layout(_SMALL_HEIGHT, language),
            "margin": {"l": 0, "r": 16, "t": 56, "b": 0},
            "xaxis": {
                "tickvals": hours,
                "ticktext": [text("revenue.hour", hour=hour) for hour in hours],
                "showgrid": False,
                "fixedrange": True,
                "zeroline": False,
            },
            "yaxis": {"autorange": "reversed", "showgrid": False, "fixedrange": True, "ticksuffix": "  "},
        },
    )


def failures_figure(reasons: Sequence[tuple[str, int]], language: str) -> go.Figure:
    """Why payments failed, most often on top; rare reasons are one bar."""
    named = failure_rows(reasons)
    total = sum(count for _, count in named)
    trace = go.Bar(
        orientation="h",
        x=[count for _, count in named],
        y=[_wrapped(reason) for reason, _ in named],
        width=_thickness(len(named)),
        marker={"color": "#C81E45"},
        text=[f"<b>{number(count)}</b>  {share(count / total)}" for _, count in named],
        textposition="outside",
        cliponaxis=False,
        customdata=[
            counted("revenue.failures.hover", count, reason=reason, share=share(count / total))
            for reason, count in named
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    most = max((count for _, count in named), default=1)
    return go.Figure(
        trace,
        {
            **_layout(_SMALL_HEIGHT, language),
            **_NO_LEGEND,
            "barcornerradius": 3,
            "xaxis": {"visible": False, "fixedrange": True, "range": [0, 1.45 * most]},
            "yaxis": {
                "autorange": "reversed",
                "fixedrange": True,
                "showgrid": False,
                "ticksuffix": "  ",
                "automargin": True,
            },
        },
    )


def failure_rows(reasons: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Reasons in words with their counts, the rare ones together."""
    named: dict[str, int] = {}
    for code, count in reasons:
        words = capitalized(failure_reason(code).rstrip("."))
        named[words] = named.get(words, 0) + count
    ordered = sorted(named.items(), key=lambda pair: -pair[1])
    if len(ordered) > _REASONS_AT_MOST:
        rest = sum(count for _, count in ordered[_REASONS_AT_MOST - 1 :])
        ordered = [*ordered[: _REASONS_AT_MOST - 1], (text("revenue.failures.rest"), rest)]
    return ordered


def by_level(daily: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Gross, orders and free of each level that has any, lowest level first."""
    sums = daily.groupby("level")[["gross", "orders", "free"]].sum().to_dict("index")
    return {
        level: {str(name): int(value) for name, value in sums[level].items()}
        for level in LEVELS
        if level in sums
    }


def _marker(level: str) -> dict[str, Any]:
    return {
        "color": LEVEL_COLOURS[level],
        "line": {"width": 0},
        "pattern": {
            "shape": PATTERNS[level],
            "fgcolor": "rgba(255,255,255,.42)",
            "fillmode": "overlay",
            "size": 7,
            "solidity": 0.22,
        },
    }


def _layout(height: int, language: str) -> dict[str, Any]:
    return {
        "height": height,
        # To the right the last label of an axis has room for its half, or Plotly leaves it out.
        "margin": {"l": 0, "r": 28, "t": 36, "b": 0},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "separators": ".," if language == "en" else ",\u202f",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "dragmode": False,
        "hoverlabel": {"align": "left"},
        # On a ground that is none, Plotly takes it for dark and puts the button into a grey box.
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": NEUTRAL, "activecolor": GOLD},
    }


def _scale(most: int) -> dict[str, Any]:
    """The colours from no order to the most there are, where other charts have their legend."""
    return {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1.02,
        "yanchor": "bottom",
        "thickness": 8,
        "len": 0.4,
        "outlinewidth": 0,
        "ticks": "",
        "xpad": 0,
        "ypad": 4,
        "tickvals": [0, most],
        "ticktext": [number(0), number(most)],
        "title": {"text": text("revenue.orders"), "side": "top", "font": {"size": 12}},
    }


def _money_axis(currency: str, language: str) -> dict[str, Any]:
    symbol = money(0, currency).replace("0", "").strip(" ,.\u00a0\u202f")
    return {
        "fixedrange": True,
        "nticks": 6,
        "tickformat": ",.0f",
        "tickprefix": symbol if language == "en" else "",
        "ticksuffix": "" if language == "en" else f"\u00a0{symbol}",
        "zeroline": True,
        "zerolinewidth": 1,
        "gridcolor": _GRID,
        "zerolinecolor": "rgba(139,133,149,.6)",
        "rangemode": "tozero",
    }


def _labelled(days: list[date], at_most: int = _LABELS_AT_MOST) -> list[date]:
    """At most so many of the days, the last one among them: their names have to fit under an axis."""
    every = -(-len(days) // at_most)
    return days[::-1][::every][::-1]


def _wrapped(words: str) -> str:
    lines = [""]
    for word in words.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= _LINE_LENGTH:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)


def _thickness(bars: int) -> float:
    """Few bars are no thicker than many."""
    return min(0.55, 0.13 * bars)


def _major(amount: int, currency: str) -> float:
    return float(major_units(amount, currency))


def amounts_by_day(amounts: pd.Series[Any]) -> dict[date, int]:
    """The amounts of a column by the day they stand at: asking pandas a day at a time takes long."""
    return {
        pd.Timestamp(start).date(): int(amount) for start, amount in zip(amounts.index, amounts, strict=True)
    }


def _sale(gross: int, orders: int, when: str, level: str, currency: str) -> str:
    told = counted("revenue.bar.orders", orders, amount=money(gross, currency))
    return f"<b>{level_name(level)}</b><br>{when}<br>{told}"


def _refunded(refunds: int, when: str, currency: str) -> str:
    told = text("revenue.bar.refunds", amount=money(refunds, currency))
    return f"<b>{text('revenue.refunds')}</b><br>{when}<br>{told}"
