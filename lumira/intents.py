"""PaymentIntents of the house's products: create, refresh, confirm with a test card, cancel, edit.

The order is stored before Stripe is called and carries the idempotency key, so no crash leaves a
PaymentIntent that nobody knows. Store and gateway are handed in.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lumira.access import Actor, Permission, require
from lumira.audit import Action, RecordedActions
from lumira.customer_at_stripe import copy_customer, fitting, owed_to_stripe
from lumira.documents import iso
from lumira.errors import (
    CustomerErased,
    IdempotencyConflict,
    LumiraError,
    OrderNotCancellable,
    OrderNotPayable,
    PaymentFailed,
    StoreRefused,
    StripeConfigError,
    StripeError,
    StripeRefused,
)
from lumira.lifecycle import apply_payment_intent, is_made_for, made_around
from lumira.metrics import INTENTS, counted_by_result
from lumira.orders import (
    CUSTOMER_EDITED,
    CUSTOMER_NOT_COPIED,
    CUSTOMER_NOT_ERASED,
    FREE_PREFIX,
    REFUSED,
    Observation,
    Order,
    OrderStatus,
    TimelineEntry,
    observe,
)
from lumira.stripe_pace import every_page
from lumira.validation import (
    METADATA_VALUE_LENGTH,
    CustomerEdit,
    IntentRequest,
    check_idempotency_key,
    parse_customer_changes,
    parse_customer_edit,
    parse_request,
)

if TYPE_CHECKING:
    from lumira.storage import AuditLog, Orders
    from lumira.stripe_gateway import PaymentIntent, StripeGateway

STATEMENT_DESCRIPTOR_SUFFIX: Final = "ORACLE LUMIRA"
# Stripe's code for what a PaymentIntent no longer allows: https://docs.stripe.com/error-codes
UNEXPECTED_STATE: Final = "payment_intent_unexpected_state"

# These differ between a request and its repeat.
_PER_REQUEST: Final = frozenset({"timestamp", "requestId", "orderId"})


@dataclass(frozen=True)
class CreatedIntent:
    """The answer to a request: `order_id` is the PaymentIntent's id (or `free_…`), `amount` minor units."""

    client_secret: str
    order_id: str
    amount: int
    currency: str
    product_name: str


def payment_intent_parameters(order: Order) -> dict[str, Any]:
    """What Stripe is asked for this order: the same each time, unless its customer was edited meanwhile.

    Contract: the text on the bank statement is ORACLE LUMIRA. Stripe refuses `statement_descriptor` on
    PaymentIntents that cards may pay and takes `statement_descriptor_suffix`, which it puts behind the
    account's own prefix (https://docs.stripe.com/get-started/account/statement-descriptors): of at most seven
    characters, for the whole of prefix, `* ` and suffix may have 22.
    """
    return {
        "amount": order.amount,
        "currency": order.currency,
        "automatic_payment_methods": {"enabled": True},
        "description": f"Oracle Lumira - {order.product_name}",
        "statement_descriptor_suffix": STATEMENT_DESCRIPTOR_SUFFIX,
        "metadata": fitting({key: str(value) for key, value in order.metadata.items()}),
    }


