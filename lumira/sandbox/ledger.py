"""The balance: every movement is a balance transaction, and the balance is their sum."""

from __future__ import annotations

from typing import Any

from lumira.sandbox import shapes
from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeObject
from lumira.sandbox.parameters import Parameters

# Stripe's usual delay in Europe, and what tests of payouts wait for. https://docs.stripe.com/payouts#payout-schedule
AVAILABLE_AFTER = 7 * 86400


def record(
    call: Call,
    source: str,
    kind: str,
    amount: int,
    currency: str,
    *,
    fee: int = 0,
    fee_description: str = "Stripe processing fees",
    available_at_once: bool = False,
    description: str | None = None,
    reporting_category: str,
) -> StripeObject:
    """Book a movement of `amount` minor units (negative: out), less `fee`."""
    transaction = shapes.balance_transaction(
        call.now,
        source,
        kind,
        amount,
        currency,
        fee=fee,
        fee_description=fee_description,
        available_on=call.now if available_at_once else call.now + AVAILABLE_AFTER,
        description=description,
        reporting_category=reporting_category,
    )
    call.save(transaction)
    return transaction


def current_status(transaction: StripeObject, now: int) -> StripeObject:
    """A balance transaction turns from pending to available by the clock alone."""
    return {**transaction, "status": "available" if transaction["available_on"] <= now else "pending"}


def retrieve_balance(call: Call, params: Parameters, currency: str) -> StripeObject:
    """GET /v1/balance: what is available and what is pending, currency by currency."""
    sums = call.store.balance(call.now) or [(currency, 0, 0)]

    def column(position: int) -> list[dict[str, Any]]:
        return [
            {"amount": row[position], "currency": row[0], "source_types": {"card": row[position]}}
            for row in sums
        ]

    return {
        "object": "balance",
        "available": column(1),
        "livemode": False,
        "pending": column(2),
        "refund_and_dispute_prefunding": {"available": [], "pending": []},
    }
