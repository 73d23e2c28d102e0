"""What can differ between Stripe and the store, and the report of what does. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from lumira.customer_at_stripe import never_copied
from lumira.orders import Order, observe
from lumira.refunds import dispute_from, merge_disputes, merge_refunds, refund_from


class Kind(StrEnum):
    """What can differ between Stripe and the store."""

    MISSING_ORDER = "missing_order"
    UNTIED_ORDER = "untied_order"
    MISSING_INTENT = "missing_intent"
    NEVER_SENT = "never_sent"
    UNREADABLE_ORDER = "unreadable_order"
    STATUS = "status"
    AMOUNT = "amount"
    REFUNDS = "refunds"
    REFUND_STATUS = "refund_status"
    DISPUTE = "dispute"
    COMPLETED_AT = "completed_at"
    CUSTOMER = "customer"


# What Stripe itself does not know can't be brought to what Stripe says, nor what we can't read.
BEYOND_REPAIR: Final = (Kind.MISSING_INTENT, Kind.UNREADABLE_ORDER)


@dataclass(frozen=True)
class Difference:
    """One difference: what we have and what Stripe has, and whether it is mended.

    Money is written as minor units and currency, `4700 eur`, an instant in ISO 8601 (UTC); of a customer
    nothing is written; everything else is a status.
    """

    kind: Kind
    payment_intent_id: str | None
    order_id: str | None
    ours: str | None
    stripes: str | None
    repaired: bool = False


@dataclass
class Report:
    """What a run saw: PaymentIntents and orders created from `since` (inclusive) to `until` (UTC).

    `free` orders have no PaymentIntent and are not among the `orders`.
    """

    since: datetime
    until: datetime
    payment_intents: int = 0
    orders: int = 0
    free: int = 0
    unrelated: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(
        self,
        kind: Kind,
        payment_intent_id: str | None,
        order_id: str | None,
        ours: str | None,
        stripes: str | None,
        *,
        repaired: bool = False,
    ) -> None:
        """Adds a Difference of these facts."""
        self.differences.append(Difference(kind, payment_intent_id, order_id, ours, stripes, repaired))

    def add_missing_intent(self, order: Order) -> None:
        """Adds that Stripe does not know the order's PaymentIntent."""
        self.add(Kind.MISSING_INTENT, order.payment_intent_id, order.id, str(order.status), None)

    @property
    def open_differences(self) -> list[Difference]:
        """The differences that are still there."""
        return [difference for difference in self.differences if not difference.repaired]

    @property
    def repairable(self) -> list[Difference]:
        """The differences that are still there and that Stripe can settle."""
        return [difference for difference in self.open_differences if difference.kind not in BEYOND_REPAIR]


def differences(
    order: Order, payment_intent: Mapping[str, Any], asked_at: datetime
) -> Iterator[tuple[Kind, str | None, str | None]]:
    """What differs between an order and its PaymentIntent, as it was asked for (UTC): ours and Stripe's."""
    seen = observe(payment_intent, asked_at)
    if order.status is not seen.status:
        yield Kind.STATUS, str(order.status), str(seen.status)
    elif seen.completed_at and order.completed_at is None:
        yield Kind.COMPLETED_AT, None, seen.completed_at.isoformat()
    if differs_in_amount(order, payment_intent):
        money = f"{payment_intent['amount']} {payment_intent['currency']}"
        yield Kind.AMOUNT, f"{order.amount} {order.currency}", money
    charge = payment_intent.get("latest_charge")
    if isinstance(charge, Mapping) and charge["amount_refunded"] != order.amount_refunded:
        yield (
            Kind.REFUNDS,
            f"{order.amount_refunded} {order.currency}",
            f"{charge['amount_refunded']} {payment_intent['currency']}",
        )
    if never_copied(order, payment_intent, asked_at):
        yield Kind.CUSTOMER, None, None


def is_news(order: Order, returned: Mapping[str, Any], asked_at: datetime) -> bool:
    """Whether the order does not know how this refund or dispute stands."""
    if returned["object"] == "dispute":
        return merge_disputes(order.disputes, dispute_from(returned, asked_at)) != order.disputes
    return merge_refunds(order.refunds, [refund_from(returned)]) != order.refunds


def differs_in_amount(order: Order, payment_intent: Mapping[str, Any]) -> bool:
    """Whether the PaymentIntent asks for another amount than the order, or in another currency."""
    return (order.amount, order.currency) != (payment_intent["amount"], payment_intent["currency"])


def saved(report: Report, done_until: datetime, untied: set[str]) -> dict[str, Any]:
    """A run that is walked until an instant (UTC), to be kept; `untied` are orders without PaymentIntent."""
    found = [asdict(difference) | {"kind": str(difference.kind)} for difference in report.differences]
    return {
        "since": report.since,
        "until": report.until,
        "done_until": done_until,
        "payment_intents": report.payment_intents,
        "orders": report.orders,
        "free": report.free,
        "unrelated": report.unrelated,
        "untied": sorted(untied),
        "differences": found,
    }


def restored(state: Mapping[str, Any]) -> tuple[Report, datetime, set[str]]:
    """What `saved` has kept."""
    found = [
        Difference(**{**difference, "kind": Kind(difference["kind"])}) for difference in state["differences"]
    ]
    report = Report(
        since=state["since"],
        until=state["until"],
        payment_intents=state["payment_intents"],
        orders=state["orders"],
        # A run that was begun before these were counted.
        free=state.get("free", 0),
        unrelated=state["unrelated"],
        differences=found,
    )
    return report, state["done_until"], set(state["untied"])
