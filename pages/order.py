"""One order: its state, what can be done with it, its facts and what happened to it."""

import streamlit as st

from lumira.dashboard import navigation, notices, order_actions, order_details
from lumira.dashboard.session import actor, desk
from lumira.dashboard.texts import text
from lumira.errors import OrderNotFound
from lumira.orders import Order


def show_unknown(order_id: str) -> None:
    """What to do when there is no such order, or none was asked for."""
    with st.container(border=True, horizontal_alignment="center", key="empty"):
        st.space("small")
        st.subheader(text("orders.not_found"), anchor=False, text_alignment="center", width="content")
        if order_id:
            advice = text("orders.not_found.next", id=order_id.replace("`", ""))
            st.markdown(advice, text_alignment="center", width="content")
        st.page_link(navigation.orders(), icon=":material/receipt_long:")
        st.space("small")


def show(order: Order) -> None:
    """The order."""
    st.title(text("result.order"), anchor=False)
    order_details.show_state(order)
    order_actions.show(order)
    order_details.show_facts(order)
    order_details.show_refunds(order)
    st.subheader(text("order.timeline"), anchor=False)
    order_details.show_timeline(order)


notices.show()
asked = st.query_params.get("id", "").strip()
try:
    opened = desk().intents.find(asked, actor=actor())
except OrderNotFound:
    show_unknown(asked)
else:
    show(opened)
