"""The pages, their addresses, and who may open them.

A page is known by its address: its object may be made anew at will. One that a person may not open is not in
their menu; it keeps its address, where router.py says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import streamlit as st
from streamlit.navigation.page import Page

from lumira.access import Permission
from lumira.dashboard import PAGES, empty, notices, session
from lumira.dashboard.texts import text

# What a page asks for beside BROWSE, by its address. The page that creates payments also shows them, for
# which BROWSE is enough, so it asks for itself.
NEEDS: Final[Mapping[str, Permission]] = {
    "revenue": Permission.VIEW_REVENUE,
    "month-close": Permission.VIEW_REVENUE,
    "reconciliation": Permission.RECONCILE,
    "staff": Permission.MANAGE_STAFF,
    "system": Permission.VIEW_SYSTEM,
}


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
        PAGES / "revenue.py",
        title=text("revenue.title"),
        icon=":material/monitoring:",
        url_path="revenue",
        visibility=_visibility("revenue"),
    )


def month_close() -> Page:
    """A month beside Stripe's balance, and its closing."""
    return st.Page(
        PAGES / "month_close.py",
        title=text("month.title"),
        icon=":material/event_available:",
        url_path="month-close",
        visibility=_visibility("month-close"),
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
        visibility=_visibility("reconciliation"),
    )


def system() -> Page:
    """What keeps the desk standing, and what is wrong with it."""
    return st.Page(
        PAGES / "system.py",
        title=text("system.title"),
        icon=":material/health_metrics:",
        url_path="system",
        visibility=_visibility("system"),
    )


def staff() -> Page:
    """Who may come in, and the tokens of programs."""
    return st.Page(
        PAGES / "staff.py",
        title=text("staff.title"),
        icon=":material/group:",
        url_path="staff",
        visibility=_visibility("staff"),
    )


def account() -> Page:
    """One's own account; the name at the foot of the menu leads to it."""
    return st.Page(
        PAGES / "account.py",
        title=text("account.title"),
        icon=":material/person:",
        url_path="account",
        visibility="hidden",
    )


def tab_title(*shown: str) -> str:
    """Of several tabs each says what it shows, and whether money is real.

    The browser keeps it in its history, so it names no customer.
    """
    live = session.desk().gateway.livemode
    return " · ".join([*shown, "Lumira", *([text("mode.live")] if live else [])])


def link_new_payment() -> None:
    """The way to a new payment where there is nothing else to see, for those who may make one."""
    if session.may(Permission.CREATE_INTENT):
        st.page_link(new_payment(), icon=":material/add_card:")


def is_open(page: Page) -> bool:
    """Whether the person at the desk may open this page."""
    needed = NEEDS.get(page.url_path)
    return needed is None or session.may(needed)


def show_closed(title: str) -> None:
    """What stands at the address of a page that this person's role may not open."""
    role = text(f"role.{session.actor().role}")
    with empty.card(text("closed", page=title), text("closed.next", role=role)):
        st.page_link(overview(), label=text("closed.overview"), icon=":material/home:")


def _visibility(address: str) -> Literal["visible", "hidden"]:
    return "visible" if session.may(NEEDS[address]) else "hidden"


def _lead_on() -> None:
    if st.query_params.get("unknown"):
        notices.say(text("start.unknown"), icon=":material/wrong_location:")
    # Given none, Streamlit refuses to clear a query that names the language or the role.
    st.switch_page(overview(), query_params={})


def start() -> Page:
    """The address `/`, which leads to the overview so that every page keeps an address of its own."""
    return st.Page(
        _lead_on,
        title="Lumira",
        url_path="start",
        default=True,
        visibility="hidden",
    )
