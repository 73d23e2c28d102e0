"""The parts of the start page: health, today and this week, what needs a person, the latest orders."""

from __future__ import annotations

import math
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import streamlit as st
from streamlit.navigation.page import Page

from lumira.access import Permission
from lumira.dashboard import event_actions, markup, navigation, problems, session
from lumira.dashboard.money_returned import due
from lumira.dashboard.order_details import money_back, price
from lumira.dashboard.payout_view import status_name
from lumira.dashboard.texts import (
    counted,
    day,
    level_name,
    long_day,
    moment,
    money,
    number,
    short_moment,
    text,
)
from lumira.dashboard.theme import NEUTRAL, STATUS_COLOURS, payout_colour
from lumira.days import every_day
from lumira.errors import LumiraError, SessionEnded, StoreUnavailable, StripeConfigError
from lumira.money import major_units
from lumira.order_filter import DateField, OrderFilter, filter_query
from lumira.orders import Order, OrderStatus
from lumira.overview import COUNTED, Need, Needed, Sold, growing, monday, needed, sold
from lumira.payouts import Payout

_CURRENCY: Final = "eur"
_LATEST: Final = 8
# How often the latest orders are looked up again, and all that is above and beside them.
_LATEST_SECONDS: Final = 5
_REST_SECONDS: Final = 30
_FAILED_SHOWN: Final = 50
_PAYOUTS_SHOWN: Final = 3
# In the session, the code of the error that stands where the figures would: once is enough.
_SAID: Final = "overview-error"
# In the session, how the head or the figures found the store, and when (monotonic seconds). Each part that
# asks a silent one waits as long as the first, so for a moment their word is taken.
_AWAY: Final = "overview-away"
_MOMENT: Final = 2
_PATIENCE: Final = 0.5
_GOOD: Final = STATUS_COLOURS[OrderStatus.COMPLETED]
_BAD: Final = STATUS_COLOURS[OrderStatus.FAILED]
_NEED_ICONS: Final = {
    Need.DIFFERS: ":material/sync_problem:",
    Need.DISPUTED: ":material/gavel:",
    Need.FAILED: ":material/credit_card_off:",
}


def today() -> date:
    """Today in the business time zone."""
    return session.desk().revenue.today()


@st.fragment(run_every=_REST_SECONDS)
def show_head() -> None:
    """Which day it is, and how store, Stripe and webhooks are, in one line."""
    with st.container(
        horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute", key="overview-head"
    ):
        with st.container(width="content", gap="small"):
            st.title(text("overview.title"), anchor=False)
            st.caption(long_day(today()))
        _show_health()


def _show_health() -> None:
    try:
        told = _health()
    except SessionEnded:
        # The figures say so, until the gate leads to the sign-in.
        return
    with st.container(width="content"):
        st.html(markup.chips(told))


def _health() -> list[tuple[str, str]]:
    """How store, Stripe and webhooks are: what to say, and its colour."""
    # A Stripe that says nothing must not hold up the figures; the head is drawn again soon.
    found = session.desk().health.problems(_PATIENCE)
    _note(found["store"])
    chips = [(_state(name, problem), _BAD if problem else _GOOD) for name, problem in found.items()]
    if found["store"] is None:
        chips.append(_webhooks())
    return chips


def _note(problem: LumiraError | None) -> None:
    away = problem if isinstance(problem, StoreUnavailable) else None
    st.session_state[_AWAY] = away, time.monotonic()


def _noted() -> StoreUnavailable | None:
    """How the store was found away a moment ago."""
    problem, at = st.session_state.get(_AWAY, (None, -math.inf))
    return problem if time.monotonic() < at + _MOMENT else None


def _state(name: str, problem: LumiraError | None) -> str:
    """How the store or Stripe is; a key that is missing or refused is no Stripe that is down."""
    if isinstance(problem, StripeConfigError):
        return text("health.stripe.key")
    return text(f"health.{name}.down" if problem else f"health.{name}")


def _webhooks() -> tuple[str, str]:
    desk = session.desk()
    if desk.settings.stripe_webhook_secret is None:
        return text("health.webhooks.no_secret"), _BAD
    try:
        last, _ = desk.webhooks.page(1, actor=session.actor())
        refused = desk.webhooks.refuses_signatures()
    except StoreUnavailable:
        return text("health.store.down"), _BAD
    if refused:
        return text("health.webhooks.refused"), _BAD
    received = last[0].created_at if last else None
    if received is None:
        return text("health.webhooks.none"), NEUTRAL
    return text("health.webhooks", since=_ago(received)), _GOOD


