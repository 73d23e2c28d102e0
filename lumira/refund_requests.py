"""Refunds that we ask Stripe for: full or in part, each once, however often it is asked for.

What is asked for is noted on the order before Stripe is asked, with the idempotency key: a lost answer can be
asked for again by anybody, and no second refund begins until the first is known.
https://docs.stripe.com/api/idempotent_requests
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lumira.access import Actor, Permission, require
from lumira.audit import Action, RecordedActions
from lumira.errors import (
    NOT_TRIED,
    LumiraError,
    OrderNotRefundable,
    PaymentFailed,
    RefundUnanswered,
    StripeRefused,
)
from lumira.money import format_money, is_amount
from lumira.orders import REFUND_REFUSED, REFUND_REQUESTED, Order, OrderStatus, TimelineEntry
from lumira.refunds import refund_from
from lumira.validation import check_idempotency_key

if TYPE_CHECKING:
    from lumira.intents import Intents
    from lumira.storage import AuditLog, Orders
    from lumira.stripe_gateway import StripeGateway


class RefundRequests:
    """Refunds for people. Every method raises StoreUnavailable, StripeError, and Forbidden when the actor's
    role does not allow it.
    """

    def __init__(
        self,
        orders: Orders,
        intents: Intents,
        gateway: StripeGateway,
        audit: AuditLog,
    ) -> None:
        self._orders = orders
        self._intents = intents
        self._gateway = gateway
        self._recorded = RecordedActions(audit, orders)

    def create(
        self,
        order_id: str,
        amount: int | None = None,
        *,
        actor: Actor,
        reason: str | None = "requested_by_customer",
        note: str | None = None,
        idempotency_key: str | None = None,
        left: int | None = None,
    ) -> Order:
        """Refunds `amount` minor units of the order, all that is left by default; the order afterwards.

        A refund is an amount on the order, whose status stays completed. `reason` is one of Stripe's:
        duplicate, fraudulent, requested_by_customer, or None. A repeat with the same `idempotency_key`
        asks for the same once more and refunds once. `left` is what can be refunded, in minor units, as the
        person who asks was shown it. Raises OrderNotFound; OrderNotRefundable when the order is free or not
        paid, when `amount` is no whole number, when less than it is left, or another amount than `left`; and
        RefundUnanswered while nobody knows what came of an earlier request, which `finish` finds out.
        """
        require(actor, Permission.REFUND)
        check_idempotency_key(idempotency_key)
        order = self._intents.refresh(order_id, actor=actor)
        if order.status is not OrderStatus.COMPLETED or not order.stripe_payment_intent_id:
            raise OrderNotRefundable(
                f"The order is {'free' if order.is_free else order.status}: there is nothing to refund.",
                refundable=0,
            )
        if amount is not None and not is_amount(amount):
            # pydantic would take True for one cent, and text for a number.
            raise OrderNotRefundable(
                f"Whole minor units can be refunded, at most {order.net}: not {amount!r}.",
                refundable=order.net,
            )
        key = idempotency_key or uuid.uuid4().hex
        wanted = TimelineEntry(
            at=datetime.now(UTC),
            kind=REFUND_REQUESTED,
            by=actor.name,
            attempt_id=key,
            amount=amount,
            code=reason,
            note=note or reason,
        )
        request, is_first = self._note_request(order, wanted, left)
        if any(refund.attempt_id == key for refund in order.refunds):
            # Stripe forgets an idempotency key after a day, but not the refund.
            return self._recorded.afterwards(actor, Action.REFUND, order, request.note, key)
        # A repeat asks for what was asked first, whatever is left by now and whoever finishes it.
        metadata = {"orderId": order.id, "requestedBy": request.by, "attemptId": key}
        try:
            with self._recorded.unanswered(actor, Action.REFUND, order, request.note, key):
                refund = self._gateway.create_refund(
                    order.stripe_payment_intent_id, request.amount or 0, request.code, metadata, key
                )
        # PaymentFailed is no decline of a card here: Stripe refuses the refund.
        except (StripeRefused, PaymentFailed) as error:
            self._note_refusal(order, request, error)
            raise OrderNotRefundable(error.message, refundable=order.net) from error
        except NOT_TRIED as error:
            # This try did nothing; an earlier one with this key may have.
            if is_first:
                self._note_refusal(order, request, error)
            raise
        self._orders.add_refunds(order, [refund_from(refund)], by=request.by, note=note)
        return self._recorded.afterwards(actor, Action.REFUND, order, request.note, key)

    def finish(self, order_id: str, *, actor: Actor) -> Order:
        """Finds out what came of a refund that Stripe did not answer, and makes it if it was not made.

        The same request with the same idempotency key: no second refund. An order without one is left as it
        is. Raises what `create` raises.
        """
        require(actor, Permission.REFUND)
        order = self._intents.refresh(order_id, actor=actor)
        request = order.unanswered_refund
        if request is None:
            return order
        return self.create(
            order.id,
            actor=actor,
            note=request.note if request.note != request.code else None,
            idempotency_key=request.attempt_id,
        )

    def _note_refusal(self, order: Order, request: TimelineEntry, refusal: LumiraError) -> None:
        refused = TimelineEntry(
            at=datetime.now(UTC),
            kind=REFUND_REFUSED,
            by="stripe",
            attempt_id=request.attempt_id,
            amount=request.amount,
            note=refusal.message,
        )
        self._orders.append(order, refused)

    def _note_request(
        self, order: Order, wanted: TimelineEntry, left: int | None
    ) -> tuple[TimelineEntry, bool]:
        """Notes on the order what Stripe is about to be asked, so that a lost answer can be asked for again.

        `wanted` without an amount is for all that is left. Returns the entry, and whether its key asks for
        the first time. A key that has asked before asks for the same again, and is noted again where Stripe
        has refused it since. Of two who read the same order one writes first; the other reads it again.
        """
        key = wanted.attempt_id
        while True:
            told = [entry for entry in order.timeline if entry.attempt_id == key]
            asked = next((entry for entry in reversed(told) if entry.kind == REFUND_REQUESTED), None)
            is_made = any(refund.attempt_id == key for refund in order.refunds)
            if asked and (is_made or told[-1] is asked):
                return asked, False
            if unanswered := order.unanswered_refund:
                raise RefundUnanswered(
                    f"Stripe has not said what came of the refund of "
                    f"{format_money(unanswered.amount or 0, order.currency, 'en')}. Finish that one first.",
                    amount=unanswered.amount,
                )
            if asked:
                wanted = asked.model_copy(update={"by": wanted.by})
            elif left is not None and left != order.net:
                # A colleague may have answered the same complaint meanwhile.
                raise OrderNotRefundable(
                    f"{format_money(order.net, order.currency, 'en')} can be refunded now, another amount "
                    "than was shown. Look at the order again.",
                    refundable=order.net,
                )
            amount = order.net if wanted.amount is None else wanted.amount
            if not 0 < amount <= order.net:
                raise OrderNotRefundable(
                    f"At most {format_money(order.net, order.currency, 'en')} can still be refunded.",
                    refundable=order.net,
                )
            request = wanted.model_copy(update={"at": datetime.now(UTC), "amount": amount})
            if self._orders.append_if_unchanged(order, request):
                return request, True
            order = self._orders.get(order.id)
