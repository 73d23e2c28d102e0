"""Orders and the rules of their life: documents, the transition table, what a PaymentIntent says. No I/O.

Stored names are the contract's (camelCase); in Python they are snake_case. A document that holds only the
fields of the program we replaced is a whole order here: everything of ours is optional when read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from lumira.catalog import CATALOG, Level, level_sold
from lumira.documents import (
    BEGINNING,
    Instant,
    MinorUnits,
    StoredDocument,
    Text,
    instant_of,
    mapping_or_empty,
    text_or_none,
)
from lumira.money import AMOUNT_LIMIT, currency_code, is_amount
from lumira.refunds import Dispute, Refund

FREE_PREFIX: Final = "free_"
TIMELINE_LIMIT: Final = 200
UNKNOWN_PRODUCT: Final = "unknown"

# Which fields of the metadata hold the customer. The name stands there whole, once corrected also in parts.
NAME_PARTS: Final = frozenset({"customerFirstName", "customerLastName"})
NAME_METADATA: Final = NAME_PARTS | {"customerName"}
CUSTOMER_METADATA: Final = NAME_METADATA | {"customerEmail", "customerPhone"}

# Kinds of timeline entries. We ask Stripe for a refund; Stripe says no.
REFUND_REQUESTED: Final = "refund.requested"
REFUND_REFUSED: Final = "refund.refused"
# Staff corrected the customer on the order; Stripe could not be told; Stripe was told later.
CUSTOMER_EDITED: Final = "customer.edited"
CUSTOMER_NOT_COPIED: Final = "customer.not_copied_to_stripe"
CUSTOMER_COPIED: Final = "customer.copied_to_stripe"
# The same of an erasure: the order did not know its PaymentIntent then; Stripe was told later.
CUSTOMER_NOT_ERASED: Final = "customer.not_erased_at_stripe"
CUSTOMER_ERASED: Final = "customer.erased_at_stripe"

# Values of stripeStatus that are not Stripe's own: Stripe refused to make the PaymentIntent; the request to
# make it never came to Stripe, and the order was given up.
REFUSED: Final = "refused"
NEVER_REACHED: Final = "never_reached_stripe"


class OrderStatus(StrEnum):
    """Where an order stands; the values are the contract's."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether no customer's action can change it any more. A failed payment may be tried again."""
        return self in {OrderStatus.COMPLETED, OrderStatus.CANCELLED}

    @property
    def awaits_payment(self) -> bool:
        """Whether the customer may pay now: not while the bank decides, nor afterwards."""
        return self in {OrderStatus.PENDING, OrderStatus.FAILED}


# The moves an order may make. Stripe can still report a success for an order we cancelled (the cancel lost
# the race against the payment); nothing ever leaves `completed`, whose refunds are amounts, not a status.
TRANSITIONS: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = {
    OrderStatus.PENDING: frozenset(
        {OrderStatus.PROCESSING, OrderStatus.COMPLETED, OrderStatus.FAILED, OrderStatus.CANCELLED}
    ),
    OrderStatus.PROCESSING: frozenset({OrderStatus.COMPLETED, OrderStatus.FAILED, OrderStatus.CANCELLED}),
    OrderStatus.FAILED: frozenset(
        {OrderStatus.PENDING, OrderStatus.PROCESSING, OrderStatus.COMPLETED, OrderStatus.CANCELLED}
    ),
    OrderStatus.CANCELLED: frozenset({OrderStatus.COMPLETED}),
    OrderStatus.COMPLETED: frozenset(),
}


def status_of(payment_intent: Mapping[str, Any]) -> OrderStatus:
    """The order status that a PaymentIntent's state means.

    `requires_payment_method` alone is a PaymentIntent's first state; only with `last_payment_error` is it a
    failure, and the customer may try again (https://docs.stripe.com/payments/paymentintents/lifecycle).
    """
    match payment_intent.get("status"):
        case "succeeded":
            return OrderStatus.COMPLETED
        case "processing" | "requires_capture":
            return OrderStatus.PROCESSING
        case "canceled":
            return OrderStatus.CANCELLED
        case "requires_payment_method" if payment_intent.get("last_payment_error"):
            return OrderStatus.FAILED
        case _:
            return OrderStatus.PENDING


@dataclass(frozen=True)
class Observation:
    """What Stripe said of one PaymentIntent at one instant: all that a transition needs.

    `at` is UTC: when the fetch began, or when the event was created. `amount` is in minor units of
    `currency`; both are None where Stripe does not state them. `completed_at` is the instant the money was
    taken, for `completed` only, and `fee` what Stripe keeps of it, in minor units of `fee_currency`: None
    until Stripe has worked it out.
    """

    status: OrderStatus
    stripe_status: str
    at: datetime
    amount: int | None = None
    currency: str | None = None
    completed_at: datetime | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    latest_charge: str | None = None
    fee: int | None = None
    fee_currency: str | None = None


def observe(payment_intent: Mapping[str, Any], at: datetime) -> Observation:
    """Reads a PaymentIntent, as the API or an event shows it, into an Observation made `at` (UTC)."""
    status = status_of(payment_intent)
    charge = payment_intent.get("latest_charge")
    failure = mapping_or_empty(payment_intent.get("last_payment_error"))
    completed = status is OrderStatus.COMPLETED
    booked = charge.get("balance_transaction") if completed and isinstance(charge, Mapping) else None
    movement = booked if isinstance(booked, Mapping) else {}
    # An old sender's minimal event states an amount that Stripe may never have charged.
    is_whole = payment_intent.get("object") == "payment_intent"
    amount, currency = payment_intent.get("amount"), currency_code(payment_intent.get("currency"))
    is_stated = is_whole and is_amount(amount) and currency is not None
    return Observation(
        status=status,
        stripe_status=str(payment_intent.get("status")),
        at=at,
        amount=amount if is_stated else None,
        currency=currency if is_stated else None,
        completed_at=_paid_at(payment_intent, at) if completed else None,
        # The issuer's reason says more than the generic card_declined.
        failure_code=failure.get("decline_code") or failure.get("code"),
        failure_message=failure.get("message"),
        latest_charge=charge.get("id") if isinstance(charge, Mapping) else charge,
        fee=movement.get("fee"),
        fee_currency=movement.get("currency"),
    )


def _paid_at(payment_intent: Mapping[str, Any], at: datetime) -> datetime:
    """When the money was taken, as far as the expanded charge shows it, else `at`.

    A charge is made as the attempt begins. A card pays at that moment; a direct debit pays days later, and an
    authorization when it is captured: the balance transaction is made then.
    """
    charge = payment_intent.get("latest_charge")
    if not isinstance(charge, Mapping):
        return at
    details = mapping_or_empty(charge.get("payment_method_details"))
    # Manual capture may be asked for of cards alone; Stripe then says so with the card.
    authorized = mapping_or_empty(details.get("card")).get("capture_before")
    by_hand = authorized or payment_intent.get("capture_method") == "manual"
    at_once = details.get("type", "card") == "card" and not by_hand
    dated = charge if at_once else charge.get("balance_transaction")
    return instant_of(mapping_or_empty(dated).get("created"), at)


def address_of(document: Mapping[str, Any]) -> str | None:
    """The e-mail address of a stored order, else the one in its metadata; lower case, None for none."""
    written = document.get("customerEmail") or mapping_or_empty(document.get("metadata")).get("customerEmail")
    return str(written or "").strip().lower() or None


def counts_at(document: Mapping[str, Any]) -> datetime:
    """The instant (UTC) a paid order counts at, read from its document: see `Order.counts_at`.

    Another program may have put anything there: BEGINNING where there is no date at all.
    """
    dates = (document.get(name) for name in ("completedAt", "createdAt"))
    return next((date for date in dates if isinstance(date, datetime)), BEGINNING)


def agree(status: OrderStatus, stripe_status: str | None) -> bool:
    """Whether our status is what Stripe's means; True while Stripe said nothing."""
    if stripe_status is None:
        return True
    if stripe_status == "requires_payment_method":
        # Before the first attempt and after a decline Stripe says the same.
        return status in {OrderStatus.PENDING, OrderStatus.FAILED}
    if stripe_status == REFUSED:
        return status is OrderStatus.FAILED
    if stripe_status == NEVER_REACHED:
        return status is OrderStatus.CANCELLED
    return status is status_of({"status": stripe_status})


class TimelineEntry(StoredDocument):
    """One thing that happened to an order: `kind` is what, `by` who.

    `before` and `after` are the statuses of a move. `amount` is in minor units of the order's currency.
    `code` is the failure code of a decline, or Stripe's reason of a refund that we asked for. `attempt_id` is
    the idempotency key of our own request; a move without one was seen by whoever it is `by`, not caused by
    them.
    """

    at: datetime
    kind: str
    by: str
    before: Text = Field(default=None, alias="from")
    after: Text = Field(default=None, alias="to")
    event_id: Text = None
    attempt_id: Text = None
    amount: int | None = None
    code: Text = None
    note: Text = None


class Order(StoredDocument):
    """One order of `productorders`; `amount` and `amount_refunded` are minor units of `currency`.

    `attempt_id` is the idempotency key it was created with and `request_digest` says of what request.
    `revision` counts the changes to refunds and disputes: a change is written only onto the one it read.
    `payment_link_at` is when staff replaced the order's payment link by a new one, `erased_at` when its
    customer was erased.
    """

    id: Annotated[str, BeforeValidator(str)] = Field(alias="_id")
    product_id: str
    customer_id: Text = None
    customer_email: Text = None
    customer_name: Text = None
    amount: Annotated[MinorUnits, Field(gt=-AMOUNT_LIMIT, lt=AMOUNT_LIMIT)]
    currency: str = "eur"
    status: OrderStatus
    payment_intent_id: Text = None
    created_at: Instant
    updated_at: Instant
    completed_at: Instant | None = None
    metadata: Annotated[dict[str, Any], BeforeValidator(mapping_or_empty)] = Field(default_factory=dict)

    stripe_status: Text = None
    stripe_synced_at: datetime | None = None
    livemode: bool | None = None
    amount_refunded: MinorUnits = 0
    refunds: list[Refund] = Field(default_factory=list)
    last_refund_at: datetime | None = None
    disputes: list[Dispute] = Field(default_factory=list)
    revision: int = 0
    failure_code: Text = None
    failure_message: Text = None
    latest_charge: Text = None
    attempt_id: Text = None
    request_digest: Text = None
    source: Text = None
    created_by: Text = None
    payment_link_at: datetime | None = None
    erased_at: datetime | None = None
    timeline: list[TimelineEntry] = Field(default_factory=list)

    @property
    def level(self) -> Level | None:
        """The level sold, through old names too; None when the document names none we know."""
        return level_sold(self.product_id, self.metadata.get("level"))

    @property
    def product_name(self) -> str:
        """The product's name as it was sold, else today's, else its id."""
        known = CATALOG.get(self.product_id)
        return str(self.metadata.get("productName") or (known.name if known else self.product_id))

    @property
    def name(self) -> str | None:
        """The customer's name, wherever it was stored."""
        return self.customer_name or text_or_none(self.metadata.get("customerName"))

    @property
    def address(self) -> str | None:
        """The customer's e-mail address, wherever it was stored and in whatever case; lower case."""
        return address_of({"customerEmail": self.customer_email, "metadata": self.metadata})

    @property
    def known_as(self) -> str | None:
        """The customer's name, else their e-mail address; None where the order names nobody."""
        return self.name or self.address

    @property
    def names(self) -> tuple[str, str]:
        """First and last name: as they were corrected last, else the one name cut at its first space."""
        first, last = (
            str(self.metadata.get(name) or "") for name in ("customerFirstName", "customerLastName")
        )
        if not first and not last:
            first, _, last = (self.name or "").partition(" ")
        return first, last

    @property
    def phone(self) -> str | None:
        """The customer's telephone number, as it was typed."""
        return text_or_none(self.metadata.get("customerPhone"))

    @property
    def order_id(self) -> str:
        """The id by which API and pages name the order: its PaymentIntent's, before there is one its own."""
        return self.payment_intent_id or self.id

    @property
    def is_free(self) -> bool:
        """A free order never went to Stripe."""
        return bool(self.payment_intent_id and self.payment_intent_id.startswith(FREE_PREFIX))

    @property
    def stripe_payment_intent_id(self) -> str | None:
        """The id by which Stripe knows its PaymentIntent; None of a free order, and before there is one."""
        return None if self.is_free else self.payment_intent_id

    @property
    def agrees_with_stripe(self) -> bool:
        """Whether our status is what Stripe's means, as last heard; True while Stripe said nothing."""
        return agree(self.status, self.stripe_status)

    @property
    def counts_at(self) -> datetime | None:
        """The instant a completed order counts at, as filters and revenue have it.

        The program we replaced may have written no completedAt: such an order counts when it was created.
        """
        undated = self.created_at if self.status is OrderStatus.COMPLETED else None
        return self.completed_at or undated

    @property
    def net(self) -> int:
        """What is left of the amount after refunds, in minor units."""
        return self.amount - self.amount_refunded

    @property
    def pressing_dispute(self) -> Dispute | None:
        """The dispute that waits for our answer, else one that the issuer decides on, else the last one."""
        return max(
            self.disputes,
            key=lambda dispute: (dispute.needs_response, dispute.is_open, dispute.created_at),
            default=None,
        )

    @property
    def evidence_due_by(self) -> datetime | None:
        """Until when the first of its disputes is to be answered (UTC), as far as Stripe said so."""
        return min(
            (dispute.due_by for dispute in self.disputes if dispute.needs_response and dispute.due_by),
            default=None,
        )

    @property
    def unanswered_refund(self) -> TimelineEntry | None:
        """Our last request for a refund, as long as nobody knows what came of it.

        Stripe did not answer, or we died before its answer: the money may be on its way. Only the same
        request may follow, which Stripe takes once.
        """
        answered = {refund.attempt_id for refund in self.refunds}
        # What was refused may be asked for once more: of each request the last entry counts.
        told = {
            entry.attempt_id: entry
            for entry in self.timeline
            if entry.kind in {REFUND_REQUESTED, REFUND_REFUSED} and entry.attempt_id
        }
        requests = [entry for entry in told.values() if entry.kind == REFUND_REQUESTED]
        # Refunds of earlier versions don't name their request; they have its amount and came after it.
        unnamed = [refund for refund in self.refunds if refund.attempt_id is None]
        unanswered = None
        for request in requests:
            if request.attempt_id in answered:
                continue
            its_own = next(
                (
                    refund
                    for refund in unnamed
                    # Stripe counts in whole seconds, on a clock of its own.
                    if refund.amount == request.amount
                    and refund.created_at > request.at - timedelta(minutes=1)
                ),
                None,
            )
            if its_own:
                unnamed.remove(its_own)
            else:
                unanswered = request
        return unanswered


@dataclass(frozen=True)
class Page:
    """One page of orders in the order of their list; `next_cursor` opens the next one, None on the last."""

    orders: list[Order] = field(default_factory=list)
    next_cursor: str | None = None
