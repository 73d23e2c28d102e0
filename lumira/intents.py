"""PaymentIntents of the house's products: create, refresh, confirm with a test card, cancel.

The order is stored before Stripe is called and carries the idempotency key, so no crash leaves a
PaymentIntent that nobody knows. Store and gateway are handed in.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from lumira.access import Actor, Permission, require
from lumira.catalog import CATALOG, Product
from lumira.errors import (
    IdempotencyConflict,
    InvalidCustomer,
    InvalidEmail,
    InvalidIdempotencyKey,
    InvalidMetadata,
    InvalidRequestBody,
    MissingProductId,
    OrderNotCancellable,
    OrderNotFound,
    OrderNotPayable,
    PaymentFailed,
    ProductNotAvailable,
    ProductNotFound,
    StripeConfigError,
    StripeServiceError,
)
from lumira.orders import (
    FREE_PREFIX,
    REFUSED,
    Observation,
    Order,
    OrderStatus,
    Page,
    TimelineEntry,
    observe,
)

if TYPE_CHECKING:
    from lumira.storage import Orders
    from lumira.stripe_gateway import PaymentIntent, StripeGateway

# https://docs.stripe.com/api/metadata
METADATA_KEYS: Final = 50
METADATA_KEY_LENGTH: Final = 40
METADATA_VALUE_LENGTH: Final = 500
# https://docs.stripe.com/api/idempotent_requests
IDEMPOTENCY_KEY_LENGTH: Final = 255
STATEMENT_DESCRIPTOR_SUFFIX: Final = "ORACLE LUMIRA"

_ADDRESS: Final = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)+")
# Ours on every PaymentIntent; a caller's metadata can never replace them.
_OWN_METADATA: Final = (
    "productId",
    "productName",
    "level",
    "customerEmail",
    "customerName",
    "customerPhone",
    "source",
    "timestamp",
    "requestId",
    "orderId",
)
# These differ between a request and its repeat.
_PER_REQUEST: Final = frozenset({"timestamp", "requestId", "orderId"})


@dataclass(frozen=True)
class IntentRequest:
    """A checked request for a PaymentIntent; the e-mail is lower case, absent values are None."""

    product: Product
    email: str | None
    name: str | None
    phone: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class CreatedIntent:
    """The answer to a request: `order_id` is the PaymentIntent's id (or `free_…`), `amount` minor units."""

    client_secret: str
    order_id: str
    amount: int
    currency: str
    product_name: str


def parse_request(body: object) -> IntentRequest:
    """Checks the body of a create request in the contract's order and returns what it asks for.

    Raises InvalidRequestBody, MissingProductId, ProductNotFound, ProductNotAvailable, InvalidEmail,
    InvalidCustomer or InvalidMetadata.
    """
    if not isinstance(body, Mapping) or not body:
        raise InvalidRequestBody("Send a JSON object with at least a productId.")
    product_id = body.get("productId")
    if not product_id:
        raise MissingProductId(
            f"Name one of the products: {', '.join(CATALOG)}.", validProductIds=list(CATALOG)
        )
    product = CATALOG.get(product_id) if isinstance(product_id, str) else None
    if product is None:
        raise ProductNotFound(f"Product '{product_id}' does not exist", validProductIds=list(CATALOG))
    if product.coming_soon:
        raise ProductNotAvailable(f"{product.name} is announced and can't be sold yet.")
    email = _email(body.get("customerEmail"))
    name = _customer_text(body.get("customerName"), "customerName")
    phone = _customer_text(body.get("customerPhone"), "customerPhone")
    return IntentRequest(product, email, name, phone, _metadata(body.get("metadata")))


def _email(value: object) -> str | None:
    if value is None or value == "":
        return None
    address = value.strip().lower() if isinstance(value, str) else ""
    if len(address) > 254 or not _ADDRESS.fullmatch(address) or not _is_storable(address):
        raise InvalidEmail("customerEmail must be an address such as name@example.com.")
    return address


def _customer_text(value: object, field: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value.strip()) > METADATA_VALUE_LENGTH or not _is_storable(value):
        raise InvalidCustomer(f"{field} must be text of at most {METADATA_VALUE_LENGTH} characters.")
    return value.strip() or None


