"""Revenue by level: figures beside the period before, charts, and the same figures as tables and files.

Range, comparison, bars, currency and the form of images stand in the URL.
"""

from collections.abc import Callable
from datetime import date

import streamlit as st

from lumira.dashboard import (
    charts,
    choices,
    empty,
    navigation,
    periods,
    revenue_choices,
    revenue_files,
    revenue_tables,
)
from lumira.dashboard.periods import Compare
from lumira.dashboard.revenue_figures import Figures, conversion, read, view
from lumira.dashboard.session import desk, language, timezone
from lumira.dashboard.texts import counted, day, level_name, money, number, percentage, share, text
from lumira.revenue_sums import Period, Totals, by_hour, failures


def in_money(amount: int) -> str:
    """An amount in the currency shown."""
    return money(amount, currency)


def show_change(
    name: str,
    now: int,
    before: int,
    *,
    good: bool = True,
    written: Callable[[int], str] = in_money,
    **in_help: str,
) -> None:
    """A figure, in money unless `written` otherwise, beside the period before, with its course.

    `name` is that of its texts; `in_help` is put in the places of its help.
    """
    trend = seen.course[name]
    # Net may have been less than nothing, and from there up is no fall.
    change = percentage((now - before) / abs(before)) if before else None
    # A day that has not ended is no fall from a whole one.
    is_open = first == last == desk().revenue.today()
    told = "whole_day" if change and is_open else compare
    colour = "normal" if good else "inverse"
    st.metric(
        text(f"revenue.{name}"),
        written(now),
        change,
        delta_color="off" if is_open else colour,
        delta_description=text(f"revenue.{told}.{'than' if change else 'none'}"),
        help=text(f"revenue.{name}.help", **in_help),
        border=True,
        height="stretch",
        chart_data=trend if len(trend) > 1 and any(trend) else None,
        chart_type="line",
    )


def show_rate(
    name: str, now: float | None, before: float | None, *, good: bool = True, **in_help: str
) -> None:
    """A share beside that of the period before, in points; its texts are as of `show_change`."""
    points = None if now is None or before is None else round((now - before) * 100, 1) or None
    st.metric(
        text(f"revenue.{name}"),
        share(now) if now is not None else "–",
        text("revenue.points", points=number(points) if points < 0 else f"+{number(points)}")
        if points is not None
        else None,
        delta_color="normal" if good else "inverse",
        delta_description=text(f"revenue.{compare}.than") if points is not None else None,
        help=text(f"revenue.{name}.help", **in_help),
        border=True,
        height="stretch",
    )


def show_figures(now: Totals, before: Totals) -> None:
    """The four figures that finance signs, and what Stripe keeps of them."""
    with st.grid(4, key="four-figures"):
        show_change("gross", now.gross, before.gross)
        show_change("refunds", now.refunds, before.refunds, good=False)
        show_change("net", now.net, before.net)
        show_change("orders", now.orders, before.orders, written=number, free=number(now.free))


def show_average_and_fees(now: Totals) -> None:
    """The average order; what Stripe kept and what is left, of how many orders as long as not of all."""
    if not (now.orders or now.fees):
        return
    if not (now.fees_known or now.fees):
        told = text("revenue.fees.unknown")
    else:
        told = text("revenue.fees.kept", fees=money(now.fees, currency), left=money(now.left, currency))
        if now.fees_known < now.orders:
            known, orders = number(now.fees_known), number(now.orders)
            told += " " + text("revenue.fees.known", known=known, orders=orders)
    if now.orders:
        told = text("revenue.average", average=money(now.average, currency)) + " " + told
    st.markdown(told, help=text("revenue.fees.help"))


def show_main() -> None:
    """The bars; a click on one opens its orders."""
    rows, before = seen.bars, seen.gross_before
    with st.container(border=True):
        st.header(text("revenue.chart"), anchor=False, help=text("revenue.chart.help"))
        charts.show(
            "chart",
            f"{key}:{width}",
            lambda: charts.revenue_figure(rows, bars, width, currency, language(), before),
            image=image,
            opens=(first, last, width),
        )
        with st.expander(text("revenue.table"), icon=":material/table_rows:"):
            revenue_tables.show_revenue(f"{key}:{width}", rows, bars, width, currency)


def show_course_and_levels() -> None:
    """How the range added up, and what each level brought."""
    daily = seen.daily
    with st.grid(2, min_column_width=340):
        with st.container(border=True):
            st.header(text("revenue.cumulative"), anchor=False)
            charts.show(
                "cumulative",
                f"{key}:{compare}",
                lambda: charts.cumulative_figure(
                    daily, figures.days, seen.daily_before, figures.days_before, currency, language()
                ),
                image=image,
            )
            with st.expander(text("revenue.as_table"), icon=":material/table_rows:"):
                revenue_tables.show_cumulative(daily, figures.days, currency)
        with st.container(border=True):
            st.header(text("revenue.levels"), anchor=False)
            charts.show(
                "levels",
                key,
                lambda: charts.levels_figure(daily, currency, language()),
                image=image,
                opens=(first, last, width),
            )
            with st.expander(text("revenue.as_table"), icon=":material/table_rows:"):
                revenue_tables.show_levels(daily, currency)


