"""Audit log: who did what on this desk, newest first; of one order alone with its `_id` in the URL.

Who, what, age, page and order stand in the URL.
"""

import streamlit as st

from lumira.audit import EVERY_ENTRY
from lumira.dashboard import address, audit_filter, audit_table, empty, navigation, pager, problems, tables
from lumira.dashboard.session import actor, desk
from lumira.dashboard.texts import counted, text

PAGE_SIZE = 50


def begin_list() -> None:
    """Another filter begins with its first page."""
    pager.turn_to(None)


def show_empty() -> None:
    """What to do when the list has nothing to show."""
    with empty.card(text("audit.empty"), text("audit.empty.order" if order_id else "audit.empty.next")):
        if pager.after():
            pager.show_newest()


st.title(text("audit.title"), anchor=False)
order_id = st.query_params.get("order")
if order_id:
    selected, next_cursor = EVERY_ENTRY, None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(text("audit.of_order", order=problems.plain(order_id)), width="content")
        st.page_link(navigation.audit(), label=text("audit.all"), icon=":material/close:")
    entries = desk().audit_trail.of_order(order_id, actor=actor())
else:
    st.caption(text("audit.lead"))
    selected = audit_filter.choose(begin_list)
    entries, next_cursor = desk().audit_trail.page(PAGE_SIZE, pager.after(), selected=selected, actor=actor())

orders = desk().audit_trail.orders_of(entries, actor=actor())
shown = "-".join(st.query_params.get(name, "") for name in ("by", "action", "age", "order", "after"))
table_key = f"audit-{shown}-{entries[0].at.timestamp() if entries else ''}"
clicked = tables.selected_row(table_key)
if clicked is not None and clicked < len(entries):
    order = orders.get(entries[clicked].order_id or "")
    if order:
        address.leave(navigation.order(), {"id": order.order_id})

if entries:
    audit_table.show(entries, orders, key=table_key)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(counted("audit.shown", len(entries)), width="content")
        if not order_id:
            with st.container(horizontal=True, width="content"):
                audit_table.show_files(selected)
                pager.show(next_cursor)
else:
    show_empty()
    # A page that read much and found nothing that fits ends here; the next one goes on.
    if next_cursor:
        pager.show(next_cursor)
