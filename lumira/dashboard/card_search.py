"""The orders paid, or tried, with a card of which only the last four digits are known: Stripe finds them."""

from __future__ import annotations

from typing import Final

import streamlit as st

from lumira.dashboard import navigation, order_filters, problems, recent, session
from lumira.dashboard.order_details import price
from lumira.dashboard.texts import counted, level_name, moment, number, text
from lumira.errors import LumiraError
from lumira.order_filter import DateField, OrderFilter
from lumira.orders import Order
from lumira.pasted import last4_in

_FOUND: Final = "orders-by-card"
# Every click on the list draws it anew, and Stripe knows of a payment a minute later anyhow.
_SECONDS: Final = 30


def show(wanted: OrderFilter) -> bool:
    """What Stripe finds by the digits searched for, inside the period and the amounts of the filter.

    Answers whether there is anything to see: nothing is asked for another search.
    """
    last4 = last4_in(wanted.search)
    if last4 is None:
        return False
    start, end = wanted.bounds(session.timezone())
    if wanted.dated is DateField.REFUNDED:
        # A charge does not say when it was refunded.
        start = end = None
    try:
        with st.spinner(text("card.asking")):
            asked = (last4, start, end, wanted.minimum, wanted.maximum)
            desk, actor = session.desk(), session.actor()
            found = recent.answer(_FOUND, asked, _SECONDS, lambda: desk.payments.by_card(*asked, actor=actor))
    except LumiraError as error:
        problems.show(error)
        return True
    if not found.orders:
        return False
    with st.container(border=True, key="by-card", gap="xsmall"):
        shown = len(found.orders)
        if found.more:
            headline = text("card.found.more", count=number(shown), digits=last4)
            advice = text("card.more", count=number(shown))
        else:
            headline, advice = counted("card.found", shown, digits=last4), text("card.found.help")
        st.markdown(f":material/credit_card: **{headline}**")
        st.caption(advice)
        for order in found.orders:
            _show_line(order)
    return True


def _show_line(order: Order) -> None:
    who = order.known_as or text("overview.nobody")
    told = (
        moment(order.created_at),
        who,
        level_name(order.level),
        price(order),
        text(f"status.{order.status}"),
    )
    st.page_link(
        navigation.order(),
        label=problems.plain(" · ".join(told)),
        icon=":material/receipt:",
        query_params={"id": order.order_id, **order_filters.beside_order()},
    )
