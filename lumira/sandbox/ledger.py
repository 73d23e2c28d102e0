"""The account and its balance: every movement is a balance transaction, and the balance is their sum."""

from __future__ import annotations

from lumira.sandbox import shapes
from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeObject
from lumira.sandbox.parameters import Parameters

AVAILABLE_AFTER = 7 * 86400  # https://docs.stripe.com/payouts#payout-schedule
CURRENCY_OF = {
    "CH": "chf",
    "DK": "dkk",
    "GB": "gbp",
    "JP": "jpy",
    "NO": "nok",
    "PL": "pln",
    "SE": "sek",
    "US": "usd",
}


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
    if transaction["status"] == "pending":
        call.store.add_task(transaction["available_on"], "make_available", transaction["id"])
    return transaction


def make_available(call: Call, identifier: str) -> None:
    """The money of a balance transaction has arrived."""
    transaction = call.find("balance_transaction", identifier)
    transaction["status"] = "available"
    call.save(transaction)


def retrieve_balance(call: Call, _: Parameters) -> StripeObject:
    """What is available and what is pending, currency by currency: GET /v1/balance."""
    sums = call.store.balance() or [(CURRENCY_OF.get(call.country, "eur"), 0, 0)]
    available, pending = (
        [{"amount": row[column], "currency": row[0], "source_types": {"card": row[column]}} for row in sums]
        for column in (1, 2)
    )
    return {
        "object": "balance",
        "available": available,
        "livemode": False,
        "pending": pending,
        "refund_and_dispute_prefunding": {"available": [], "pending": []},
    }


def retrieve_account(call: Call, _: Parameters) -> StripeObject:
    """The one account of the sandbox: GET /v1/account."""
    identifier = call.store.setting("account", shapes.new_id("acct", 16))
    created = int(call.store.setting("account_created", str(call.now)))
    return shapes.account(identifier, created, call.country, CURRENCY_OF.get(call.country, "eur"))
