"""The pages, their addresses, and who may open them.

A page is known by its address: its object may be made anew at will. One that a person may not open is not in
their menu; it keeps its address, where router.py says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import streamlit as st
from streamlit.navigation.page import Page

from lumira.access import Permission
from lumira.dashboard import PAGES, empty, notices, session
from lumira.dashboard.texts import text

# What a page asks for beside BROWSE, by its address. The page that creates payments also shows them, for
# which BROWSE is enough, so it asks for itself.
NEEDS: Final[Mapping[str, Permission]] = {
    "revenue": Permission.VIEW_REVENUE,
    "payouts": Permission.VIEW_REVENUE,
    "month-close": Permission.VIEW_REVENUE,
    "reconciliation": Permission.RECONCILE,
    "staff": Permission.MANAGE_STAFF,
    "audit": Permission.READ_AUDIT,
    "system": Permission.VIEW_SYSTEM,
}


def overview() -> Page:
    """The start page."""
    return _page("overview", text("overview.title"), ":material/home:")


def orders() -> Page:
    """The list of orders."""
    return _page("orders", text("orders.title"), ":material/receipt_long:")


def order() -> Page:
    """One order, whose `id` stands in the URL; reached from lists, so it has no place in the menu."""
    return _page("order", text("result.order"), ":material/receipt:", in_menu=False)


def new_payment() -> Page:
    """The page that creates payments and shows one just created; the button above the menu leads to it."""
    return _page("new_payment", text("new_payment.title"), ":material/add_card:", in_menu=False)


def revenue() -> Page:
    """What the levels earned."""
    return _page("revenue", text("revenue.title"), ":material/monitoring:")


def payouts() -> Page:
    """What Stripe transfers to the bank account, and what each transfer consists of."""
    return _page("payouts", text("payouts.title"), ":material/account_balance:")


def month_close() -> Page:
    """A month beside Stripe's balance, and its closing."""
    return _page("month_close", text("month.title"), ":material/event_available:")


def webhooks() -> Page:
    """What Stripe delivered, and what came of it."""
    return _page("webhooks", text("events.title"), ":material/webhook:")


def reconciliation() -> Page:
    """Stripe beside the orders: what differs, and its repair."""
    return _page("reconciliation", text("reconciliation.title"), ":material/rule:")


def system() -> Page:
    """What keeps the desk standing, and what is wrong with it."""
    return _page("system", text("system.title"), ":material/health_metrics:")


def staff() -> Page:
    """Who may come in, and the tokens of programs."""
    return _page("staff", text("staff.title"), ":material/group:")


def audit() -> Page:
    """Who did what on this desk."""
    return _page("audit", text("audit.title"), ":material/history:")


def account() -> Page:
    """One's own account; the name at the foot of the menu leads to it."""
    return _page("account", text("account.title"), ":material/person:", in_menu=False)


def _page(file: str, title: str, icon: str, *, in_menu: bool = True) -> Page:
    """The page of a file; its address is the file's name with hyphens."""
    address = file.replace("_", "-")
    return st.Page(
        PAGES / f"{file}.py",
        title=title,
        icon=icon,
        url_path=address,
        visibility="visible" if in_menu and _may_open(address) else "hidden",
    )


def tab_title(*shown: str) -> str:
    """The title of a browser tab: what it shows, and whether money is real.

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
    return _may_open(page.url_path)


def _may_open(address: str) -> bool:
    needed = NEEDS.get(address)
    return needed is None or session.may(needed)


def show_closed(title: str) -> None:
    """What stands at the address of a page that this person's role may not open."""
    role = text(f"role.{session.actor().role}")
    with empty.card(text("closed", page=title), text("closed.next", role=role)):
        st.page_link(overview(), label=text("closed.overview"), icon=":material/home:")


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