def _ago(instant: datetime) -> str:
    minutes = int((datetime.now(UTC) - instant).total_seconds() // 60)
    if minutes < 1:
        return text("ago.now")
    if minutes < 60:
        return text("ago.minutes", count=number(minutes))
    if minutes < 24 * 60:
        return text("ago.hours", count=number(minutes // 60))
    return text("ago.since", moment=moment(instant))


@st.fragment(run_every=_REST_SECONDS)
def show_figures() -> None:
    """Today beside yesterday and this week beside the week before, until the end of this hour."""
    st.session_state[_SAID] = None
    try:
        if away := _noted():
            raise away
        if session.may(Permission.VIEW_REVENUE):
            _show_money()
        else:
            _show_counts()
    except LumiraError as error:
        _note(error)
        st.session_state[_SAID] = error.code
        problems.show(error)


def _show_money() -> None:
    day = today()
    week, hour = monday(day), datetime.now(session.timezone()).hour + 1
    before = week - timedelta(days=7)
    rows = session.desk().revenue.days(before, day, actor=session.actor())
    now = _sold(rows, day, day)
    same_hour = _sold(rows, day - timedelta(days=1), day - timedelta(days=1), until_hour=hour)
    this_week = _sold(rows, week, day)
    a_week_ago = _sold(rows, before, day - timedelta(days=7), until_hour=hour)
    hours = [Sold(0, 0), *growing(rows, day, _CURRENCY, hour)]
    # Seven days, also on a Monday: a week that has just begun is no line.
    days = every_day(day - timedelta(days=6), day)
    with st.grid(4, key="four-sums"):
        _metric(
            "overview.today",
            money(now.gross, _CURRENCY),
            text("overview.yesterday", hour=hour, gross=money(same_hour.gross, _CURRENCY)),
            [_major(one) for one in hours],
        )
        _metric(
            "overview.today.orders",
            number(now.orders),
            text("overview.yesterday.orders", hour=hour, count=number(same_hour.orders)),
            [one.orders for one in hours],
        )
        _metric(
            "overview.week",
            money(this_week.gross, _CURRENCY),
            text("overview.last_week", gross=money(a_week_ago.gross, _CURRENCY)),
            [_major(_sold(rows, one, one)) for one in days],
        )
        _metric(
            "overview.week.orders",
            number(this_week.orders),
            text("overview.last_week.orders", count=number(a_week_ago.orders)),
            [_sold(rows, one, one).orders for one in days],
        )


def _show_counts() -> None:
    day = today()
    ranges = {"today": (day, day), "week": (monday(day), day)}
    with st.grid(4, key="four-sums"):
        for name, (first, last) in ranges.items():
            paid = OrderFilter(
                dated=DateField.COMPLETED,
                first=first,
                last=last,
                statuses=frozenset({OrderStatus.COMPLETED}),
                minimum=1,
            )
            _metric(
                f"overview.{name}.orders",
                _counted(session.desk().order_list.count(paid, actor=session.actor())),
            )


def _sold(rows: list[dict[str, Any]], first: date, last: date, *, until_hour: int = 24) -> Sold:
    return sold(rows, first, last, _CURRENCY, until_hour=until_hour)


def _major(figures: Sold) -> float:
    """The gross as a line draws it."""
    return float(major_units(figures.gross, _CURRENCY))


def _metric(name: str, value: str, note: str | None = None, line: list[float] | None = None) -> None:
    st.metric(
        text(name),
        value,
        note,
        # A week that has begun is no fall from the whole week before: nothing here is red or green.
        delta_color="off",
        delta_arrow="off",
        border=True,
        chart_data=line,
        # A filled one would have to begin at zero.
        chart_type="line",
        height="stretch",
    )


@st.fragment(run_every=_REST_SECONDS)
def show_needed() -> None:
    """The orders that need a person, the webhooks and the payouts that failed, each with the way there."""
    if _noted():
        # The figures above say so.
        return
    try:
        groups = needed(session.desk().order_list, today(), actor=session.actor())
        failed, more = event_actions.failed(_FAILED_SHOWN)
        sees_money = session.may(Permission.VIEW_REVENUE)
        payouts = session.desk().payouts.failed(actor=session.actor()) if sees_money else []
    except (StoreUnavailable, SessionEnded):
        return
    if failed:
        _show_failed_events(len(failed), more)
    if payouts:
        _show_failed_payouts(payouts)
    for group in groups:
        _show_group(group)
    if not failed and not payouts and not groups:
        _show_nothing_needed([said for said, colour in _health() if colour == _BAD])


def _show_nothing_needed(ours: list[str]) -> None:
    """Says that nothing waits, or that one can't be sure while `ours`, such as the webhooks, are broken."""
    mends = navigation.is_open(navigation.system())
    with st.container(border=True, horizontal_alignment="center", key="calm"):
        st.space("small")
        if ours:
            st.markdown(f":orange[:material/warning:] **{text('overview.unsure')}**", width="content")
            advice = "overview.unsure.next" if mends else "overview.unsure.others"
            st.caption(text(advice, problems=", ".join(ours)), width="content", text_alignment="center")
            if mends:
                st.page_link(navigation.system(), width="content")
        else:
            st.markdown(f":green[:material/check_circle:] **{text('overview.calm')}**", width="content")
            st.caption(text("overview.calm.next"), width="content")
        st.space("small")


def _show_failed_events(count: int, more: bool) -> None:
    label = counted("need.webhooks", count, count=f"{number(count)}{'+' * more}")
    with st.container(border=True, key="needed-webhooks", gap="xsmall"):
        _link_group(label, ":material/webhook:", navigation.webhooks(), {"state": "failed"})
        mine = session.may(Permission.RETRY_WEBHOOK)
        st.caption(text("need.webhooks.next" if mine else "need.webhooks.others"))


def _show_failed_payouts(payouts: list[Payout]) -> None:
    with st.container(border=True, key="needed-payouts", gap="xsmall"):
        month = {"month": f"{payouts[0].arrives:%Y-%m}"}
        label = counted("need.payouts", len(payouts))
        _link_group(label, ":material/account_balance:", navigation.payouts(), month)
        st.caption(text("need.payouts.next"))
        for payout in payouts[:_PAYOUTS_SHOWN]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.page_link(
                    navigation.payouts(),
                    label=text("need.payout", day=day(payout.arrives)),
                    query_params={**month, "payout": payout.id},
                    width="stretch",
                )
                said = (status_name(payout.status), payout_colour(payout.status))
                st.html(markup.order_line(money(payout.amount, payout.currency), said, ""), width="content")


def _show_group(group: Needed) -> None:
    with st.container(border=True, key=f"needed-{group.need}", gap="xsmall"):
        label = counted(f"need.{group.need}", group.count, count=_counted(group.count))
        _link_group(label, _NEED_ICONS[group.need], navigation.orders(), filter_query(group.wanted))
        if group.need == "failed" and not session.may(Permission.SHARE_PAYMENT_LINK):
            st.caption(text("need.failed.others"))
        else:
            st.caption(text(f"need.{group.need}.next"))
        for order in group.first:
            due_by = order.evidence_due_by if group.need == "disputed" else None
            _show_line(order, due("need.until", due_by) if due_by else None)


def _link_group(label: str, icon: str, page: Page, query: dict[str, str]) -> None:
    """What a group is of, which is the way to all of it."""
    st.page_link(page, label=f"**{label}**", icon=icon, query_params=query, width="stretch")


def _counted(count: int) -> str:
    return f"{number(COUNTED)}+" if count > COUNTED else number(count)


@st.fragment(run_every=_LATEST_SECONDS)
def show_latest() -> None:
    """The latest orders, looked up again every few seconds."""
    if _noted():
        return
    try:
        page = session.desk().order_list.page(OrderFilter(), _LATEST, actor=session.actor())
    except LumiraError as error:
        # Streamlit catches what a part drawn by the clock raises, in words of its own.
        if error.code != st.session_state.get(_SAID):
            problems.show(error)
        return
    if not page.orders:
        with st.container(border=True, horizontal_alignment="center", key="no-orders"):
            st.space("small")
            st.markdown(f"**{text('orders.empty')}**", width="content")
            navigation.link_new_payment()
            st.space("small")
        return
    with st.container(border=True, key="latest", gap="xsmall"):
        for order in page.orders:
            _show_line(order)


def _show_line(order: Order, when: str | None = None) -> None:
    """One order in a line that leads to its page; `when` stands in place of when it was made."""
    who = order.known_as or text("overview.nobody")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            navigation.order(),
            label=f"{problems.plain(who)} · {level_name(order.level)}",
            query_params={"id": order.order_id},
            width="stretch",
        )
        state = (text(f"status.{order.status}"), STATUS_COLOURS[order.status])
        st.html(
            markup.order_line(
                price(order),
                next(iter(money_back(order)), state),
                when or short_moment(order.created_at),
            ),
            width="content",
        )
