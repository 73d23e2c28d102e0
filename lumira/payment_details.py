"""A payment as Stripe shows it: its charges, how each was paid and judged, and what Stripe kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lumira.access import Actor, Permission, may, require
from lumira.money_back import DisputeAtStripe, RefundAtStripe, dispute_at_stripe, refund_at_stripe
from lumira.pasted import AT_STRIPE
from lumira.redaction import without_secrets

if TYPE_CHECKING:
    from lumira.orders import Order
    from lumira.storage import Orders
    from lumira.stripe_gateway import StripeGateway


@dataclass(frozen=True)
class ChargeDetails:
    """One charge, an attempt to pay. Money in minor units; `fee` in `fee_currency`, None until it is known.

    `status` is Stripe's, or `authorized` where it succeeded and the money was not captured: none was taken.
    `method` is Stripe's name of the way to pay (`card`, `sepa_debit` …); `risk`, `outcome` and `message` are
    Radar's level, the outcome's type and what Stripe says of it to sellers
    (https://docs.stripe.com/api/charges/object#charge_object-outcome).
    """

    id: str
    amount: int
    currency: str
    status: str
    created_at: datetime
    method: str | None = None
    brand: str | None = None
    last4: str | None = None
    expiry: str | None = None
    country: str | None = None
    risk: str | None = None
    outcome: str | None = None
    message: str | None = None
    failure_code: str | None = None
    fee: int | None = None
    fee_currency: str | None = None


@dataclass(frozen=True)
class PaymentDetails:
    """A PaymentIntent as Stripe sent it, without secrets; its charges, refunds and disputes, newest first.

    `action_url` is where a customer must go now to confirm with their bank, if they must.
    """

    payment_intent: dict[str, Any]
    charges: list[ChargeDetails] = field(default_factory=list)
    refunds: list[RefundAtStripe] = field(default_factory=list)
    disputes: list[DisputeAtStripe] = field(default_factory=list)
    action_url: str | None = None

    @property
    def paid(self) -> ChargeDetails | None:
        """The charge that took the money."""
        return next((charge for charge in self.charges if charge.status == "succeeded"), None)


@dataclass(frozen=True)
class PaidByCard:
    """The orders that cards of the same last four digits paid, or tried to pay, the latest attempt first.

    `more`: Stripe knows further payments, which a shorter period would show.
    """

    orders: list[Order]
    more: bool


class Payments:
    """Asks Stripe how a payment looks there. `gateway` should give up early: a page waits for the answer."""

    def __init__(self, orders: Orders, gateway: StripeGateway) -> None:
        self._orders = orders
        self._gateway = gateway

    def details(self, order_id: str, *, actor: Actor) -> PaymentDetails | None:
        """The payment of the order of this `_id` as it is now, None for one that never went to Stripe.

        Stripe's own object stays out without the permission to read payloads.
        Raises Forbidden, OrderNotFound, StripeError and StoreUnavailable.
        """
        require(actor, Permission.BROWSE)
        order = self._orders.get(order_id)
        payment = order.stripe_payment_intent_id
        if payment is None:
            return None
        payment_intent = self._gateway.retrieve_payment_intent(payment)
        charges = self._gateway.list_charges(payment)
        # Most payments have neither, which their charges tell.
        refunded = order.refunds or any(charge.get("amount_refunded") for charge in charges)
        disputed = order.disputes or any(charge.get("disputed") for charge in charges)
        details = payment_details(
            payment_intent,
            charges,
            self._gateway.list_refunds(payment) if refunded else [],
            self._gateway.list_disputes(payment) if disputed else [],
        )
        return details if may(actor, Permission.READ_PAYLOAD) else replace(details, payment_intent={})

    def order_id_of(self, named: str, *, actor: Actor) -> str | None:
        """The id by which an order opens, for its own id or that of a charge, refund or dispute of Stripe's.

        Those are known to Stripe alone, which is asked; the PaymentIntent it names may have no order here.
        None for what neither knows. Raises Forbidden, StripeError and StoreUnavailable.
        """
        require(actor, Permission.BROWSE)
        if named.startswith(AT_STRIPE):
            return self._gateway.payment_intent_of(named)
        known = self._orders.find_by_payment_intent(named) or self._orders.find(named)
        return known.order_id if known else None

    def by_card(
        self,
        last4: str,
        start: datetime | None = None,
        end: datetime | None = None,
        minimum: int | None = None,
        maximum: int | None = None,
        *,
        actor: Actor,
    ) -> PaidByCard:
        """The orders of payments with a card ending in `last4`, attempted with start ≤ instant < end (UTC).

        `minimum` and `maximum` are minor units, both included. A payment of the last minute may be missing,
        and so are those that have no order here. Raises Forbidden, StripeError and StoreUnavailable.
        """
        require(actor, Permission.BROWSE)
        payments, more = self._gateway.search_charges(last4, start, end, minimum, maximum)
        orders = self._orders.find_by_payment_intents(payments)
        return PaidByCard([orders[payment] for payment in payments if payment in orders], more)


def payment_details(
    payment_intent: Mapping[str, Any],
    charges: Sequence[Mapping[str, Any]],
    refunds: Sequence[Mapping[str, Any]] = (),
    disputes: Sequence[Mapping[str, Any]] = (),
) -> PaymentDetails:
    """Reads Stripe's PaymentIntent, its charges with balance transactions expanded, and what went back."""
    action = payment_intent.get("next_action") or {}
    return PaymentDetails(
        payment_intent=without_secrets(payment_intent),
        # Stripe lists the newest first, and so tells those of the same second apart; sorting keeps that.
        charges=sorted(map(_charge, charges), key=lambda charge: charge.created_at, reverse=True),
        refunds=list(map(refund_at_stripe, refunds)),
        disputes=list(map(dispute_at_stripe, disputes)),
        action_url=(action.get("redirect_to_url") or {}).get("url"),
    )


def _charge(charge: Mapping[str, Any]) -> ChargeDetails:
    details = charge.get("payment_method_details") or {}
    method = details.get("type")
    way = details.get(method) or {} if method else {}
    outcome = charge.get("outcome") or {}
    transaction = charge.get("balance_transaction")
    known = transaction if isinstance(transaction, Mapping) else {}
    month, year = way.get("exp_month"), way.get("exp_year")
    is_authorized = charge["status"] == "succeeded" and charge.get("captured") is False
    return ChargeDetails(
        id=charge["id"],
        amount=int(charge["amount"]),
        currency=charge["currency"],
        status="authorized" if is_authorized else charge["status"],
        created_at=datetime.fromtimestamp(charge["created"], UTC),
        method=method,
        brand=way.get("brand"),
        last4=way.get("last4"),
        expiry=f"{month:02}/{year}" if month and year else None,
        country=way.get("country"),
        risk=outcome.get("risk_level"),
        outcome=outcome.get("type"),
        message=outcome.get("seller_message"),
        failure_code=outcome.get("reason") or charge.get("failure_code"),
        fee=known.get("fee"),
        fee_currency=known.get("currency"),
    )
