"""The list of orders: a table of chosen columns on a wide screen, a card for each on a narrow one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pandas as pd
import streamlit as st

from lumira.dashboard import markup, session, tables, theme
from lumira.dashboard.order_details import stripe_status
from lumira.dashboard.texts import (
    failure_reason,
    level_name,
    moment,
    money,
    stripe_status_name,
    text,
    text_or,
)
from lumira.dashboard.theme import DISAGREES_COLOUR, LEVEL_COLOURS, STATUS_COLOURS, level_colour
from lumira.money import major_units
from lumira.order_filter import FORMER, STRIPE_STATUSES, DateField, OrderFilter
from lumira.orders import Order, OrderStatus

DISAGREES: Final = "⚠ "
NOTHING: Final = "–"
# What Stripe said stays quiet beside our own status; only a disagreement asks to be seen.
_QUIET: Final = "#8B859538"
_MONEY: Final = frozenset({"amount", "refunded", "net"})

COLUMNS: Final[tuple[str, ...]] = (
    *("created", "completed", "last_refund", "level", "product", "customer", "email"),
    *("amount", "refunded", "net", "status", "stripe_status", "failure", "source", "payment_intent", "id"),
)
_USUAL: Final = ("level", "customer", "email", "amount", "refunded", "status", "stripe_status")
_WIDTHS: Final = {"customer": 150, "email": 236, "product": 130, "source": 110, "id": 205}
_DATES: Final = {
    DateField.CREATED: "created",
    DateField.COMPLETED: "completed",
    DateField.REFUNDED: "last_refund",
}


def usual_columns(wanted: OrderFilter) -> list[str]:
    """The columns of a list nobody has chosen columns for."""
    return [_DATES[wanted.dated], *_USUAL]


def show_column_choice(wanted: OrderFilter) -> list[str]:
    """The button that opens the choice of columns, which stands in the URL; the columns to show."""
    usual = usual_columns(wanted)
    asked = st.query_params.get("columns", "").split(",")
    chosen = [name for name in COLUMNS if name in asked] or usual

    def changed() -> None:
        picked = [name for name in COLUMNS if name in st.session_state["columns"]]
        if picked and picked != usual:
            st.query_params["columns"] = ",".join(picked)
        else:
            st.query_params.pop("columns", None)

    popover = st.popover(
        text("orders.columns"), icon=":material/view_column:", key="choose-columns", on_change="rerun"
    )
    if popover.open:
        with popover:
            st.session_state["columns"] = chosen
            st.pills(
                text("orders.columns"),
                COLUMNS,
                selection_mode="multi",
                format_func=lambda name: text(f"orders.{name}"),
                key="columns",
                on_change=changed,
                label_visibility="collapsed",
            )
    return chosen


def orders_frame(orders: list[Order], columns: list[str], *, numeric: bool = False) -> pd.DataFrame:
    """A page of orders as the list shows it, one row each, in the reader's words.

    `numeric` writes money as numbers of the major unit.
    """
    return pd.DataFrame({name: [_cell(name, order, numeric) for order in orders] for name in columns})


def _cell(name: str, order: Order, numeric: bool) -> Any:
    if name in _MONEY:
        return _money(name, order, numeric)
    return _CELLS[name](order)


def _money(name: str, order: Order, numeric: bool) -> Any:
    amount = {"amount": order.amount, "refunded": order.amount_refunded, "net": order.net}[name]
    if name == "refunded" and not amount:
        return None if numeric else ""
    return float(major_units(amount, order.currency)) if numeric else money(amount, order.currency)


_CELLS: Final[dict[str, Callable[[Order], Any]]] = {
    "created": lambda order: order.created_at,
    "completed": lambda order: order.completed_at,
    "last_refund": lambda order: order.last_refund_at,
    "level": lambda order: [level_name(order.level)],
    "product": lambda order: order.product_name,
    "customer": lambda order: order.name or order.customer_email or NOTHING,
    "email": lambda order: order.customer_email or NOTHING,
    "status": lambda order: [text(f"status.{order.status}")],
    "stripe_status": lambda order: [_said(order)],
    "failure": lambda order: failure_reason(order.failure_code) if order.failure_code else "",
    "source": lambda order: text_or(f"source.{order.source or FORMER}", order.source or ""),
    "payment_intent": lambda order: (
        None
        if order.is_free or not order.payment_intent_id
        else session.desk().gateway.payment_intent_url(order.payment_intent_id)
    ),
    "id": lambda order: order.id,
}


def _said(order: Order) -> str:
    return ("" if order.agrees_with_stripe else DISAGREES) + stripe_status(order)


def show(orders: list[Order], columns: list[str], *, key: str) -> None:
    """The list; `key` must name page, filter and columns, for a selection is a row number only."""
    # Streamlit writes numbers as the browser does, so only a reader in the browser's language gets them; the
    # others, and lists of several currencies, get text.
    numeric = (
        all(order.currency == "eur" for order in orders) and session.language() == session.browser_language()
    )
    with st.container(key="order-table"):
        st.dataframe(
            orders_frame(orders, columns, numeric=numeric),
            key=key,
            on_select="rerun",
            selection_mode=["multi-row", "single-cell"],
            hide_index=True,
            column_order=columns,
            column_config=_configuration(columns, numeric=numeric),
            row_height=tables.ROW_HEIGHT,
            height=tables.height(len(orders)),
            placeholder="",
            alt=text("orders.table"),
        )
    with st.container(key="order-cards"):
        st.html(markup.order_cards(_card(order) for order in orders))


def ticked(key: str, orders: list[Order]) -> list[Order]:
    """The orders whose box is ticked."""
    rows = st.session_state.get(key, {}).get("selection", {}).get("rows", [])
    return [orders[row] for row in rows if row < len(orders)]


def clicked(key: str, orders: list[Order]) -> Order | None:
    """The order whose row was clicked."""
    cells = st.session_state.get(key, {}).get("selection", {}).get("cells", [])
    return orders[cells[0][0]] if cells and cells[0][0] < len(orders) else None


def address(order: Order) -> str:
    """The id that the address of the order's page has."""
    return order.payment_intent_id or order.id


