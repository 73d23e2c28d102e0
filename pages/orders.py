"""Orders: filtered, sorted and paged by the URL, beside what Stripe says; refreshed and exported in bulk."""

import streamlit as st

from lumira.access import Permission
from lumira.dashboard import (
    address,
    card_search,
    empty,
    find,
    navigation,
    notices,
    order_bulk,
    order_filters,
    order_table,
    order_views,
    pager,
    problems,
    session,
)
from lumira.dashboard.session import actor, desk
from lumira.dashboard.texts import text
from lumira.errors import InvalidFilter
from lumira.order_filter import OrderFilter
from lumira.pasted import AT_STRIPE, id_in


def show_nothing(wanted: OrderFilter) -> None:
    """What to do when the list has nothing to show."""
    where = "orders.none" if wanted.narrows else "orders.empty"
    if pager.after():
        where = "orders.page_empty"
    advice = "orders.none.search.next" if where == "orders.none" and wanted.search else f"{where}.next"
    payment, named, similar = None, id_in(wanted.search), list[str]()
    if wanted.search and where == "orders.none":
        if named:
            payment = find.order_id_of(named)
            # A PaymentIntent without an order nobody has asked Stripe about.
            unknown = "orders.none.id" if named.startswith(AT_STRIPE) else "orders.not_found.next"
            advice = "orders.none.behind" if payment else unknown
        elif similar := desk().order_list.similar_names(wanted.search, actor=actor()):
            advice = "orders.none.similar"
    with empty.card(text(where), text(advice, id=problems.plain(named or ""))):
        if payment:
            label = text("orders.none.open")
            st.page_link(navigation.order(), label=label, query_params={"id": payment}, width="content")
        if similar:
            show_similar(similar)
        if pager.after():
            pager.show_newest()
        elif wanted.narrows:
            st.button(text("orders.show_all"), icon=":material/filter_alt_off:", on_click=order_filters.clear)
        else:
            navigation.link_new_payment()


def show_similar(names: list[str]) -> None:
    """Names of customers, each of which searches for it."""
    with st.container(horizontal=True, horizontal_alignment="center", width="content"):
        for name in names:
            st.button(
                problems.plain(name), on_click=order_filters.write, args=({"q": name},), key=f"like-{name}"
            )


def show_list(wanted: OrderFilter) -> None:
    """The controls, what they select, and the way through it."""
    order_views.show(wanted)
    with st.container(horizontal=True, vertical_alignment="center", key="order-controls"):
        order_filters.show_search()
        order_filters.show_filters(wanted)
        order_filters.show_sort(wanted)
        columns = order_table.show_column_choice(wanted)

    size = pager.size()
    page = desk().order_list.page(wanted, size, pager.after(), actor=actor())
    key = order_bulk.table_key(wanted, size, columns, page.orders)
    if opened := order_table.clicked(key, page.orders):
        address.leave(navigation.order(), {"id": opened.order_id, **order_filters.beside_order()})
    ticked = order_table.ticked(key, page.orders)

    if wanted.narrows and not desk().order_list.is_complete:
        st.info(text("orders.listing.next"), title=text("orders.listing"), icon=":material/hourglass_top:")
    order_bulk.show_report()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            if page.orders:
                order_bulk.show_count(wanted, page)
            order_filters.show_description(wanted)
        with st.container(
            horizontal=True, width="content", vertical_alignment="center", key="order-list-actions"
        ):
            if page.orders:
                order_table.show_other_form()
            if page.orders and session.may(Permission.REFRESH):
                order_bulk.show_refresh(ticked or page.orders, chosen=bool(ticked))
            if page.orders and session.may(Permission.EXPORT):
                order_bulk.show_export(wanted, ticked)
    by_card = not pager.after() and card_search.show(wanted)
    if not page.orders:
        if not by_card:
            show_nothing(wanted)
        return
    order_table.show(page.orders, columns, key=key)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        pager.show_size()
        pager.show(page.next_cursor)


# Links of before an order had a page of its own.
if former := st.query_params.get("order"):
    st.switch_page(navigation.order(), query_params={"id": former})
order_filters.put_back()
notices.show()
st.title(text("orders.title"), anchor=False)
if not order_table.is_cards():
    with st.container(key="wide-orders-lead"):
        st.caption(text("orders.lead"))
try:
    wanted = order_filters.read()
except InvalidFilter as error:
    order_filters.show_search()
    problems.show(error)
    st.button(text("orders.show_all"), icon=":material/filter_alt_off:", on_click=order_filters.clear)
else:
    show_list(wanted)
