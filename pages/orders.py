"""Orders, newest first, beside what Stripe says; one of them open at the side.

The page of the list (`after`) and the open order (`order`) stand in the URL: a link shows the same to whoever
opens it.
"""

import streamlit as st

from lumira.dashboard import navigation, notices, order_actions, order_details, pager, tables
from lumira.dashboard.problems import LumiraError
from lumira.dashboard.session import actor, desk
from lumira.dashboard.texts import moment, number, text

PAGE_SIZE = 50

after = pager.after()
opened = st.query_params.get("order")


def open_selected() -> None:
    """Opens the order of the row that was clicked, closes it when the click took the selection away."""
    row = tables.selected_row(table_key)
    if row is None:
        close()
    elif row < len(page.orders):
        st.query_params["order"] = page.orders[row].payment_intent_id or page.orders[row].id


def open_searched() -> None:
    """Opens the order whose id was typed or pasted."""
    if wanted := st.session_state["search"].strip():
        st.query_params["order"] = wanted


def close() -> None:
    """Closes the open order."""
    st.query_params.pop("order", None)
    st.session_state["search"] = ""
    # A list under a new key has no row selected.
    st.session_state["closed"] = st.session_state.get("closed", 0) + 1


def show_open_order(order_id: str) -> None:
    """The order at the side: its state, what can be done, its facts and its history."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader(text("result.order"), anchor=False)
        st.button(
            text("order.close"), icon=":material/close:", type="tertiary", on_click=close, key="close-order"
        )
    try:
        order = desk().intents.find(order_id, actor=actor())
    except LumiraError as error:
        if error.code != "ORDER_NOT_FOUND":
            raise
        st.info(
            text("orders.not_found.next", id=order_id.replace("`", "")),
            title=text("orders.not_found"),
            icon=":material/search_off:",
        )
        return
    order_details.show_state(order)
    order_actions.show(order)
    order_details.show_facts(order)
    order_details.show_refunds(order)
    st.subheader(text("order.timeline"), anchor=False)
    order_details.show_timeline(order)


def show_empty() -> None:
    """What to do when the list has nothing to show."""
    with st.container(border=True, horizontal_alignment="center", key="empty"):
        where = "orders.page_empty" if after else "orders.empty"
        st.space("small")
        st.subheader(text(where), anchor=False, text_alignment="center", width="content")
        st.markdown(text(f"{where}.next"), text_alignment="center", width="content")
        if after:
            pager.show_newest()
        else:
            st.page_link(navigation.new_payment(), icon=":material/add_card:")
        st.space("small")


notices.show()
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    with st.container(width="stretch"):
        st.title(text("orders.title"), anchor=False)
        st.caption(text("orders.lead"))
    st.text_input(
        text("orders.search"),
        type="search",
        placeholder=text("orders.search.hint"),
        key="search",
        on_change=open_searched,
        width=320,
    )

page = desk().intents.page(PAGE_SIZE, after, actor=actor())
first = page.orders[0].id if page.orders else ""
table_key = f"orders-{after}-{first}-{st.session_state.get('closed', 0)}"

beside = None
listing = st.container()
if opened:
    listing, beside = st.columns([1.75, 1])

with listing:
    if page.orders:
        tables.show_orders(page.orders, key=table_key, on_select=open_selected, narrow=bool(opened))
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            shown = {"first": moment(page.orders[0].created_at), "last": moment(page.orders[-1].created_at)}
            name = "orders.shown" if len(page.orders) > 1 else "orders.shown.one"
            st.caption(text(name, count=number(len(page.orders)), **shown), width="content")
            pager.show(page.next_cursor)
    else:
        show_empty()

if beside and opened:
    with beside, st.container(border=True, key="open-order"):
        show_open_order(opened)