def _card(order: Order) -> markup.OrderCard:
    return markup.OrderCard(
        link=f"/order?id={address(order)}&language={session.language()}",
        customer=order.name or order.customer_email or NOTHING,
        amount=money(order.amount, order.currency),
        when=moment(order.created_at),
        chips=[
            (level_name(order.level), level_colour(order.level)),
            (text(f"status.{order.status}"), STATUS_COLOURS[order.status]),
            *([] if order.agrees_with_stripe else [(_said(order), DISAGREES_COLOUR)]),
        ],
    )


def _configuration(columns: list[str], *, numeric: bool) -> dict[str, Any]:
    config = st.column_config
    made: dict[str, Any] = {}
    for name in columns:
        label = text(f"orders.{name}")
        match name:
            case "created" | "completed" | "last_refund":
                made[name] = tables.moments(label, narrow=False)
            case "level":
                levels = {
                    level_name(one): theme.chip(colour, "level") for one, colour in LEVEL_COLOURS.items()
                }
                made[name] = tables.chips(label, levels, width=86)
            case "status":
                statuses = {
                    text(f"status.{status}"): theme.chip(STATUS_COLOURS[status], "status")
                    for status in OrderStatus
                }
                made[name] = tables.chips(label, statuses, width=110)
            case "stripe_status":
                there = {stripe_status_name(status): _QUIET for status in STRIPE_STATUSES}
                there |= {f"{DISAGREES}{said}": DISAGREES_COLOUR for said in there}
                made[name] = tables.chips(label, there, width=138, help=text("orders.stripe_status.help"))
            case "payment_intent":
                made[name] = config.LinkColumn(label, display_text=r"/([^/]+)$", width=235)
            case "amount" | "refunded" | "net" if numeric:
                made[name] = config.NumberColumn(label, format="euro", width=88)
            case "amount" | "refunded" | "net":
                made[name] = config.TextColumn(label, alignment="right", width=88)
            case _:
                made[name] = config.TextColumn(label, width=_WIDTHS.get(name, 190))
    return made
