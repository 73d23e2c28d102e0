"""The account, its balance and its payouts: every movement is a balance transaction, the balance their sum.

https://docs.stripe.com/payouts and https://docs.stripe.com/reports/balance-transaction-types
"""

from __future__ import annotations

from lumira.sandbox import shapes
from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeObject
from lumira.sandbox.parameters import Parameters

DAY = 86400
AVAILABLE_AFTER = 7 * DAY  # https://docs.stripe.com/payouts#payout-schedule
ARRIVES_AFTER = DAY
CURRENCY_OF = {
    "CH": "chf", "DK": "dkk", "GB": "gbp", "JP": "jpy", "NO": "nok", "PL": "pln", "SE": "sek", "US": "usd",
}  # fmt: skip


def record(
    call: Call,
    source: str,
    kind: str,
    amount: int,
    currency: str,
    *,
    reporting_category: str,
    fee: int = 0,
    fee_description: str = "Stripe processing fees",
    available_at_once: bool = False,
    description: str | None = None,
) -> StripeObject:
    """Book a movement of `amount` minor units (negative: out), less `fee`."""
    detail = {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": fee_description,
        "type": "stripe_fee",
    }
    transaction = shapes.new(
        "balance_transaction",
        call.now,
        amount=amount,
        available_on=call.now + (0 if available_at_once else AVAILABLE_AFTER),
        currency=currency,
        description=description,
        fee=fee,
        fee_details=[detail] if fee else [],
        net=amount - fee,
        reporting_category=reporting_category,
        source=source,
        status="available" if available_at_once else "pending",
        type=kind,
    )
    call.save(transaction)
    call.later("make_available", transaction["id"], at=transaction["available_on"])
    return transaction


def make_available(call: Call, identifier: str) -> None:
    """The money of a balance transaction has arrived; it is paid out at the end of the day (UTC)."""
    transaction = call.find("balance_transaction", identifier)
    call.change(transaction, {"status": "available"})
    call.later("pay_out", transaction["currency"], at=(call.now // DAY + 1) * DAY)


def pay_out(call: Call, currency: str) -> None:
    """The daily payout of all that is available; what has become too little or less than nothing waits."""
    conditions: list[tuple[str, list[str | int]]] = [
        ("currency = ?", [currency]),
        ("status = 'available'", []),
        ("payout IS NULL", []),
        # While a past is being written, what came later is there already.
        ("created <= ?", [call.now]),
    ]
    ready = call.store.page("balance_transaction", conditions, limit=1_000_000)[0]
    amount = sum(transaction["net"] for transaction in ready)
    if amount <= 0:
        return
    account = call.store.setting("bank_account", shapes.new_id("ba"))
    arrival, known = call.now + ARRIVES_AFTER, {"amount": amount, "currency": currency}
    payout = shapes.new("payout", call.now, arrival_date=arrival, destination=account, **known)
    out = shapes.new(
        "balance_transaction",
        call.now,
        amount=-amount,
        available_on=arrival,
        currency=currency,
        description=payout["description"],
        net=-amount,
        reporting_category="payout",
        source=payout["id"],
        status="available",
        type="payout",
    )
    payout["balance_transaction"] = out["id"]
    call.save(*({**transaction, "payout": payout["id"]} for transaction in (*ready, out)), payout)
    call.emit("payout.created", payout)
    call.later("payout_arrives", payout["id"], at=arrival)


def payout_arrives(call: Call, identifier: str) -> None:
    """The bank has the money."""
    payout = call.find("payout", identifier)
    payout |= {"reconciliation_status": "completed", "status": "paid"}
    payout["trace_id"] = {"status": "unsupported", "value": None}
    call.save(payout)
    call.emit("payout.paid", payout)
    call.emit("payout.reconciliation_completed", payout)


def retrieve_balance(call: Call, _: Parameters) -> StripeObject:
    """What is available and what is pending, currency by currency: GET /v1/balance."""
    sums = call.store.balance() or [(_currency(call), 0, 0)]
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
    known = {"country": call.country, "created": created, "default_currency": _currency(call)}
    return {"id": identifier, "object": "account", **shapes.shape("account", **known)}


def _currency(call: Call) -> str:
    return CURRENCY_OF.get(call.country, "eur")