def _metadata(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidMetadata("metadata must be an object of text to text.")
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise InvalidMetadata(f"metadata.{key} must be text.")
        if not 0 < len(key) <= METADATA_KEY_LENGTH or set(key) & set("[]") or not _is_storable(key):
            raise InvalidMetadata(
                f"A metadata key has 1 to {METADATA_KEY_LENGTH} characters and no square brackets."
            )
        if len(text) > METADATA_VALUE_LENGTH or not _is_storable(text):
            raise InvalidMetadata(f"metadata.{key} is longer than {METADATA_VALUE_LENGTH} characters.")
    if len(set(value) | set(_OWN_METADATA)) > METADATA_KEYS:
        most = METADATA_KEYS - len(_OWN_METADATA)
        raise InvalidMetadata(f"At most {most} metadata keys: Stripe takes {METADATA_KEYS}, ours included.")
    return dict(value)


def _is_storable(text: str) -> bool:
    """Neither a NUL, which BSON forbids in keys, nor half a surrogate pair, which UTF-8 forbids."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def payment_intent_parameters(order: Order) -> dict[str, Any]:
    """What Stripe is asked for this order; the same order always gives the same request.

    Contract: the text on the bank statement is ORACLE LUMIRA. Stripe refuses `statement_descriptor` on
    PaymentIntents that cards may pay and takes `statement_descriptor_suffix`, which it puts behind the
    account's own prefix (https://docs.stripe.com/get-started/account/statement-descriptors).
    """
    return {
        "amount": order.amount,
        "currency": order.currency,
        "automatic_payment_methods": {"enabled": True},
        "description": f"Oracle Lumira - {order.product_name}",
        "statement_descriptor_suffix": STATEMENT_DESCRIPTOR_SUFFIX,
        "metadata": {key: str(value) for key, value in order.metadata.items()},
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
        *,
        return_url: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._orders = orders
        self._gateway = gateway
        self._return_url = return_url
        self._clock = clock

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

        A repeat with the same `idempotency_key` answers the same, finishing what a crash cut short; with
        another body it raises IdempotencyConflict. Raises what `parse_request` raises, StripeError, and
        PaymentFailed.
        """
        require(actor, Permission.CREATE_INTENT)
        request = parse_request(body)
        if idempotency_key is not None and not 0 < len(idempotency_key) <= IDEMPOTENCY_KEY_LENGTH:
            raise InvalidIdempotencyKey(f"An idempotency key has 1 to {IDEMPOTENCY_KEY_LENGTH} characters.")
        if not request.product.is_free and not self._gateway.is_configured:
            raise StripeConfigError("No Stripe key is configured. Set STRIPE_SECRET_KEY and start again.")
        order = self._new_order(request, actor, source, idempotency_key or uuid.uuid4().hex, request_id)
        if not self._orders.insert(order):
            first = self._orders.find_by_attempt(str(order.attempt_id))
            if first is None or not _same_request(first, order):
                raise IdempotencyConflict(
                    "This idempotency key was used for another request. Use a new key for a new payment."
                )
            order = first
        if order.is_free:
            return _answer(order, "")
        if order.payment_intent_id:
            return _answer(
                order, self._gateway.retrieve_payment_intent(order.payment_intent_id)["client_secret"]
            )
        return self._finish_creation(order)

    def _finish_creation(self, order: Order) -> CreatedIntent:
        try:
            payment_intent = self._gateway.create_payment_intent(
                payment_intent_parameters(order), str(order.attempt_id)
            )
        except (PaymentFailed, StripeConfigError) as refusal:
            self._note_refusal(order, refusal.code, refusal.message)
            raise
        except StripeServiceError as error:
            # With a code, Stripe has answered no; without one we can't know, and the order stays pending.
            if "stripeCode" in error.extra:
                self._note_refusal(order, error.extra["stripeCode"], error.message)
            raise
        self._orders.set_payment_intent(
            order.id,
            payment_intent["id"],
            payment_intent["status"],
            livemode=payment_intent["livemode"],
            at=self._clock(),
        )
        if order.status is OrderStatus.FAILED:
            self._orders.move(order, observe(payment_intent, self._clock()), by="lumira")
        return _answer(
            order.model_copy(update={"payment_intent_id": payment_intent["id"]}),
            payment_intent["client_secret"],
        )

    def _note_refusal(self, order: Order, code: str, message: str) -> None:
        refused = Observation(
            status=OrderStatus.FAILED,
            stripe_status=REFUSED,
            at=self._clock(),
            failure_code=code,
            failure_message=message,
        )
        self._orders.move(order, refused, by="stripe")

    def _new_order(
        self, request: IntentRequest, actor: Actor, source: str, attempt_id: str, request_id: str
    ) -> Order:
        now = self._clock()
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
            "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "requestId": request_id[:METADATA_VALUE_LENGTH],
            "orderId": order_id,
        }
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
            source=source,
            created_by=actor.name,
            timeline=[TimelineEntry(at=now, kind="order.created", by=actor.name)],
        )

    def find(self, order_id: str, *, actor: Actor) -> Order:
        """The order of a PaymentIntent id, a `free_…` id or an `_id`. Raises OrderNotFound."""
        require(actor, Permission.BROWSE)
        order = self._orders.find_by_payment_intent(order_id) or self._orders.find(order_id)
        if order is None:
            raise OrderNotFound(f"There is no order {order_id}.", orderId=order_id)
        return order

    def page(self, size: int, cursor: str | None = None, *, actor: Actor) -> Page:
        """At most `size` orders, newest first; `cursor` is the `next_cursor` of the page before."""
        require(actor, Permission.BROWSE)
        return self._orders.page(size, cursor)

    def client_secret(self, order_id: str, *, actor: Actor) -> str:
        """The client secret with which a checkout pays this order, "" for one that never went to Stripe.

        It is kept nowhere: Stripe is asked. Raises OrderNotFound.
        """
        require(actor, Permission.CREATE_INTENT)
        order = self.find(order_id, actor=actor)
        if order.is_free or not order.payment_intent_id:
            return ""
        return str(self._gateway.retrieve_payment_intent(order.payment_intent_id)["client_secret"])

    def refresh(self, order_id: str, *, actor: Actor) -> Order:
        """The order after asking Stripe how its PaymentIntent stands now. Raises OrderNotFound."""
        require(actor, Permission.REFRESH)
        order = self.find(order_id, actor=actor)
        if order.is_free or not order.payment_intent_id:
            return order
        asked_at = self._clock()
        return self._apply(
            order, self._gateway.retrieve_payment_intent(order.payment_intent_id), asked_at, actor
        )

    def confirm(
        self, order_id: str, payment_method: str, *, actor: Actor, idempotency_key: str | None = None
    ) -> Order:
        """Pays the order with one of Stripe's test payment methods; the order as it stands afterwards.

        A decline raises PaymentFailed after the order has noted it. Raises OrderNotPayable for an order that
        is free, final or live.
        """
        require(actor, Permission.CONFIRM_TEST)
        order = self.find(order_id, actor=actor)
        if self._gateway.livemode or order.livemode:
            raise OrderNotPayable("Test cards pay test orders only; this one is live.")
        if order.is_free or order.status.is_final or not order.payment_intent_id:
            raise OrderNotPayable(f"The order is {order.status}: there is nothing left to pay.")
        asked_at = self._clock()
        try:
            payment_intent = self._gateway.confirm_payment_intent(
                order.payment_intent_id,
                payment_method,
                idempotency_key or uuid.uuid4().hex,
                self._return_url,
            )
        except PaymentFailed:
            self.refresh(order_id, actor=actor)
            raise
        return self._apply(order, payment_intent, asked_at, actor)

    def cancel(self, order_id: str, *, actor: Actor, reason: str = "requested_by_customer") -> Order:
        """Cancels the PaymentIntent and the order; cancelling twice is the same as once.

        `reason` is one of Stripe's: duplicate, fraudulent, requested_by_customer, abandoned. Raises
        OrderNotCancellable when the order is free or paid, or has no PaymentIntent.
        """
        require(actor, Permission.CANCEL)
        order = self.find(order_id, actor=actor)
        if order.status is OrderStatus.CANCELLED:
            return order
        if order.is_free or order.status.is_final or not order.payment_intent_id:
            raise OrderNotCancellable(
                f"The order is {order.status}: only an order that waits for its payment can be cancelled."
            )
        asked_at = self._clock()
        try:
            payment_intent = self._gateway.cancel_payment_intent(order.payment_intent_id, reason)
        except StripeServiceError as error:
            if error.extra.get("stripeCode") != "payment_intent_unexpected_state":
                raise
            # Stripe moved on without us: see where it stands before we answer.
            order = self.refresh(order_id, actor=actor)
            if order.status is OrderStatus.CANCELLED:
                return order
            raise OrderNotCancellable(
                f"Stripe no longer allows to cancel this payment: the order is {order.status}."
            ) from error
        return self._apply(order, payment_intent, asked_at, actor)

    def _apply(self, order: Order, payment_intent: PaymentIntent, at: datetime, actor: Actor) -> Order:
        self._orders.move(order, observe(payment_intent, at), by=actor.name)
        return self._orders.find(order.id) or order


def _same_request(first: Order, second: Order) -> bool:
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
