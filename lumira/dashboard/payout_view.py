"""The parts of the payouts page: a month's payouts, and one of them with what it consists of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from lumira.dashboard import (
    address,
    choices,
    empty,
    file_buttons,
    markup,
    month_view,
    navigation,
    problems,
    recent,
    session,
    tables,
    theme,
)
from lumira.dashboard.texts import counted, day, level_name, long_day, moment, money, number, text, text_or
from lumira.dashboard.theme import level_colour
from lumira.errors import PayoutNotFound
from lumira.export import FileFormat, as_bytes
from lumira.payout_export import kind_name, payout_columns
from lumira.payouts import BalanceTransaction, Contents, Payout, totals_by_currency

# Every choice on a page draws it anew, which need not ask Stripe anew.
_SECONDS: Final = 60
_MONTH: Final = "payouts-of"
_CONTENTS: Final = "payout-contents"
_STATUSES: Final = ("paid", "pending", "in_transit", "failed", "canceled")


def choose_month() -> str:
    """The month of arrival: this one, unless the URL names another of the last two years."""
    months = month_view.recent_months()
    return choices.choose_text(
        "month", text("payouts.month"), months, format_func=month_view.name_of, width=220
    )


def show_month(month: str) -> None:
    """What arrived, what is on its way and what came back, and the payouts themselves."""
    desk, actor = session.desk(), session.actor()
    with st.spinner(text("payouts.asking"), show_time=False):
        payouts = recent.answer(_MONTH, month, _SECONDS, lambda: desk.payouts.arriving(month, actor=actor))
    if not payouts:
        with empty.card(text("payouts.empty"), text("payouts.empty.next")):
            pass
        return
    for currency, sums in totals_by_currency(payouts).items():
        with st.grid(3, key=f"four-payouts-{currency}"):
            for state, amount in sums.items():
                if amount or state != "returned":
                    st.metric(text(f"payouts.{state}"), money(amount, currency), border=True)
    _show_table(month, payouts)
    st.caption(counted("payouts.shown", len(payouts)))


def show_one(payout_id: str) -> None:
    """One payout: its facts, what adds up to it, and each payment and refund in it."""
    st.button(
        text("payouts.all"),
        icon=":material/arrow_back:",
        type="tertiary",
        on_click=_close,
        key="close-payout",
    )
    desk, actor = session.desk(), session.actor()
    try:
        with st.spinner(text("payout.asking"), show_time=False):
            contents = recent.answer(
                _CONTENTS, payout_id, _SECONDS, lambda: desk.payouts.contents(payout_id, actor=actor)
            )
    except PayoutNotFound as error:
        problems.show(error)
        return
    payout = contents.payout
    facts, sums = st.columns([1, 1])
    with facts, st.container(border=True, height="stretch", key="payout"):
        _show_facts(payout)
    with sums, st.container(border=True, height="stretch"):
        _show_sums(contents)
    if contents.transactions:
        _show_transactions(contents)


def status_name(status: str) -> str:
    """How a payout stands, in words."""
    return text_or(f"payout_status.{status}", status)


def _close() -> None:
    address.change({"payout": None})


def _show_table(month: str, payouts: Sequence[Payout]) -> None:
    key = f"payouts-{month}-{payouts[0].id}"

    def open_selected() -> None:
        row = tables.selected_row(key)
        if row is not None and row < len(payouts):
            address.change({"payout": payouts[row].id})

    frame = pd.DataFrame(
        [
            {
                "arrives": payout.arrives,
                "amount": money(payout.amount, payout.currency),
                "status": [status_name(payout.status)],
                "statement": payout.statement,
                "id": payout.id,
            }
            for payout in payouts
        ]
    )
    statuses = {
        status_name(status): theme.chip(theme.payout_colour(status), "status") for status in _STATUSES
    }
    config = st.column_config
    with tables.or_cards("payouts", map(_payout_card, payouts)):
        st.caption(text("payouts.table.lead"))
        st.dataframe(
            frame,
            key=key,
            on_select=open_selected,
            selection_mode="single-cell",
            hide_index=True,
            column_order=[name for name in map(str, frame) if name != "statement" or any(frame["statement"])],
            column_config={
                "arrives": config.DateColumn(text("payout.arrives"), format=_pattern(), width=130),
                "amount": config.TextColumn(text("payout.amount"), alignment="right", width=130),
                "status": tables.chips(text("payout.status"), statuses, width=130),
                "statement": config.TextColumn(text("payout.statement"), width=190),
                "id": config.TextColumn(text("payout.id"), width=280),
            },
            row_height=tables.ROW_HEIGHT,
            height=tables.height(len(frame)),
            placeholder="",
            alt=text("payouts.table"),
        )


def _pattern() -> str:
    return "DD/MM/YYYY" if session.language() == "fr" else "D MMM YYYY"


def _payout_card(payout: Payout) -> markup.Card:
    return markup.Card(
        link=address.link("/payouts", {**address.held(), "payout": payout.id}),
        title=day(payout.arrives),
        beside=money(payout.amount, payout.currency),
        chips=[(status_name(payout.status), theme.payout_colour(payout.status))],
    )


def _show_facts(payout: Payout) -> None:
    chips = [(status_name(payout.status), theme.payout_colour(payout.status))]
    st.html(
        markup.amount(money(payout.amount, payout.currency), long_day(payout.arrives)) + markup.chips(chips)
    )
    if payout.is_returned:
        told = _why_returned(payout)
        st.error(
            text("payout.returned.next", why=told) if told else text("payout.returned.next.unknown"),
            title=text("payout.returned"),
            icon=":material/undo:",
        )
    if payout.amount < 0:
        st.caption(text("payout.debit"))
    facts = {
        "payout.made": moment(payout.created_at),
        "payout.statement": payout.statement,
        "payout.trace": payout.trace_id,
        "payout.id": payout.id,
    }
    copied = frozenset(text(name) for name in ("payout.trace", "payout.id"))
    st.html(markup.facts(((text(name), value) for name, value in facts.items() if value), codes=copied))
    if url := session.desk().gateway.payout_url(payout.id):
        st.link_button(text("payout.at_stripe"), url, icon=":material/open_in_new:", type="tertiary")


def _why_returned(payout: Payout) -> str:
    """Why the bank refused it, in the reader's words or else in Stripe's; empty where Stripe does not say.

    https://docs.stripe.com/api/payouts/failures
    """
    said = payout.failure_message or payout.failure_code or ""
    return text_or(f"payout_failure.{payout.failure_code}", problems.plain(said.removesuffix(".")))


def _show_sums(contents: Contents) -> None:
    payout = contents.payout
    st.header(text("payout.sums"), anchor=False)
    if not payout.automatic:
        st.info(text("payout.by_hand.next"), title=text("payout.by_hand"), icon=":material/back_hand:")
        return
    rows = []
    for kind, count, amount in contents.lines():
        # How many transactions had a fee is nothing that anybody asks.
        several = "" if kind == "fees" else f" ({number(count)})"
        rows.append((text(f"month.balance.{kind}") + several, money(amount, payout.currency)))
    rows.append((text("payout.total"), money(contents.net, payout.currency)))
    st.html(markup.facts(rows, figures=True, total=True))
    if contents.agrees:
        st.success(text("payout.agrees"), icon=":material/check_circle:")
    elif not payout.is_reconciled:
        st.info(
            text("payout.in_progress.next"), title=text("payout.in_progress"), icon=":material/hourglass_top:"
        )
    else:
        difference = money(abs(payout.amount - contents.net), payout.currency)
        st.warning(
            text("payout.differs.next"),
            title=text("payout.differs", difference=difference),
            icon=":material/difference:",
        )


def _show_transactions(contents: Contents) -> None:
    transactions, currency = contents.transactions, contents.payout.currency
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header(text("payout.movements"), anchor=False, width="content")
        _show_files(contents)
    key = f"transactions-{contents.payout.id}"
    row = tables.selected_row(key)
    if row is not None and row < len(transactions) and (order := transactions[row].order):
        address.leave(navigation.order(), {"id": order.order_id})
    frame = pd.DataFrame(
        [
            {
                "booked": transaction.booked_at,
                "kind": kind_name(transaction.kind, session.language()),
                "level": [level_name(transaction.order.level)] if transaction.order else [],
                "customer": _about(transaction),
                "amount": money(transaction.amount, currency),
                "fee": money(transaction.fee, currency) if transaction.fee else "",
                "net": money(transaction.net, currency),
            }
            for transaction in transactions
        ]
    )
    config = st.column_config
    with tables.or_cards(
        "movements", (_transaction_card(transaction, currency) for transaction in transactions)
    ):
        st.caption(text("payout.table.lead"))
        st.dataframe(
            frame,
            key=key,
            on_select="rerun",
            selection_mode="single-cell",
            hide_index=True,
            column_config={
                "booked": tables.moments(text("payout.booked"), narrow=False),
                "kind": config.TextColumn(text("month.movement"), width=145),
                "level": tables.levels(text("orders.level")),
                "customer": config.TextColumn(text("orders.customer"), width=210),
                "amount": config.TextColumn(text("payout.gross"), alignment="right", width=100),
                "fee": config.TextColumn(text("payout.fee"), alignment="right", width=90),
                "net": config.TextColumn(text("orders.net"), alignment="right", width=100),
            },
            row_height=tables.ROW_HEIGHT,
            height=tables.height(len(frame)),
            placeholder="",
            alt=text("payout.table"),
        )


def _about(transaction: BalanceTransaction) -> str:
    """Whom a transaction is about, or what Stripe says of it where no order here is."""
    if transaction.order:
        return markup.undirected(transaction.order.known_as or text("overview.nobody"))
    return transaction.description or transaction.payment_intent_id or tables.NOTHING


def _transaction_card(transaction: BalanceTransaction, currency: str) -> markup.Card:
    order = transaction.order
    told = [kind_name(transaction.kind, session.language()), moment(transaction.booked_at)]
    if transaction.fee:
        told.append(text("payout.card.fee", fee=money(transaction.fee, currency)))
    return markup.Card(
        link=address.link("/order", {"id": order.order_id}) if order else "",
        title=_about(transaction),
        beside=money(transaction.net, currency),
        chips=[(level_name(order.level), level_colour(order.level))] if order else [],
        note=" · ".join(told),
    )


def _show_files(contents: Contents) -> None:
    """The button that offers the transactions as a file."""
    popover = st.popover(
        text("payout.files"), icon=":material/download:", type="tertiary", key="export", on_change="rerun"
    )
    if not popover.open:
        return
    desk, actor, language, zone = session.desk(), session.actor(), session.language(), session.timezone()
    payout = contents.payout

    def written(kind: FileFormat) -> bytes:
        desk.payouts.export(contents, kind=kind, actor=actor)
        columns = payout_columns(payout, language, zone)
        return as_bytes(kind, columns, contents.transactions, language=language, zone=zone)

    with popover:
        st.caption(text("payout.files.lead", zone=zone.key))
        name = f"{text('payout.files.name')}-{payout.arrives}-{payout.id}"
        file_buttons.show("payout.files", name, written, key="export", icon=":material/table_view:")
