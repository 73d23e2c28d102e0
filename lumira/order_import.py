"""The orders of the program before ours: what is odd about them, said before any of them is imported."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from lumira.catalog import CATALOG, level_of
from lumira.errors import StripeError, StripeRefused
from lumira.orders import Order, OrderStatus
from lumira.validation import is_address

if TYPE_CHECKING:
    from lumira.stripe_gateway import StripeGateway

# Nothing for sale ever cost less than a euro, or a hundred yen.
_SMALLEST_PRICE: Final = 100
_NUMBER: Final = (int, float)
_OPTIONAL: Final[Mapping[str, type]] = {
    "completedAt": datetime,
    "customerEmail": str,
    "paymentIntentId": str,
    "metadata": dict,
    **dict.fromkeys(("refunds", "timeline"), list),
}
# Orders whose payment Stripe may know more about.
_OPEN: Final = frozenset({OrderStatus.PENDING, OrderStatus.PROCESSING, OrderStatus.FAILED})


class Oddity(StrEnum):
    """What may be odd about an order of before."""

    UNREADABLE = auto()
    UNKNOWN_PRODUCT = auto()
    UNKNOWN_LEVEL = auto()
    EUROS_AS_CENTS = auto()
    FRACTION_OF_CENT = auto()
    UNKNOWN_STATUS = auto()
    COMPLETED_WITHOUT_DATE = auto()
    BAD_EMAIL = auto()
    SAME_PAYMENT_INTENT = auto()
    PAID_AT_STRIPE = auto()
    UNKNOWN_AT_STRIPE = auto()

    @property
    def mend(self) -> str:
        """What to do about it."""
        return _MENDS[self]


_MENDS: Final[Mapping[Oddity, str]] = {
    Oddity.UNREADABLE: "stays behind: a field that orders need is missing or of another type",
    Oddity.UNKNOWN_PRODUCT: "nothing: it is shown under the name it has",
    Oddity.UNKNOWN_LEVEL: "nothing: revenue shows it as unknown, and drops no money",
    Oddity.EUROS_AS_CENTS: "lumira reconcile --since 2020-01-01 --apply takes the amount from Stripe",
    Oddity.FRACTION_OF_CENT: "nothing: lists and revenue count it rounded, half a cent to the even one",
    Oddity.UNKNOWN_STATUS: "stays behind: no order of ours has this status",
    Oddity.COMPLETED_WITHOUT_DATE: "nothing: revenue counts it on the day it was made",
    Oddity.BAD_EMAIL: "correct the customer on the order's page",
    Oddity.SAME_PAYMENT_INTENT: "the oldest comes in; the others stay behind",
    Oddity.PAID_AT_STRIPE: "lumira reconcile --since 2020-01-01 --apply completes it",
    Oddity.UNKNOWN_AT_STRIPE: "another account's, or the other mode's: look at STRIPE_SECRET_KEY",
}
STAYS_BEHIND: Final = frozenset({Oddity.UNREADABLE, Oddity.UNKNOWN_STATUS, Oddity.SAME_PAYMENT_INTENT})


@dataclass(frozen=True)
class Found:
    """One odd thing about one order; `detail` is what stands there."""

    oddity: Oddity
    order_id: str
    detail: str


@dataclass
class Examination:
    """Orders looked at one after the other: how many were `read`, and what was `found`.

    `gateway` is asked about the first `to_ask` of those that are open and can be imported; None for none.
    Where Stripe can't be asked, `unasked` says why, and no further order is asked about.
    """

    gateway: StripeGateway | None
    to_ask: int
    read: int = 0
    found: list[Found] = field(default_factory=list)
    unasked: str = ""

    def importable(self, documents: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Every order that can be imported; what is odd about any of them is noted on the way."""
        for document, odd in repeated(documents):
            self.read += 1
            self.found += odd
            if STAYS_BEHIND & {one.oddity for one in odd}:
                continue
            if self.gateway and self.to_ask:
                self._ask(document, self.gateway)
            yield document

    def stays_behind(self) -> int:
        """How many orders can't be imported."""
        return len({one.order_id for one in self.found if one.oddity in STAYS_BEHIND})

    def _ask(self, document: Mapping[str, Any], gateway: StripeGateway) -> None:
        try:
            said = at_stripe(document, gateway)
        except StripeError as error:
            self.to_ask, self.unasked = 0, error.message
            return
        self.to_ask -= document.get("status") in _OPEN
        self.found += [said] if said else []


