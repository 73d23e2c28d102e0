"""Moving in: what is odd in the orders of the program before ours, said before any of them is trusted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Any, Final

from lumira.catalog import CATALOG, level_of
from lumira.errors import StripeRefused
from lumira.orders import OrderStatus
from lumira.validation import is_address

if TYPE_CHECKING:
    from lumira.stripe_gateway import StripeGateway

# Nothing for sale ever cost less than a euro, or a hundred yen.
_SMALLEST_PRICE: Final = 100
_WHOLE: Final = (int, float)


class Oddity(StrEnum):
    """What may be odd about an order of before."""

    UNREADABLE = auto()
    UNKNOWN_PRODUCT = auto()
    UNKNOWN_LEVEL = auto()
    EUROS_AS_CENTS = auto()
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
    if document.get("status") not in {"pending", "processing", "failed"} or not payment_intent_id:
        return None
    try:
        payment_intent = gateway.retrieve_payment_intent(str(payment_intent_id))
    except StripeRefused:
        return Found(Oddity.UNKNOWN_AT_STRIPE, str(document["_id"]), str(payment_intent_id))
    if payment_intent["status"] != "succeeded":
        return None
    return Found(Oddity.PAID_AT_STRIPE, str(document["_id"]), str(payment_intent_id))


def _unreadable(document: Mapping[str, Any]) -> str:
    """The first field that every order needs and this one lacks, or has as something else."""
    for name in ("productId", "currency", "status"):
        if not isinstance(document.get(name), str):
            return name
    amount = document.get("amount")
    if isinstance(amount, bool) or not isinstance(amount, _WHOLE) or amount < 0 or amount != int(amount):
        return "amount"
    for name in ("createdAt", "updatedAt"):
        # A date of the driver; anything else was written by hand.
        if not hasattr(document.get(name), "tzinfo"):
            return name
    return ""


def _is_price_in_euros(product: str, amount: float) -> bool:
    level = level_of(product)
    prices = {one.amount for one in CATALOG.values() if one.level is level}
    return amount > 0 and amount * 100 in prices
