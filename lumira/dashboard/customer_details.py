"""Who an order is for: address, level, and what they ordered before."""

from __future__ import annotations

import streamlit as st

from lumira.customers import HISTORY, highest_level
from lumira.dashboard import address, markup, navigation, order_details, session
from lumira.dashboard.texts import level_name, moment, number, text
from lumira.dashboard.theme import level_colour
from lumira.orders import Order

# More of them stand one click further.
_SHOWN = 5


def show(order: Order) -> None:
    """The customer, their highest level if it is another, and their other orders."""
    if order.erased_at:
        st.caption(text("customer.erased", when=moment(order.erased_at)))
        return
    rows = [
        (text("new_payment.name"), order.name or ""),
        (text("order.email"), order.address or ""),
        (text("order.phone"), order.phone or ""),
    ]
    known = [(label, value) for label, value in rows if value]
    if known:
        st.html(markup.facts(known))
    else:
        st.caption(text("customer.unknown"))
    if order.address:
        _show_history(order)


def _show_history(order: Order) -> None:
    history = session.desk().customers.history(str(order.address), actor=session.actor())
    level = highest_level(history)
    # The order's own level stands above, beside its amount.
    if level and level is not order.level:
        st.html(markup.chips([(text("customer.level", level=level_name(level)), level_colour(level))]))
    others = [other for other in history if other.id != order.id]
    if not others:
        st.caption(text("customer.first"))
        return
    st.markdown(f"**{text('customer.history')}**")
    with st.container(gap="xxsmall", key="customer-history"):
        for other in others[:_SHOWN]:
            told = f"{order_details.price(other)} · {text(f'status.{other.status}').lower()}"
            # A link to the page one is on leads nowhere: this page reads another id.
            st.button(
                f"{moment(other.created_at)} · {level_name(other.level)} · {told}",
                icon=":material/receipt:",
                type="tertiary",
                on_click=_open,
                args=(other.order_id,),
                key=f"other-{other.id}",
            )
    if len(others) > _SHOWN:
        # With as many as are read there may be more.
        count = f"{number(len(history))}{'+' * (len(history) == HISTORY)}"
        st.page_link(
            navigation.orders(),
            label=text("customer.all", count=count),
            icon=":material/receipt_long:",
            query_params={"q": str(order.address)},
        )


def _open(order_id: str) -> None:
    address.change({"id": order_id})
