"""Payment links: what a customer who was given one sees of an order, and pays it with.

A link names the order and carries a token, an HMAC of the order and of the instant the link was made. Nothing
of it is stored: staff can copy the same link again at any time, it outlives a restart as long as the key
does, and whoever reads the store can't make one. A new link replaces the one before, which works no more.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Final

from lumira.access import Actor, Permission, require
from lumira.audit import Action, RecordedActions
from lumira.documents import BEGINNING
from lumira.errors import OrderNotFound, OrderNotPayable, StripeError
from lumira.lifecycle import apply_payment_intent
from lumira.orders import Order, OrderStatus, TimelineEntry

if TYPE_CHECKING:
    from lumira.storage import AuditLog, Orders
    from lumira.stripe_gateway import StripeGateway

# A PaymentIntent can be paid for ever; an offer should not wait longer than prices last.
LIFETIME: Final = timedelta(days=30)


class CheckoutState(StrEnum):
    """What the customer's page says."""

    PAYABLE = auto()
    FAILED = auto()
    PROCESSING = auto()
    PAID = auto()
    CANCELLED = auto()
    EXPIRED = auto()
    UNAVAILABLE = auto()

    @property
    def is_payable(self) -> bool:
        """Whether the customer may pay now; after a decline they may try again."""
        return self in {CheckoutState.PAYABLE, CheckoutState.FAILED}


_STATES: Final = {
    OrderStatus.PENDING: CheckoutState.PAYABLE,
    OrderStatus.FAILED: CheckoutState.FAILED,
    OrderStatus.PROCESSING: CheckoutState.PROCESSING,
    OrderStatus.COMPLETED: CheckoutState.PAID,
    OrderStatus.CANCELLED: CheckoutState.CANCELLED,
}


@dataclass(frozen=True)
class CheckoutView:
    """All that a link shows: the product, the amount (minor units of `currency`), and how it stands.

    `client_secret` is there only while the order can be paid; `failure_code` is that of the last decline.
    """

    state: CheckoutState
    product_name: str
    amount: int
    currency: str
    client_secret: str = ""
    failure_code: str | None = None


class Checkout:
    """Makes payment links and answers for them. `key` gives the key that signs them.

    Every method raises StoreUnavailable when the store can't be reached.
    """

    def __init__(
        self,
        orders: Orders,
        gateway: StripeGateway,
        audit: AuditLog,
        *,
        key: Callable[[], bytes],
        publishable_key: str | None,
    ) -> None:
        self._orders = orders
        self._gateway = gateway
        self._recorded = RecordedActions(audit, orders)
        self._key = key
        self.publishable_key = publishable_key

    @property
    def is_configured(self) -> bool:
        """Whether a customer's browser could pay: it needs the publishable key."""
        return bool(self.publishable_key)

    def link(self, order: Order, *, actor: Actor) -> str:
        """The path of the order's payment link; the same until `renew`.

        Raises Forbidden, and OrderNotPayable for an order that is free, final, or not yet at Stripe.
        """
        require(actor, Permission.SHARE_PAYMENT_LINK)
        self._check_payable(order)
        return f"/checkout/{order.id}?token={self._token(order.id, _made_at(order))}"

    def ends_at(self, order: Order) -> datetime:
        """When the order's payment link stops to work (UTC)."""
        return _made_at(order) + LIFETIME

    def renew(self, order_id: str, *, actor: Actor) -> Order:
        """Replaces the order's payment link by a new one; the order afterwards.

        Raises Forbidden, OrderNotFound, and OrderNotPayable as `link` does.
        """
        require(actor, Permission.SHARE_PAYMENT_LINK)
        order = self._orders.get(order_id)
        self._check_payable(order)
        entry = TimelineEntry(at=datetime.now(UTC), kind="payment_link.renewed", by=actor.name)
        self._orders.renew_payment_link(order, entry)
        return self._recorded.afterwards(actor, Action.RENEW_PAYMENT_LINK, order)

    def view(self, order_id: str, token: str) -> CheckoutView:
        """What the holder of this link may see now; Stripe is asked while the order is not final.

        Whoever holds the token may look: there is no actor. Raises OrderNotFound, the same for an unknown
        order and a wrong token.
        """
        order = self._orders.find(order_id)
        expected = self._token(order_id, _made_at(order) if order else BEGINNING)
        # Compared also where there is no order, so that both take as long.
        matches = hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace"))
        if order is None or not matches:
            raise OrderNotFound("This payment link is not known.")
        client_secret = ""
        if not order.status.is_final and order.stripe_payment_intent_id:
            asked_at = datetime.now(UTC)
            try:
                payment_intent = self._gateway.retrieve_payment_intent(order.stripe_payment_intent_id)
                order = apply_payment_intent(
                    self._orders, self._gateway, order, payment_intent, asked_at, by="stripe"
                )
            except StripeError:
                return _view(order, CheckoutState.UNAVAILABLE)
            client_secret = str(payment_intent["client_secret"])
        state = _STATES[order.status]
        if not state.is_payable:
            return _view(order, state)
        if datetime.now(UTC) >= self.ends_at(order):
            return _view(order, CheckoutState.EXPIRED)
        if not client_secret or not self.is_configured:
            return _view(order, CheckoutState.UNAVAILABLE)
        return _view(order, state, client_secret)

    def _check_payable(self, order: Order) -> None:
        if order.status.is_final or not order.stripe_payment_intent_id:
            raise OrderNotPayable(f"The order is {order.status}: there is nothing left to pay.")

    def _token(self, order_id: str, made_at: datetime) -> str:
        # The store resolves instants to the millisecond.
        signed = f"payment link\n{order_id}\n{(made_at - BEGINNING) // timedelta(milliseconds=1)}"
        digest = hmac.digest(self._key(), signed.encode("utf-8", "replace"), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _made_at(order: Order) -> datetime:
    return order.payment_link_at or order.created_at


def _view(order: Order, state: CheckoutState, client_secret: str = "") -> CheckoutView:
    return CheckoutView(
        state=state,
        product_name=order.product_name,
        amount=order.amount,
        currency=order.currency,
        client_secret=client_secret,
        failure_code=order.failure_code if state is CheckoutState.FAILED else None,
    )
