"""Revenue by level: four figures, the chart, and the same figures as a table, for one currency at a time.

Range, bars and currency stand in the URL.
"""

import streamlit as st

from lumira.dashboard import charts, choices, navigation, periods, tables
from lumira.dashboard.periods import Range
from lumira.dashboard.revenue_figures import Period, by_period, read
from lumira.dashboard.session import timezone
from lumira.dashboard.texts import day, money, number, percentage, text


def fit_bars() -> None:
    """A new range begins with the bars that suit it."""
    choices.write("bars", periods.FITTING[st.session_state["range"]], Period.DAY)


def show_change(label: str, now: int, before: int, *, help: str, good: bool = True) -> None:
    """A figure in money beside the period before."""
    change = percentage((now - before) / before) if before else None
    st.metric(
        label,
        money(now, currency),
        change,
        delta_color="normal" if good else "inverse",
        delta_description=text("revenue.before") if change else text("revenue.no_before"),
        help=help,
        border=True,
    )


def show_empty(free: int) -> None:
    """What to do when nothing was earned."""
    with st.container(border=True, horizontal_alignment="center", key="empty"):
        st.space("small")
        st.subheader(text("revenue.empty"), anchor=False, text_alignment="center", width="content")
        if free:
            name = "revenue.only_free.one" if free == 1 else "revenue.only_free"
            only_free = text(name, free=number(free))
            st.markdown(only_free, text_alignment="center", width="content")
        st.markdown(text("revenue.empty.next"), text_alignment="center", width="content")
        st.page_link(navigation.new_payment(), icon=":material/add_card:")
        st.space("small")


st.title(text("revenue.title"), anchor=False)
st.caption(text("revenue.lead", zone=timezone().key.split("/")[-1].replace("_", " ")))

with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
    span = choices.choose(
        "range",
        text("revenue.range"),
        Range,
        Range.MONTH,
        format_func=lambda span: text(f"range.{span}"),
        on_change=fit_bars,
    )
    width = choices.choose(
        "bars", text("revenue.bars"), Period, Period.DAY, format_func=lambda width: text(f"bars.{width}")
    )
    figures = read(span)
    currency = figures.currencies[0]
    if len(figures.currencies) > 1:
        currency = choices.choose_text("currency", text("revenue.currency"), figures.currencies, width=120)

now, before = figures.totals(currency), figures.totals_before(currency)
first, last = figures.days
st.markdown(f"**{text('revenue.span', first=day(first), last=day(last))}**")

with st.grid(4, min_column_width=215):
    show_change(text("revenue.gross"), now.gross, before.gross, help=text("revenue.gross.help"))
    show_change(
        text("revenue.refunds"), now.refunds, before.refunds, help=text("revenue.refunds.help"), good=False
    )
    show_change(text("revenue.net"), now.net, before.net, help=text("revenue.net.help"))
    st.metric(
        text("revenue.orders"),
        number(now.orders),
        money(now.average, currency),
        delta_color="off",
        delta_arrow="off",
        delta_description=text("revenue.average"),
        help=text("revenue.orders.help", free=number(now.free)),
        border=True,
    )

rows = by_period(figures.of(currency), width)
if now.gross or now.refunds:
    bars = periods.starts(first, last, width)
    with st.container(border=True):
        charts.show_revenue(rows, bars, width, currency)
    st.subheader(text("revenue.table"), anchor=False)
    tables.show_revenue(rows, bars, width, currency)
else:
    show_empty(now.free)
