"""Stripe's webhook deliveries: verify → record → apply → settle.

An event is settled only when its work is done, so a failure is a failed delivery that Stripe repeats. Events
arrive twice, late and out of order; the order ends the same (https://docs.stripe.com/webhooks#best-practices).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from lumira.errors import EventInProgress, LumiraError, StripeError, WebhookNotConfigured
from lumira.orders import UNKNOWN_PRODUCT, Order, OrderStatus, TimelineEntry, observe

if TYPE_CHECKING:
    from lumira.storage import Events, Orders
    from lumira.stripe_gateway import Event, PaymentIntent, StripeGateway

# The PaymentIntent status an event's type implies, for senders whose events carry none.
STATUS_BY_TYPE: Final = {
    "payment_intent.succeeded": "succeeded",
    "payment_intent.processing": "processing",
    "payment_intent.payment_failed": "requires_payment_method",
    "payment_intent.canceled": "canceled",
}
_FINAL_TYPES: Final = frozenset({"payment_intent.succeeded", "payment_intent.canceled"})
# How long a delivery waits for another worker that handles the same event, in seconds.
_PATIENCE: Final = 5.0


@dataclass(frozen=True)
class Receipt:
    """The answer to a delivery; `duplicate` when the event had been handled before."""

    duplicate: bool


class Webhooks:
    """Handles deliveries. `verify` turns raw bytes, header and secret into an event or raises."""

    def __init__(
        self,
        events: Events,
        orders: Orders,
        gateway: StripeGateway,
        *,
        secret: str | None,
        verify: Callable[[bytes, str | None, str], Event],
    ) -> None:
        self._events = events
        self._orders = orders
        self._gateway = gateway
        self._secret = secret
        self._verify = verify

    def receive(self, payload: bytes, signature: str | None) -> Receipt:
        """Handles one delivery of raw bytes.

        Raises WebhookNotConfigured, InvalidSignature or InvalidEvent before anything is stored;
        StoreUnavailable when the ledger can't be reached, with no work done blind; and whatever made the
        handling fail, after the ledger has noted it. Stripe repeats the delivery of every error.
        """
        if self._secret is None:
            raise WebhookNotConfigured(
                "No webhook secret is configured. Set STRIPE_WEBHOOK_SECRET to the endpoint's signing secret."
            )
        event = self._verify(payload, signature, self._secret)
        if not self._claim(event):
            return Receipt(duplicate=True)
        try:
            outcome = self._apply(event)
        except Exception as error:
            reason = error.message if isinstance(error, LumiraError) else type(error).__name__
            self._events.fail(event["id"], reason)
            raise
        self._events.settle(event["id"], outcome)
        return Receipt(duplicate=False)

    def _claim(self, event: Event) -> bool:
        deadline = time.monotonic() + _PATIENCE
        while (claim := self._events.claim(event)) == "busy":
            if time.monotonic() > deadline:
                raise EventInProgress("Another worker is handling this event; deliver it again later.")
            time.sleep(0.02)
        return claim == "ours"

    def _apply(self, event: Event) -> str:
        """Does what the event asks for and says so in a word."""
        if event.get("livemode") not in (None, self._gateway.livemode):
            return "other livemode"
        if event["type"] not in STATUS_BY_TYPE:
            return "ignored"
        created = event.get("created")
        at = datetime.fromtimestamp(created, UTC) if isinstance(created, int) else datetime.now(UTC)
        payment_intent = _with_status(event)
        if event["type"] not in _FINAL_TYPES:
            # These states may have changed since: what Stripe says now is worth more than the event.
            asked_at = datetime.now(UTC)
            try:
                payment_intent = self._gateway.retrieve_payment_intent(payment_intent["id"])
                at = asked_at
            except StripeError:
                pass
        order = self._order_of(payment_intent)
        moved = self._orders.move(order, observe(payment_intent, at), by="stripe", event_id=event["id"])
        return "applied" if moved else "unchanged"

    def _order_of(self, payment_intent: PaymentIntent) -> Order:
        """The order of a PaymentIntent: known, waiting for its id, or made from the metadata."""
        known = self._orders.find_by_payment_intent(payment_intent["id"])
        if known:
            return known
        metadata = payment_intent.get("metadata") or {}
        waiting = self._orders.find(str(metadata.get("orderId")))
        if waiting and not waiting.payment_intent_id:
            # The event overtook the answer to our own create request.
            self._orders.set_payment_intent(
                waiting.id,
                payment_intent["id"],
                str(payment_intent.get("status")),
                livemode=bool(payment_intent.get("livemode", self._gateway.livemode)),
                at=datetime.now(UTC),
            )
            return self._orders.find_by_payment_intent(payment_intent["id"]) or waiting
        order = order_from(payment_intent, self._orders.new_id(), self._gateway.livemode)
        if self._orders.insert(order):
            return order
        return self._orders.find_by_payment_intent(payment_intent["id"]) or order


def order_from(payment_intent: Mapping[str, Any], order_id: str, livemode: bool) -> Order:
    """A pending order for a PaymentIntent that we did not make, from its metadata (source `stripe`)."""
    metadata = payment_intent.get("metadata") or {}
    created = payment_intent.get("created")
    at = datetime.fromtimestamp(created, UTC) if isinstance(created, int) else datetime.now(UTC)
    return Order(
        id=order_id,
        product_id=str(metadata.get("productId") or metadata.get("level") or UNKNOWN_PRODUCT),
        customer_email=str(metadata.get("customerEmail") or "").strip().lower() or None,
        customer_name=str(metadata.get("customerName") or "") or None,
        amount=int(payment_intent.get("amount") or 0),
        currency=str(payment_intent.get("currency") or "eur").lower(),
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


def _with_status(event: Event) -> PaymentIntent:
    """The event's PaymentIntent; where a minimal sender left the status out, the type implies it."""
    payment_intent = dict(event["data"]["object"])
    if not payment_intent.get("status"):
        payment_intent["status"] = STATUS_BY_TYPE[event["type"]]
        if event["type"] == "payment_intent.payment_failed":
            payment_intent.setdefault("last_payment_error", {"code": "payment_failed"})
    return payment_intent