def oddities(document: Mapping[str, Any]) -> Iterator[Found]:
    """What is odd about one order as it is stored; amounts are minor units."""
    id_ = str(document.get("_id"))

    def found(oddity: Oddity, detail: object) -> Found:
        return Found(oddity, id_, str(detail)[:80])

    if missing := _unreadable(document):
        yield found(Oddity.UNREADABLE, missing)
        return
    product, amount = document["productId"], document["amount"]
    if document["status"] not in set(OrderStatus):
        yield found(Oddity.UNKNOWN_STATUS, document["status"])
    if level_of(product) is None:
        yield found(Oddity.UNKNOWN_PRODUCT, product)
    metadata = document.get("metadata")
    level = metadata.get("level") if isinstance(metadata, Mapping) else None
    if level is not None and level_of(level) is None:
        yield found(Oddity.UNKNOWN_LEVEL, level)
    if 0 < amount < _SMALLEST_PRICE or _is_price_in_euros(product, amount):
        yield found(Oddity.EUROS_AS_CENTS, amount)
    if amount != int(amount):
        yield found(Oddity.FRACTION_OF_CENT, amount)
    if document["status"] == OrderStatus.COMPLETED and document.get("completedAt") is None:
        yield found(Oddity.COMPLETED_WITHOUT_DATE, document["createdAt"])
    email = document.get("customerEmail")
    if email and not is_address(str(email)):
        yield found(Oddity.BAD_EMAIL, email)


def repeated(documents: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], list[Found]]]:
    """Each order with what is odd about it; of several with one PaymentIntent, all but the first are."""
    seen: dict[str, str] = {}
    for document in documents:
        found = list(oddities(document))
        payment_intent_id = document.get("paymentIntentId")
        if isinstance(payment_intent_id, str) and payment_intent_id:
            first = seen.setdefault(payment_intent_id, str(document.get("_id")))
            if first != str(document.get("_id")):
                found.append(Found(Oddity.SAME_PAYMENT_INTENT, str(document.get("_id")), f"as {first}"))
        yield document, found


def at_stripe(document: Mapping[str, Any], gateway: StripeGateway) -> Found | None:
    """What Stripe says against an order that is open here: paid, or not known at all.

    Raises StripeError when Stripe can't be asked.
    """
    payment_intent_id = document.get("paymentIntentId")
    if document.get("status") not in _OPEN or not payment_intent_id:
        return None
    try:
        payment_intent = gateway.retrieve_payment_intent(str(payment_intent_id))
    except StripeRefused:
        return Found(Oddity.UNKNOWN_AT_STRIPE, str(document["_id"]), str(payment_intent_id))
    if payment_intent["status"] != "succeeded":
        return None
    return Found(Oddity.PAID_AT_STRIPE, str(document["_id"]), str(payment_intent_id))


def _unreadable(document: Mapping[str, Any]) -> str:
    """The first field that every order needs and this one lacks, or that it has as something else."""
    for name in ("productId", "currency", "status"):
        if not isinstance(document.get(name), str):
            return name
    amount = document.get("amount")
    if isinstance(amount, bool) or not isinstance(amount, _NUMBER) or not math.isfinite(amount):
        return "amount"
    if amount < 0:
        return "amount"
    for name in ("createdAt", "updatedAt"):
        # A date of the driver; anything else was written by hand.
        if not isinstance(document.get(name), datetime):
            return name
    for name, kind in _OPTIONAL.items():
        # Where they are there at all; the rules of our store refuse anything else.
        if not isinstance(document.get(name), kind | None):
            return name
    try:
        # An unknown status is an oddity of its own.
        Order.model_validate({**document, "status": OrderStatus.PENDING})
    except ValidationError as error:
        return str(error.errors()[0]["loc"][0])
    return ""


def _is_price_in_euros(product: str, amount: float) -> bool:
    level = level_of(product)
    prices = {one.amount for one in CATALOG.values() if one.level is level}
    return amount > 0 and amount * 100 in prices