class Intents:
    """The life of PaymentIntents for people and programs. `orders` and `gateway` are the two edges.

    Every method raises StoreUnavailable, and Forbidden when the actor's role does not allow it; those that
    ask Stripe raise StripeError.
    """

    def __init__(
        self,
        orders: Orders,
        gateway: StripeGateway,
        audit: AuditLog,
        *,
        return_url: str,
    ) -> None:
        self._orders = orders
        self._gateway = gateway
        self._recorded = RecordedActions(audit, orders)
        self._return_url = return_url
        self._recorder = ThreadPoolExecutor(thread_name_prefix="audit")

    @counted_by_result(INTENTS)
    def create(
        self,
        body: object,
        *,
        actor: Actor,
        source: str,
        idempotency_key: str | None = None,
        request_id: str = "",
    ) -> CreatedIntent:
        """Creates the order and its PaymentIntent for the body of a create request.

        A repeat with the same `idempotency_key` answers the same and finishes what a crash cut short; only
        the amount is Stripe's, where somebody changed it there since. With another body it raises
        IdempotencyConflict. Raises what `parse_request` raises, StripeError, and PaymentFailed.
        """
        require(actor, Permission.CREATE_INTENT)
        request = parse_request(body)
        check_idempotency_key(idempotency_key)
        if not request.product.is_free and not self._gateway.is_configured:
            raise StripeConfigError("No Stripe key is configured. Set STRIPE_SECRET_KEY and start again.")
        order = self._new_order(request, actor, source, idempotency_key or uuid.uuid4().hex, request_id)
        if not self._orders.insert(order):
            first = self._orders.find_by_attempt(str(order.attempt_id))
            if first is None:
                raise StoreRefused("The order store refuses the order: `lumira doctor` says which index.")
            if first.livemode not in (None, order.livemode) or not _same_request(first, order):
                raise IdempotencyConflict(
                    "This idempotency key was used for another request. Use a new key for a new payment."
                )
            if first.status is OrderStatus.CANCELLED and not first.payment_intent_id:
                raise IdempotencyConflict(
                    "The first request with this idempotency key never reached Stripe and was given up: "
                    "nothing can be paid with it. Use a new key for a new payment."
                )
            # A crash may have come between the order and its audit entry.
            self._record_creation(actor, first, request_id)
            return self._answer_again(first)
        # The audit entry is written while Stripe is asked, and stands before we answer. In the log it belongs
        # to this request.
        recorded = self._recorder.submit(copy_context().run, self._record_creation, actor, order, request_id)
        try:
            return _answer(order, "") if order.is_free else self._finish_creation(order)
        finally:
            recorded.result()

    def _record_creation(self, actor: Actor, order: Order, request_id: str) -> None:
        self._recorded.action(
            actor, Action.CREATE_INTENT, None, order, attempt_id=order.attempt_id, request_id=request_id
        )

    def _answer_again(self, order: Order) -> CreatedIntent:
        """The answer to a repeated request, whose first may have been cut short anywhere."""
        if order.is_free:
            return _answer(order, "")
        if order.payment_intent_id:
            payment_intent = self._gateway.retrieve_payment_intent(order.payment_intent_id)
            # What the customer will be charged, where somebody changed it at Stripe since.
            charged = {name: payment_intent[name] for name in ("amount", "currency")}
            return _answer(order.model_copy(update=charged), payment_intent["client_secret"])
        return self._finish_creation(order)

    def _finish_creation(self, order: Order) -> CreatedIntent:
        parameters = payment_intent_parameters(order)
        try:
            payment_intent = self._gateway.create_payment_intent(parameters, str(order.attempt_id))
        except IdempotencyConflict:
            # Stripe made it and its answer was lost; the customer, and so our request, was edited since.
            made = self._payment_intent_made_for(order)
            if made is None:
                raise
            self._copy_to_stripe(order, made["id"], parameters["metadata"])
            payment_intent = {**made, "metadata": parameters["metadata"]}
        except (PaymentFailed, StripeConfigError, StripeRefused) as refusal:
            # Stripe has answered no. After any other error we can't know, and the order stays pending.
            self._note_refusal(order, refusal)
            raise
        tied = self._orders.set_payment_intent(
            order,
            payment_intent["id"],
            payment_intent["status"],
            livemode=payment_intent["livemode"],
            at=datetime.now(UTC),
        )
        if tied and (missed := owed_to_stripe(tied, payment_intent)):
            # Its customer was edited or erased while Stripe was asked, by somebody who knew no PaymentIntent.
            self._copy_to_stripe(tied, payment_intent["id"], missed)
        if order.status is OrderStatus.FAILED:
            self._orders.move(order, observe(payment_intent, datetime.now(UTC)), by="lumira")
        return _answer(
            order.model_copy(update={"payment_intent_id": payment_intent["id"]}),
            payment_intent["client_secret"],
        )

    def _payment_intent_made_for(self, order: Order) -> PaymentIntent | None:
        """The PaymentIntent that Stripe made for this order, by its metadata."""
        for page in every_page(partial(self._gateway.list_payment_intents, *made_around(order))):
            for payment_intent in page:
                if is_made_for(order, payment_intent):
                    return payment_intent
        return None

    def _note_refusal(self, order: Order, refusal: LumiraError) -> None:
        refused = Observation(
            status=OrderStatus.FAILED,
            stripe_status=REFUSED,
            at=datetime.now(UTC),
            failure_code=refusal.extra.get("stripeCode", refusal.code),
            failure_message=refusal.message,
        )
        self._orders.move(order, refused, by="stripe")

    def _new_order(
        self, request: IntentRequest, actor: Actor, source: str, attempt_id: str, request_id: str
    ) -> Order:
        now = datetime.now(UTC)
        order_id = self._orders.new_id()
        product = request.product
        metadata: dict[str, Any] = {
            **request.metadata,
            "productId": product.id,
            "productName": product.name,
            "level": str(product.level),
            "customerEmail": request.email or "",
            "customerName": request.name or "",
            "customerPhone": request.phone or "",
            "source": source,
            "timestamp": iso(now),
            "requestId": request_id[:METADATA_VALUE_LENGTH],
            "orderId": order_id,
        }
        # No caller may set this one either: other programs give away what is marked as free.
        metadata.pop("freeProduct", None)
        if product.is_free:
            metadata["freeProduct"] = True
        return Order(
            id=order_id,
            product_id=product.id,
            customer_email=request.email,
            customer_name=request.name,
            amount=product.amount,
            currency=product.currency,
            status=OrderStatus.COMPLETED if product.is_free else OrderStatus.PENDING,
            payment_intent_id=f"{FREE_PREFIX}{uuid.uuid4().hex}" if product.is_free else None,
            created_at=now,
            updated_at=now,
            completed_at=now if product.is_free else None,
            metadata=metadata,
            livemode=self._gateway.livemode,
            attempt_id=attempt_id,
            request_digest=request.digest,
            source=source,
            created_by=actor.name,
            timeline=[TimelineEntry(at=now, kind="order.created", by=actor.name)],
        )

    def find(self, order_id: str, *, actor: Actor) -> Order:
        """The order of a PaymentIntent id, a `free_…` id or an `_id`. Raises OrderNotFound."""
        require(actor, Permission.BROWSE)
        return self._orders.find_by_payment_intent(order_id) or self._orders.get(order_id)

    def find_by_attempt(self, attempt_id: str, *, actor: Actor) -> Order | None:
        """The order that was asked for with this idempotency key; None when there is none."""
        require(actor, Permission.BROWSE)
        return self._orders.find_by_attempt(attempt_id)

    def client_secret(self, order_id: str, *, actor: Actor) -> str:
        """The client secret with which a checkout pays this order, "" for one that never went to Stripe.

        It is kept nowhere: Stripe is asked. Raises OrderNotFound.
        """
        require(actor, Permission.CREATE_INTENT)
        order = self.find(order_id, actor=actor)
        if not order.stripe_payment_intent_id:
            return ""
        # Once: a page waits for the answer, and asks again when it is drawn anew.
        payment_intent = self._gateway.retrieve_payment_intent(order.stripe_payment_intent_id, once=True)
        return str(payment_intent["client_secret"])

    def refresh(self, order_id: str, *, actor: Actor, attempt_id: str | None = None) -> Order:
        """The order after asking Stripe how its PaymentIntent stands now. Raises OrderNotFound.

        `attempt_id` is the idempotency key of the actor's own request, where they ask what came of that.
        """
        require(actor, Permission.REFRESH)
        order = self.find(order_id, actor=actor)
        if not order.stripe_payment_intent_id:
            return order
        asked_at = datetime.now(UTC)
        # Once: without an answer the caller shows the stored order, and asks again.
        payment_intent = self._gateway.retrieve_payment_intent(order.stripe_payment_intent_id, once=True)
        return self._apply(order, payment_intent, asked_at, actor, attempt_id)

    def confirm(
        self,
        order_id: str,
        payment_method: str,
        *,
        actor: Actor,
        return_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> Order:
        """Pays the order with one of Stripe's test payment methods; the order as it stands afterwards.

        `return_url` is where the bank's page leads back to, the desk by default. A decline raises
        PaymentFailed after the order has noted it. Raises OrderNotPayable for an order that is free, final
        or live, and for one that is meanwhile being paid or was cancelled; one that somebody else has paid
        meanwhile is answered as it stands.
        """
        require(actor, Permission.CONFIRM_TEST)
        order = self.find(order_id, actor=actor)
        if self._gateway.livemode or order.livemode:
            raise OrderNotPayable("Test cards pay test orders only; this one is live.")
        if order.status.is_final or not order.stripe_payment_intent_id:
            raise OrderNotPayable(f"The order is {order.status}: there is nothing left to pay.")
        asked_at = datetime.now(UTC)
        key = idempotency_key or uuid.uuid4().hex
        try:
            with self._recorded.unanswered(actor, Action.CONFIRM_TEST, order, payment_method, key):
                payment_intent = self._gateway.confirm_payment_intent(
                    order.stripe_payment_intent_id, payment_method, key, return_url or self._return_url
                )
        except StripeRefused as error:
            order = self._overtaken(error, order_id, actor)
            if order.status is OrderStatus.COMPLETED:
                return order
            raise OrderNotPayable(
                f"Stripe no longer takes a payment for this order: it is {order.status}."
            ) from error
        except PaymentFailed:
            declined = order
            with suppress(StripeError):  # the decline stands; its webhook brings it to the order too
                declined = self.refresh(order_id, actor=actor, attempt_id=key)
            self._recorded.action(actor, Action.CONFIRM_TEST, order, declined, payment_method, key)
            raise
        paid = self._apply(order, payment_intent, asked_at, actor, key)
        self._recorded.action(actor, Action.CONFIRM_TEST, order, paid, payment_method, key)
        return paid

    def cancel(
        self,
        order_id: str,
        *,
        actor: Actor,
        reason: str = "requested_by_customer",
    ) -> Order:
        """Cancels the PaymentIntent and the order; cancelling twice is the same as once.

        `reason` is one of Stripe's: duplicate, fraudulent, requested_by_customer, abandoned. Raises
        OrderNotCancellable when the order is free or paid, or has no PaymentIntent.
        """
        require(actor, Permission.CANCEL)
        order = self.find(order_id, actor=actor)
        if order.status is OrderStatus.CANCELLED:
            return order
        if order.status.is_final or not order.stripe_payment_intent_id:
            raise OrderNotCancellable(
                f"The order is {order.status}: only an order that waits for its payment can be cancelled."
            )
        asked_at, key = datetime.now(UTC), uuid.uuid4().hex
        try:
            with self._recorded.unanswered(actor, Action.CANCEL, order, reason):
                payment_intent = self._gateway.cancel_payment_intent(
                    order.stripe_payment_intent_id, reason, key
                )
        except StripeRefused as error:
            order = self._overtaken(error, order_id, actor)
            if order.status is OrderStatus.CANCELLED:
                return order
            raise OrderNotCancellable(
                f"Stripe no longer allows to cancel this payment: the order is {order.status}."
            ) from error
        cancelled = self._apply(order, payment_intent, asked_at, actor, key)
        self._recorded.action(actor, Action.CANCEL, order, cancelled, reason)
        return cancelled

    def _overtaken(self, refusal: StripeRefused, order_id: str, actor: Actor) -> Order:
        """The order as Stripe has it now, where Stripe refused because the payment had moved on meanwhile.

        Any other refusal is raised again.
        """
        if refusal.extra.get("stripeCode") != UNEXPECTED_STATE:
            raise refusal
        return self.refresh(order_id, actor=actor)

    def edit_customer(self, order_id: str, body: object, *, actor: Actor, request_id: str = "") -> Order:
        """Changes the customer's address, name and phone on the order and on its PaymentIntent.

        The order is changed even when Stripe can't be reached; its timeline then says so. Raises what
        `parse_customer_edit` raises, OrderNotFound, and CustomerErased.
        """
        require(actor, Permission.EDIT_CUSTOMER)
        return self._edit_customer(order_id, parse_customer_edit(body), actor, request_id)

    def correct_customer(self, order_id: str, changes: object, *, actor: Actor) -> Order:
        """`edit_customer` with only what changes: the rest stays as it is stored, even where it is missing.

        Raises what `parse_customer_changes` raises, OrderNotFound, and CustomerErased.
        """
        require(actor, Permission.EDIT_CUSTOMER)
        return self._edit_customer(order_id, parse_customer_changes(changes), actor)

    def _edit_customer(self, order_id: str, edit: CustomerEdit, actor: Actor, request_id: str = "") -> Order:
        order = self.find(order_id, actor=actor)
        fields = edit.metadata(order.names)
        entry = TimelineEntry(at=datetime.now(UTC), kind=CUSTOMER_EDITED, by=actor.name)
        while not self._orders.edit_customer(order, fields, entry):
            order = self._orders.get(order.id)
            if order.erased_at:
                raise CustomerErased("The customer of this order was erased. Create another order instead.")
            # A colleague has corrected the name since it was read: our part of it joins theirs.
            fields = edit.metadata(order.names)
        # Stripe may have answered the create request while we wrote.
        tied = order if order.payment_intent_id else self._orders.find(order.id)
        if tied and tied.stripe_payment_intent_id:
            self._copy_to_stripe(tied, tied.stripe_payment_intent_id, fields)
        return self._recorded.afterwards(actor, Action.EDIT_CUSTOMER, order, request_id=request_id)

    def _copy_to_stripe(self, order: Order, payment_intent_id: str, fields: Mapping[str, str]) -> None:
        """Writes metadata of the order to its PaymentIntent; the timeline notes when that failed."""
        try:
            copy_customer(self._orders, self._gateway, order, payment_intent_id, fields)
        except StripeError as error:
            kind = CUSTOMER_NOT_ERASED if order.erased_at else CUSTOMER_NOT_COPIED
            missed = TimelineEntry(at=datetime.now(UTC), kind=kind, by="lumira", note=error.message)
            self._orders.append(order, missed)

    def _apply(
        self,
        order: Order,
        payment_intent: PaymentIntent,
        at: datetime,
        actor: Actor,
        attempt_id: str | None = None,
    ) -> Order:
        return apply_payment_intent(
            self._orders, self._gateway, order, payment_intent, at, by=actor.name, attempt_id=attempt_id
        )


def _same_request(first: Order, second: Order) -> bool:
    if first.request_digest:
        return first.request_digest == second.request_digest

    # Orders of earlier versions are known by their metadata alone.
    def wanted(order: Order) -> dict[str, Any]:
        return {key: value for key, value in order.metadata.items() if key not in _PER_REQUEST}

    return wanted(first) == wanted(second)


def _answer(order: Order, client_secret: str) -> CreatedIntent:
    return CreatedIntent(
        client_secret=client_secret,
        order_id=str(order.payment_intent_id),
        amount=order.amount,
        currency=order.currency,
        product_name=order.product_name,
    )
