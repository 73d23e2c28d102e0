"""What Stripe says of a PaymentIntent, brought to its order.

Intents, payment links, webhooks and reconciliation use it and all end at `Orders.move`: whoever hears of a
change first makes it, and the others find it made. Store and gateway are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from lumira.documents import instant_of, mapping_or_empty
from lumira.money import check_amount, currency_code
from lumira.orders import (
    CUSTOMER_METADATA,
    CUSTOMER_NOT_COPIED,
    CUSTOMER_NOT_ERASED,
    NAME_PARTS,
    UNKNOWN_PRODUCT,
    Order,
    OrderStatus,
    TimelineEntry,
    address_of,
    observe,
)
from lumira.refunds import dispute_from, refund_from

if TYPE_CHECKING:
    from lumira.storage import Orders
    from lumira.stripe_gateway import PaymentIntent, StripeGateway

# A create request, retries included, is over by then; until then an order may well have no PaymentIntent.
IN_FLIGHT: Final = timedelta(minutes=15)
# What an order keeps of how its PaymentIntent stands.
_FACTS: Final = ("status", "stripe_status", "amount", "currency", "failure_code", "latest_charge")


def apply_payment_intent(
    orders: Orders,
    gateway: StripeGateway,
    order: Order,
    payment_intent: PaymentIntent,
    at: datetime,
    *,
    by: str,
    attempt_id: str | None = None,
) -> Order:
    """Moves the order to what the PaymentIntent says, seen `at` (UTC), refunds and disputes included.

    Returns the order after. `by` is who looked at the PaymentIntent; with `attempt_id`, an idempotency key,
    it is who caused the change by that request. Refunds and disputes new to us are entered as Stripe's.
    Stripe is asked for the refunds only when the expanded charge says that they differ from ours, for the
    disputes when it says that there are any: it does not say how they stand.
    """
    observation = observe(payment_intent, at)
    moved = orders.move(order, observation, by=by, attempt_id=attempt_id)
    charge = payment_intent.get("latest_charge")
    if isinstance(charge, Mapping) and charge.get("amount_refunded", 0) != order.amount_refunded:
        news = [refund_from(refund) for refund in gateway.list_refunds(payment_intent["id"])]
        moved = orders.add_refunds(order, news, by="stripe", complete=True) or moved
    if isinstance(charge, Mapping) and charge.get("disputed"):
        for dispute in gateway.list_disputes(payment_intent["id"]):
            moved = orders.add_dispute(order, dispute_from(dispute, at)) or moved
    # Where Stripe says something else than the order we were given, somebody may have moved it before us.
    is_news = any(getattr(observation, fact) != getattr(order, fact) for fact in _FACTS)
    if moved or is_news:
        return orders.find(order.id) or order
    return order


def made_around(order: Order) -> tuple[datetime, datetime]:
    """Between which instants Stripe made the order's PaymentIntent, though our clock may run ahead of its."""
    return order.created_at - IN_FLIGHT, order.created_at + IN_FLIGHT


def is_made_for(order: Order, payment_intent: Mapping[str, Any]) -> bool:
    """Whether the PaymentIntent's metadata names this order."""
    return mapping_or_empty(payment_intent.get("metadata")).get("orderId") == order.id


def edited_unknown_to_stripe(order: Order, payment_intent: Mapping[str, Any]) -> dict[str, str]:
    """The customer in the order's metadata where the PaymentIntent names another; else empty.

    An edit is copied to Stripe at once only where the order knows its PaymentIntent: one that was made while
    the create request was unanswered is missing there. Empty too for a customer who was erased, and for an
    old sender's minimal event, which is no whole PaymentIntent.
    """
    if order.erased_at or payment_intent.get("object") != "payment_intent":
        return {}
    known = mapping_or_empty(payment_intent.get("metadata"))
    fields = {name: str(value) for name, value in order.metadata.items() if name in CUSTOMER_METADATA}
    # Stripe keeps no key without a value, and has no room for the parts of some names.
    differs = any(
        text != str(known.get(name) or "") for name, text in fields.items() if name not in NAME_PARTS
    )
    return fields if differs else {}


def order_of(orders: Orders, payment_intent: Mapping[str, Any], *, livemode: bool) -> Order:
    """The order of a PaymentIntent; where there is none it is made, from the metadata.

    An order that still waits for Stripe's answer to our create request is known by metadata.orderId.
    `livemode` counts where the PaymentIntent, of an old sender, says nothing.
    """
    known = orders.find_by_payment_intent(payment_intent["id"])
    if known:
        return known
    metadata = mapping_or_empty(payment_intent.get("metadata"))
    waiting = orders.find(str(metadata.get("orderId")))
    if waiting and not waiting.payment_intent_id:
        tied = orders.set_payment_intent(
            waiting,
            payment_intent["id"],
            str(payment_intent.get("status")),
            livemode=bool(payment_intent.get("livemode", livemode)),
            at=datetime.now(UTC),
        )
        if tied and (tied.erased_at or edited_unknown_to_stripe(tied, payment_intent)):
            # Stripe has the customer as they were before they were edited, or erased.
            kind = CUSTOMER_NOT_ERASED if tied.erased_at else CUSTOMER_NOT_COPIED
            missed = TimelineEntry(at=datetime.now(UTC), kind=kind, by="lumira")
            orders.append(tied, missed)
        # Where another PaymentIntent was tied to it meanwhile, this one has an order of its own.
        if tied := orders.find_by_payment_intent(payment_intent["id"]):
            return tied
    order = order_from(payment_intent, orders.new_id(), livemode)
    if orders.insert(order):
        return order
    return orders.find_by_payment_intent(payment_intent["id"]) or order


def order_from(payment_intent: Mapping[str, Any], order_id: str, livemode: bool) -> Order:
    """A pending order for a PaymentIntent that we did not make, from its metadata (source `stripe`).

    Raises ValueError where it has no amount in minor units, or no currency.
    """
    amount, currency = payment_intent.get("amount"), currency_code(payment_intent.get("currency"))
    check_amount("amount", amount)
    if currency is None:
        raise ValueError("currency: not a code of three letters")
    metadata = mapping_or_empty(payment_intent.get("metadata"))
    at = instant_of(payment_intent.get("created"), datetime.now(UTC))
    return Order(
        id=order_id,
        product_id=str(metadata.get("productId") or metadata.get("level") or UNKNOWN_PRODUCT),
        customer_email=address_of({"metadata": metadata}),
        customer_name=str(metadata.get("customerName") or "") or None,
        amount=amount,
        currency=currency,
        status=OrderStatus.PENDING,
        payment_intent_id=payment_intent["id"],
        created_at=at,
        updated_at=datetime.now(UTC),
        metadata=dict(metadata),
        livemode=bool(payment_intent.get("livemode", livemode)),
        source="stripe",
        created_by="stripe",
        timeline=[TimelineEntry(at=at, kind="order.found_at_stripe", by="stripe")],
    )
