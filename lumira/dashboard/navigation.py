"""The pages and their addresses. A page is known by its address: its object may be made anew at will."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.navigation.page import Page

from lumira.dashboard.texts import text

PAGES: Final = Path(__file__).parents[2] / "pages"


def overview() -> Page:
    """The start page."""
    return st.Page(
        PAGES / "overview.py", title=text("overview.title"), icon=":material/home:", url_path="overview"
    )


def orders() -> Page:
    """The list of orders."""
    return st.Page(
        PAGES / "orders.py", title=text("orders.title"), icon=":material/receipt_long:", url_path="orders"
    )


def order() -> Page:
    """One order, whose `id` stands in the URL; reached from lists, so it has no place in the menu."""
    return st.Page(
        PAGES / "order.py",
        title=text("result.order"),
        icon=":material/receipt:",
        url_path="order",
        visibility="hidden",
    )


def new_payment() -> Page:
    """The page that creates payments and shows one just created; the button above the menu leads to it."""
    return st.Page(
        PAGES / "new_payment.py",
        title=text("new_payment.title"),
        icon=":material/add_card:",
        url_path="new-payment",
        visibility="hidden",
    )


def revenue() -> Page:
    """What the levels earned."""
    return st.Page(
        PAGES / "revenue.py", title=text("revenue.title"), icon=":material/monitoring:", url_path="revenue"
    )


def month_close() -> Page:
    """A month beside Stripe's balance, and its closing."""
    return st.Page(
        PAGES / "month_close.py",
        title=text("month.title"),
        icon=":material/event_available:",
        url_path="month-close",
    )


def webhooks() -> Page:
    """What Stripe delivered, and what came of it."""
    return st.Page(
        PAGES / "webhooks.py", title=text("events.title"), icon=":material/webhook:", url_path="webhooks"
    )


def reconciliation() -> Page:
    """Stripe beside the orders: what differs, and its repair."""
    return st.Page(
        PAGES / "reconciliation.py",
        title=text("reconciliation.title"),
        icon=":material/rule:",
        url_path="reconciliation",
    )


def start() -> Page:
    """The address `/`, which leads to the overview so that every page keeps an address of its own."""
    return st.Page(
        lambda: st.switch_page(overview()),
        title="Lumira",
        url_path="start",
        default=True,
        visibility="hidden",
    )
