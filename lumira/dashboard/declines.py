"""What to tell a customer whose card was declined: https://docs.stripe.com/declines/codes."""

from __future__ import annotations

from typing import Final

import streamlit as st

from lumira.dashboard import problems
from lumira.dashboard.texts import failure_reason, text
from lumira.orders import Order, OrderStatus

# By what the customer can do; of every other reason only their bank knows more.
_ADVICE: Final = {
    "details": (
        *("expired_card", "incorrect_cvc", "invalid_cvc", "incorrect_number", "invalid_number"),
        *("incorrect_zip", "invalid_expiry_month", "invalid_expiry_year"),
    ),
    "limit": ("insufficient_funds", "withdrawal_count_limit_exceeded", "card_velocity_exceeded"),
    "confirm": ("authentication_required", "payment_intent_authentication_failure"),
    "later": ("processing_error", "issuer_not_available", "try_again_later", "reenter_transaction"),
    "other_card": ("card_not_supported", "currency_not_supported"),
    # Stripe asks not to tell these apart to the customer, who may be the thief.
    "silent": (
        *("fraudulent", "lost_card", "stolen_card", "pickup_card", "merchant_blacklist"),
        "highest_risk_level",
    ),
}


def advice(code: str | None) -> str:
    """Which of the texts `declined.…` says what to do about a decline of this code."""
    return next((name for name, codes in _ADVICE.items() if code in codes), "bank")


def is_declined(order: Order) -> bool:
    """Whether Stripe says that a card was declined and another is awaited.

    No other state of Stripe's, nor an unknown one, tells for sure that nothing was taken.
    """
    return order.status is OrderStatus.FAILED and order.stripe_status == "requires_payment_method"


def show(order: Order) -> None:
    """Why the last attempt of an order that waits for another was declined, and what helps."""
    if not is_declined(order):
        return
    st.info(
        text(f"declined.{advice(order.failure_code)}"),
        title=text("declined", reason=problems.plain(failure_reason(order.failure_code))),
        icon=":material/credit_card_off:",
    )
