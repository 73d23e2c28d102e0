"""Payments of the past, written into a sandbox's state: a desk filled with a history finds it at Stripe too.

They are made by the functions that answer Stripe's API, at the time they say, and tell nobody: no event is
recorded or delivered for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lumira.sandbox import payments, refunds
from lumira.sandbox.call import Call
from lumira.sandbox.cards import CARDS
from lumira.sandbox.errors import StripeError, StripeObject
from lumira.sandbox.payment_methods import make_payment_method
from lumira.sandbox.resources import TASKS
from lumira.sandbox.store import Store

TEST_IBAN = "FR1420041010050500013M02606"


@dataclass(frozen=True)
class PastRefund:
    """A refund of `amount` minor units at an instant (UTC); `reason` is one of Stripe's."""

    amount: int
    at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class PastPayment:
    """A PaymentIntent of the past: `amount` in minor units, instants UTC.

    `status` is succeeded, processing, canceled or requires_payment_method; `decline_code` then tells why the
    payment failed, if it did.
    """

    id: str
    amount: int
    currency: str
    created: datetime
    settled: datetime
    status: str
    description: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    decline_code: str | None = None
    refunds: tuple[PastRefund, ...] = ()


class QuietCall(Call):
    """A call that tells nobody, and whose consequences have long come."""

    def emit(self, kind: str, body: StripeObject, previous: StripeObject | None = None) -> None:
        """Record nothing."""

    def later(self, kind: str, identifier: str) -> None:
        """Let it happen at once, but for a debit that the bank has not answered yet."""
        if kind != "settle_debit":
            TASKS[kind](self, identifier)


def write_history(state: Path, past: Iterable[PastPayment]) -> dict[str, list[str]]:
    """Write the payments into a sandbox's state file, running or not; each id with the ids of its refunds.

    A PaymentIntent that is there already stays as it is. Raises sqlite3.Error when the file can't be used.
    """
    store = Store(state)
    try:
        written = {}
        for payment in past:
            store.begin()
            written[payment.id] = _write(store, payment)
            store.commit()
        return written
    finally:
        store.close()


def _write(store: Store, payment: PastPayment) -> list[str]:
    existing = store.get(payment.id)
    if existing is not None:
        made = [*store.each("refund", payment_intent=payment.id)]
        return [refund["id"] for refund in reversed(made)]
    call = QuietCall(store, payment.created.timestamp())
    intent = payments.create(
        call,
        {
            "amount": payment.amount,
            "currency": payment.currency,
            "description": payment.description,
            "metadata": {key: value for key, value in payment.metadata.items() if value},
        },
    )
    store.delete(intent["id"])
    intent["client_secret"] = intent["client_secret"].replace(intent["id"], payment.id)
    intent["id"] = payment.id
    store.save(intent)
    _settle(QuietCall(store, payment.settled.timestamp()), payment)
    return [
        refunds.create(
            QuietCall(store, refund.at.timestamp()),
            {
                "payment_intent": payment.id,
                "amount": refund.amount,
                **({"reason": refund.reason} if refund.reason else {}),
            },
        )["id"]
        for refund in payment.refunds
    ]


def _settle(call: QuietCall, payment: PastPayment) -> None:
    match payment.status:
        case "canceled":
            payments.cancel(call, payment.id, {"cancellation_reason": "abandoned"})
        case "succeeded":
            _confirm(call, payment, "pm_card_visa")
        case "processing":
            customer = {"name": "Camille Laurent", "email": "camille@example.com"}
            debit = {"type": "sepa_debit", "sepa_debit": {"iban": TEST_IBAN}, "billing_details": customer}
            _confirm(call, payment, make_payment_method(call, debit)["id"])
        case "requires_payment_method" if payment.decline_code:
            declined = (name for name, card in CARDS.items() if card.decline == payment.decline_code)
            with contextlib.suppress(StripeError):
                _confirm(call, payment, next(declined, "pm_card_chargeDeclined"))


def _confirm(call: QuietCall, payment: PastPayment, method: str) -> None:
    mandate = {"customer_acceptance": {"type": "offline"}}  # a direct debit needs one; a card doesn't mind
    params = {"payment_method": method, "return_url": "https://example.com/", "mandate_data": mandate}
    payments.confirm(call, payment.id, params)