def show_hours_and_failures(now: Totals, before: Totals) -> None:
    """When people buy, and why they could not."""
    counts, reasons = by_hour(seen.rows), failures(seen.rows)
    with st.grid(2, min_column_width=340):
        with st.container(border=True):
            st.header(text("revenue.hours"), anchor=False)
            light = st.context.theme.type
            charts.show(
                "hours", f"{key}:{light}", lambda: charts.hours_figure(counts, language()), image=image
            )
            with st.expander(text("revenue.as_table"), icon=":material/table_rows:"):
                revenue_tables.show_hours(counts)
        with st.container(border=True):
            st.header(text("revenue.failures"), anchor=False)
            if reasons:
                charts.show("failures", key, lambda: charts.failures_figure(reasons, language()), image=image)
                with st.expander(text("revenue.as_table"), icon=":material/table_rows:"):
                    revenue_tables.show_failures(charts.failure_rows(reasons))
            else:
                st.markdown(text("revenue.failures.none"))
    with st.grid(4, key="four-rates"):
        paid, failed = number(now.orders), number(now.failed)
        show_rate("success", now.success_rate, before.success_rate, paid=paid, failed=failed)
        refunded, disputed = number(now.refunded), number(now.disputed)
        show_rate("refund_rate", now.refund_rate, before.refund_rate, good=False, count=refunded)
        show_rate("dispute_rate", now.dispute_rate, before.dispute_rate, good=False, count=disputed)
        show_conversion(figures)


def show_conversion(figures: Figures) -> None:
    """Those who took a free reading and bought one since."""
    found = conversion(figures)
    levels = ", ".join(
        f"{level_name(level)} {number(count)}" for level, count in sorted(found.levels.items())
    )
    st.metric(
        text("revenue.conversion"),
        share(found.rate) if found.rate is not None else "–",
        number(found.converted) if found.customers else None,
        delta_color="off",
        delta_arrow="off",
        delta_description=counted("revenue.conversion.of", found.customers),
        help=text("revenue.conversion.help")
        + (f" {levels}." if levels else "")
        + ("" if found.complete else " " + text("revenue.conversion.latest", count=number(found.customers))),
        border=True,
        height="stretch",
    )


def show_empty(free: int) -> None:
    """What to do when nothing was earned."""
    given = f"{counted('revenue.only_free', free)}\n\n" if free else ""
    with empty.card(text("revenue.empty"), given + text("revenue.empty.next")):
        navigation.link_new_payment()


def show_range(days: tuple[date, date], before: tuple[date, date]) -> None:
    """The days in words, so that no figure stands without them."""
    shown, compared = in_words("revenue.span", *days), in_words("revenue.compared", *before)
    st.markdown(f"**{shown}** :small[:gray[{compared}]]")


def in_words(name: str, first: date, last: date) -> str:
    """The text of this name for a range of days, or for the one day it is."""
    return text(f"{name}.one" if first == last else name, first=day(first), last=day(last))


revenue_choices.open_clicked()
st.title(text("revenue.title"), anchor=False)
st.caption(text("revenue.lead", zone=timezone().key.split("/")[-1].replace("_", " ")))

with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
    span, first, last = revenue_choices.choose_days()
    width = choices.choose(
        "bars",
        text("revenue.bars"),
        Period,
        periods.fitting(first, last),
        format_func=lambda width: text(f"bars.{width}"),
    )
    compare = choices.choose(
        "compare",
        text("revenue.compare"),
        Compare,
        Compare.BEFORE,
        format_func=lambda compare: text(f"compare.{compare}"),
    )
    figures = read(span, first, last, compare)
    currency = figures.currencies[0]
    if len(figures.currencies) > 1:
        currency = choices.choose_text("currency", text("revenue.currency"), figures.currencies, width=120)
    seen = view(figures, currency, width)
    image = revenue_files.choose(figures.days, seen.rows, currency)

now, before = seen.totals, seen.totals_before
key = f"{figures.key}:{currency}"
bars = periods.starts(first, last, width)
show_range(figures.days, figures.days_before)
show_figures(now, before)
show_average_and_fees(now)
if now.gross or now.refunds:
    show_main()
    show_course_and_levels()
else:
    show_empty(now.free)
if now.orders or now.failed:
    show_hours_and_failures(now, before)
