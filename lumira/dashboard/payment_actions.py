"""What staff can do with a payment that waits: pay it with a test card, cancel it, watch it move."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import streamlit as st

from lumira.dashboard import payment_link, problems, session
from lumira.dashboard.texts import failure_reason, money, text, text_or
from lumira.errors import LumiraError, PaymentFailed
from lumira.orders import Order
from lumira.stripe_gateway import TEST_PAYMENT_METHODS

_CANCEL_REASONS: Final = ("requested_by_customer", "duplicate", "abandoned", "fraudulent")


def pay_with_test_card(order: Order) -> None:
    """Lets a test card be chosen and pays with it; a decline is said in words and may be tried again."""
    method = st.selectbox(
        text("result.card"),
        list(TEST_PAYMENT_METHODS),
        format_func=card_name,
        help=text("result.card.help"),
        key=f"card-{order.id}",
    )
    if st.button(
        text("result.pay_now", amount=money(order.amount, order.currency)),
        type="primary",
        icon=":material/credit_card:",
        width="stretch",
        shortcut="P",
        help=text("shortcut", keys="P"),
        key="pay",
    ):
        # Why a card was declined the order keeps, and the page says it whoever tried.
        with problems.remembered(order.id), suppress(PaymentFailed), st.spinner(text("result.paying")):
            session.desk().intents.confirm(
                order.order_id,
                method,
                actor=session.actor(),
                return_url=f"{payment_link.origin()}/new-payment?order={order.order_id}",
            )
        st.rerun()


def cancel(order: Order) -> None:
    """Cancels after a reason is given."""
    with st.popover(text("cancel"), icon=":material/block:", type="tertiary"):
        reason = st.selectbox(
            text("cancel.reason"),
            _CANCEL_REASONS,
            format_func=lambda reason: text(f"cancel.{reason}"),
            key=f"cancel-reason-{order.id}",
            persist_state="page",
        )
        st.caption(text("cancel.help"))
        if st.button(text("cancel.confirm"), icon=":material/block:", key="cancel"):
            with problems.remembered(order.id):
                session.desk().intents.cancel(order.order_id, actor=session.actor(), reason=reason)
            st.rerun()


def refresh(order: Order) -> None:
    """Asks Stripe how the payment stands now."""
    if st.button(
        text("order.refresh"), icon=":material/sync:", help=text("order.refresh.help"), key="refresh"
    ):
        with problems.told_once(order.id):
            session.desk().intents.refresh(order.order_id, actor=session.actor())
        st.rerun()


@st.fragment(run_every=2)
def follow(order: Order) -> None:
    """Looks at the store every two seconds and shows the page anew when a webhook has moved the order."""
    try:
        now = session.desk().intents.find(order.order_id, actor=session.actor())
    except LumiraError:
        # The page itself says so at its next rerun; a clock need not.
        return
    if has_moved(order, now):
        st.rerun()


def has_moved(order: Order, now: Order) -> bool:
    """Whether the order that a page was drawn with has changed since."""
    return any(
        getattr(now, name) != getattr(order, name) for name in ("status", "stripe_status", "updated_at")
    )


def card_name(method: str) -> str:
    """A test card in words: what will happen when it pays."""
    return text_or(
        f"card.{method}", text("card.declined", reason=failure_reason(TEST_PAYMENT_METHODS[method]))
    )
