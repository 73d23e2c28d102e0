"""The list of orders: a table of chosen columns on a wide screen, a card for each on a narrow one."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import streamlit as st

from lumira.catalog import Level
from lumira.dashboard import address, markup, order_filters, session, tables, theme
from lumira.dashboard.money_returned import due
from lumira.dashboard.order_details import is_disputed, is_refunded, money_back, price
from lumira.dashboard.tables import NOTHING
from lumira.dashboard.texts import (
    capitalized,
    failure_reason,
    level_name,
    moment,
    stripe_status_name,
    text,
    text_or,
    written_money,
)
from lumira.dashboard.theme import DISAGREES_COLOUR, STATUS_COLOURS, level_colour
from lumira.money import major_units
from lumira.order_filter import (
    FORMER,
    STRIPE_STATUSES,
    DateField,
    Disputed,
    OrderFilter,
    said_by_stripe,
)
from lumira.orders import Order, OrderStatus

DISAGREES: Final = "⚠ "
# What Stripe said stays quiet beside our own status; only a disagreement asks to be seen.
_QUIET: Final = "#8B859538"

COLUMNS: Final[tuple[str, ...]] = (
    *("created", "completed", "last_refund", "level", "product", "customer", "amount", "status"),
    *("stripe_status", "refunded", "net", "dispute", "email", "failure", "source", "payment_intent", "id"),
)
# The states stand before what a small screen cuts off.
_USUAL: Final = ("level", "customer", "amount", "status", "stripe_status", "email")
_OF_DISPUTED: Final = ("level", "customer", "amount", "status", "stripe_status", "dispute")
# How much went back matters here; elsewhere that it did, which the status says, and addresses have the room.
_OF_REFUNDED: Final = ("level", "customer", "amount", "refunded", "status", "email")
_OF_FAILED: Final = ("level", "customer", "amount", "failure", "email")
_WIDTHS: Final = {
    "customer": 140,
    "email": 238,
    "product": 130,
    "source": 110,
    "id": 205,
    "dispute": 240,
    "failure": 200,
}
_DATES: Final = {
    DateField.CREATED: "created",
    DateField.COMPLETED: "completed",
    DateField.REFUNDED: "last_refund",
}


def usual_columns(wanted: OrderFilter) -> list[str]:
    """The columns of a list nobody has chosen columns for."""
    columns: tuple[str, ...] = _USUAL
    if wanted.disputed in {Disputed.YES, Disputed.NEEDS_RESPONSE}:
        columns = _OF_DISPUTED
    elif wanted.statuses == {OrderStatus.FAILED}:
        columns = _OF_FAILED
    elif wanted.refunded or wanted.dated is DateField.REFUNDED:
        columns = _OF_REFUNDED
    return [_DATES[wanted.dated], *columns]


def show_column_choice(wanted: OrderFilter) -> list[str]:
    """The button that opens the choice of columns, which stands in the URL; the columns to show."""
    usual = usual_columns(wanted)
    asked = st.query_params.get("columns", "").split(",")
    chosen = [name for name in COLUMNS if name in asked] or usual

    def changed(names: list[str]) -> None:
        picked = [name for name in COLUMNS if name in names]
        address.change({"columns": ",".join(picked) if picked != usual else None})

    popover = st.popover(
        text("orders.columns"), icon=":material/view_column:", key="choose-columns", on_change="rerun"
    )
    if popover.open:
        with popover:
            used = address.control("columns", chosen, changed)
            st.pills(
                text("orders.columns"),
                COLUMNS,
                selection_mode="multi",
                format_func=lambda name: text(f"orders.{name}"),
                key="columns",
                on_change=used,
                label_visibility="collapsed",
            )
    return chosen


class _Words:
    """The words that come back in row after row, looked up once for a page."""

    def __init__(self) -> None:
        self.language = session.language()
        self.levels = {level: level_name(level) for level in (*Level, None)}
        self.statuses = {status: text(f"status.{status}") for status in OrderStatus}
        self.nobody = text("overview.nobody")
        self.disputed = text("order.back.disputed")
        self.refunded = text("order.back.whole")
        self.partly_refunded = text("order.back.partly")
        self._stripe_statuses: dict[str, str] = {}

    def state(self, order: Order) -> str:
        """Its status, or as on the start page what a customer asks about first: a dispute, money back."""
        if is_disputed(order):
            return self.disputed
        if is_refunded(order):
            return self.refunded if order.net <= 0 else self.partly_refunded
        return self.statuses[order.status]

    def said(self, order: Order) -> str:
        """What Stripe said last, marked where it is not what we say."""
        status = said_by_stripe(order)
        if status not in self._stripe_statuses:
            self._stripe_statuses[status] = stripe_status_name(status)
        return ("" if order.agrees_with_stripe else DISAGREES) + self._stripe_statuses[status]

    def money(self, amount: int, currency: str) -> str:
        """An amount in minor units as the reader writes it."""
        return written_money(amount, currency, self.language)


def orders_frame(orders: list[Order], columns: list[str], *, numeric: bool = False) -> pd.DataFrame:
    """A page of orders as the list shows it, one row each, in the reader's words.

    `numeric` writes money as numbers of the major unit.
    """
    words = _Words()
    return pd.DataFrame({name: [_cell(name, order, words, numeric) for order in orders] for name in columns})


def _cell(name: str, order: Order, words: _Words, numeric: bool) -> Any:
    match name:
        case "created":
            return order.created_at
        case "completed":
            return order.counts_at
        case "last_refund":
            return order.last_refund_at
        case "level":
            return [words.levels[order.level]]
        case "product":
            return order.product_name
        case "customer":
            return markup.undirected(order.known_as or words.nobody)
        case "email":
            return order.address or NOTHING
        case "amount" | "refunded" | "net":
            return _money(name, order, words, numeric)
        case "dispute":
            return _dispute(order)
        case "status":
            return [words.state(order)]
        case "stripe_status":
            return [words.said(order)]
        case "failure":
            return failure_reason(order.failure_code) if order.failure_code else ""
        case "source":
            return text_or(f"source.{order.source or FORMER}", order.source or "")
        case "payment_intent":
            if not order.stripe_payment_intent_id:
                return None
            return session.desk().gateway.payment_intent_url(order.stripe_payment_intent_id)
        case "id":
            return order.id
        case _:
            raise KeyError(name)


def _dispute(order: Order) -> str:
    """How its dispute stands, or until when it is to be answered."""
    pressing = order.pressing_dispute
    if pressing is None:
        return ""
    if pressing.needs_response and pressing.due_by:
        return due("orders.dispute.due", pressing.due_by)
    return capitalized(text_or(f"dispute_status.{pressing.status}", pressing.status))


def _money(name: str, order: Order, words: _Words, numeric: bool) -> Any:
    amount = {"amount": order.amount, "refunded": order.amount_refunded, "net": order.net}[name]
    # Of an order that nobody paid there is no refund and no net.
    unpaid = name != "amount" and order.status is not OrderStatus.COMPLETED
    if unpaid or (name == "refunded" and not amount):
        return None if numeric else ""
    return float(major_units(amount, order.currency)) if numeric else words.money(amount, order.currency)


def is_cards() -> bool:
    """Whether the list is wanted as cards however wide the screen is: `as` of the URL."""
    return st.query_params.get("as") == "cards"


def show_other_form() -> None:
    """The way to a list that keys go through: in the table an arrow key opens an order at once, for it
    selects a cell as a click does. Only the keyboard comes to it; the way back is there for everybody.
    """
    cards = is_cards()
    with st.container(key="wide-as-table" if cards else "wide-as-cards", width="content"):
        st.button(
            text("orders.as_table" if cards else "orders.as_cards"),
            icon=":material/table_rows:" if cards else ":material/keyboard:",
            type="tertiary",
            on_click=lambda: address.change({"as": None if cards else "cards"}),
            key="other-form",
        )


def show(orders: list[Order], columns: list[str], *, key: str) -> None:
    """The list; `key` must name page, filter and columns, for a selection is a row number only."""
    words, listed = _Words(), order_filters.beside_order()
    if is_cards():
        st.html(markup.cards(_card(order, words, listed) for order in orders))
        return
    # Streamlit writes numbers as the browser does, so only a reader in the browser's language gets them; the
    # others, and lists of several currencies, get text.
    numeric = (
        all(order.currency == "eur" for order in orders) and session.language() == session.browser_language()
    )
    with tables.or_cards("orders", (_card(order, words, listed) for order in orders)):
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


def ticked(key: str, orders: list[Order]) -> list[Order]:
    """The orders whose box is ticked."""
    rows = st.session_state.get(key, {}).get("selection", {}).get("rows", [])
    return [orders[row] for row in rows if row < len(orders)]


def clicked(key: str, orders: list[Order]) -> Order | None:
    """The order whose row was clicked."""
    cells = st.session_state.get(key, {}).get("selection", {}).get("cells", [])
    return orders[cells[0][0]] if cells and cells[0][0] < len(orders) else None


def _card(order: Order, words: _Words, listed: dict[str, str]) -> markup.Card:
    return markup.Card(
        link=address.link("/order", {"id": order.order_id, **listed}),
        title=order.known_as or words.nobody,
        beside=price(order),
        chips=[
            (words.levels[order.level], level_colour(order.level)),
            (words.statuses[order.status], STATUS_COLOURS[order.status]),
            *([] if order.agrees_with_stripe else [(words.said(order), DISAGREES_COLOUR)]),
            *money_back(order),
        ],
        note=" · ".join(filter(None, (moment(order.created_at), _dispute(order)))),
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
                made[name] = tables.levels(label)
            case "status":
                statuses = {
                    text(f"status.{status}"): theme.chip(STATUS_COLOURS[status], "status")
                    for status in OrderStatus
                }
                for back in ("disputed", "whole", "partly"):
                    statuses[text(f"order.back.{back}")] = theme.chip(DISAGREES_COLOUR, "status")
                made[name] = tables.chips(label, statuses, width=118)
            case "stripe_status":
                there = {stripe_status_name(status): _QUIET for status in STRIPE_STATUSES}
                there |= {f"{DISAGREES}{said}": DISAGREES_COLOUR for said in there}
                made[name] = tables.chips(label, there, width=134, help=text("orders.stripe_status.help"))
            case "payment_intent":
                made[name] = config.LinkColumn(label, display_text=r"/([^/]+)$", width=235)
            case "amount" | "refunded" | "net" if numeric:
                made[name] = config.NumberColumn(label, format="euro", width=84)
            case "amount" | "refunded" | "net":
                made[name] = config.TextColumn(label, alignment="right", width=84)
            case _:
                made[name] = config.TextColumn(label, width=_WIDTHS.get(name, 190))
    return made
