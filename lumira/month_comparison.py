"""A month's sales and refunds by PaymentIntent, ours and Stripe's, compared one by one.

Ours are orders as stored, Stripe's its balance transactions: charges, refunds, fees, disputes, payouts
(https://docs.stripe.com/reports/balance-transaction-types). All amounts are minor units. Which order a
difference belongs to, and why it is one as far as the amounts tell, is found here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from lumira.balance import kind_of
from lumira.catalog import level_sold
from lumira.documents import mappings_in
from lumira.month_figures import Balance, Line, MonthFigures, OrderDifference
from lumira.order_filter import UNKNOWN
from lumira.orders import FREE_PREFIX, OrderStatus, counts_at
from lumira.refunds import RETURNED, Refund, refunded
from lumira.refunds import UNKNOWN as UNKNOWN_AT_STRIPE

# Stripe books a sale some time after it was made; at midnight that is the next day, or the next month.
BOOKED_WITHIN: Final = timedelta(hours=1)
# By how much our instant of a sale may differ from Stripe's: a webhook brings that of the event, which Stripe
# makes some time after the charge.
DATED_WITHIN: Final = timedelta(minutes=10)
# A list of differences longer than this is no list to work through: the sums hold all of them.
DIFFERENCES_KEPT: Final = 500
Document = Mapping[str, Any]
Key = tuple[str, str]


@dataclass
class Ours:
    """Gross and refunds of a month by PaymentIntent, or by order where it has none, from `start` to before
    `end` (UTC). `orders` holds the orders too that Stripe may date to this month.
    """

    start: datetime
    end: datetime
    gross: dict[str, int] = field(default_factory=dict)
    refunds: dict[str, int] = field(default_factory=dict)
    orders: dict[str, Document] = field(default_factory=dict)

    def add(self, order: Document) -> None:
        """Counts the money of an order in, once for each PaymentIntent; a free one has none."""
        payment = str(order.get("paymentIntentId") or order["_id"])
        amount = round(order["amount"])
        if payment in self.orders or amount == 0 or payment.startswith(FREE_PREFIX):
            return
        self.orders[payment] = order
        returned = refunded(
            refund for refund in _refunds_of(order) if self.start <= refund.created_at < self.end
        )
        if self.start <= counts_at(order) < self.end:
            self.gross[payment] = amount
        if returned:
            self.refunds[payment] = returned


@dataclass
class Sum:
    """What Stripe charged or returned of a payment, in the currency of the sale."""

    amount: int
    currency: str


@dataclass
class Stripes:
    """Stripe's movements of the same month: charges and refunds by PaymentIntent, the levels it names, and
    its balance by currency.
    """

    charges: dict[str, Sum] = field(default_factory=dict)
    refunds: dict[str, Sum] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    balances: dict[str, Balance] = field(default_factory=dict)
    transactions: int = 0

    def add(self, transaction: Document, ours: Ours) -> bool:
        """Counts a balance transaction in; False for one of another month."""
        if not ours.start <= _happened(transaction, ours.orders) < ours.end:
            return False
        self.transactions += 1
        balance = self.balances.setdefault(transaction["currency"], Balance(transaction["currency"]))
        kind = kind_of(transaction)
        balance.amounts[kind] += transaction["amount"]
        balance.amounts["fees"] -= transaction["fee"]
        source = transaction.get("source")
        if isinstance(source, Mapping):
            self._add_to_payment(kind, source, back=transaction["amount"] > 0)
        return True

    def _add_to_payment(self, kind: str, source: Document, *, back: bool) -> None:
        """Counts a charge or refund in; of a refund that came `back` to us the amount counts against it."""
        payment = str(source.get("payment_intent") or source["id"])
        # The source has the currency of the sale; the movement may have that of the bank account.
        if kind == "charges":
            self.charges.setdefault(payment, Sum(0, source["currency"])).amount += source["amount"]
            metadata = source.get("metadata") or {}
            sold = level_sold(metadata.get("productId"), metadata.get("level"))
            self.levels[payment] = sold or UNKNOWN
        elif kind == "refunds":
            returned = self.refunds.setdefault(payment, Sum(0, source["currency"]))
            returned.amount += -source["amount"] if back else source["amount"]


def compare(ours: Ours, stripes: Stripes, month: str, made_at: datetime) -> MonthFigures:
    """The figures of the month, `2026-10`, as they were compared at `made_at` (UTC)."""
    balances = sorted(stripes.balances.values(), key=lambda balance: balance.currency)
    figures = MonthFigures(month, made_at, balances=balances, transactions=stripes.transactions)
    lines: dict[Key, Line] = {}
    found: list[OrderDifference] = []

    def line_of(level: str, currency: str) -> Line:
        return lines.setdefault((level, currency), Line(level, currency))

    for payment in sorted({*ours.gross, *ours.refunds, *stripes.charges, *stripes.refunds}):
        order = ours.orders.get(payment)
        charged, returned = stripes.charges.get(payment), stripes.refunds.get(payment)
        said = charged or returned
        stated = order["currency"] if order else said and said.currency
        currency = str(stated or "").lower()
        level = _level_of(order) if order else stripes.levels.get(payment, UNKNOWN)
        # In another currency it is no amount to compare: it stands on a line of its own.
        if charged and charged.currency != currency:
            line_of(level, charged.currency).stripe_gross += charged.amount
            charged = None
        if returned and returned.currency != currency:
            line_of(level, returned.currency).stripe_refunds += returned.amount
            returned = None
        gross, refunds = ours.gross.get(payment, 0), ours.refunds.get(payment, 0)
        line = line_of(level, currency)
        line.orders += payment in ours.gross
        line.gross += gross
        line.refunds += refunds
        line.stripe_gross += charged.amount if charged else 0
        line.stripe_refunds += returned.amount if returned else 0
        for kind, have, theirs in (("gross", gross, charged), ("refunds", refunds, returned)):
            say = theirs.amount if theirs else 0
            if have != say:
                order_id = str(order["_id"]) if order else None
                cause = _cause(kind, have, say, order)
                found.append(OrderDifference(kind, level, currency, payment, order_id, have, say, cause))
    figures.difference_count, figures.differences = len(found), found[:DIFFERENCES_KEPT]
    figures.lines = [lines[key] for key in sorted(lines, key=lambda key: (key[1], key[0]))]
    return figures


def explained(
    differences: Iterable[OrderDifference], orders: Mapping[str, Document]
) -> list[OrderDifference]:
    """The differences, those without an order with that of another month; `orders` is by PaymentIntent."""
    found = []
    for difference in differences:
        order = None if difference.order_id else orders.get(str(difference.payment_intent_id))
        if order:
            paid = order["status"] == OrderStatus.COMPLETED
            cause = _cause(difference.kind, difference.ours, difference.stripes, order)
            difference = replace(difference, order_id=str(order["_id"]), cause=cause if paid else "unpaid")
        found.append(difference)
    return found


def _level_of(order: Document) -> str:
    return level_sold(order["productId"], (order.get("metadata") or {}).get("level")) or UNKNOWN


def _cause(kind: str, ours: int, stripes: int, order: Document | None) -> str:
    """Why the two sides differ, as far as the amounts tell; `order` when there is one that is paid.

    A refund that failed never counts here. Stripe books it when it was made and again when it came back,
    which may be in two months.
    """
    if kind == "refunds" and order and 0 < abs(stripes - ours) <= _came_back(order):
        return "refund_failed"
    if ours:
        return "amount" if stripes else "not_at_stripe"
    if order is None:
        return "no_order"
    return "other_month" if kind == "gross" else "unknown_refund"


def _came_back(order: Document) -> int:
    """The refunds of an order that failed or were cancelled, in minor units."""
    return sum(
        refund.amount for refund in _refunds_of(order) if refund.status in RETURNED - {UNKNOWN_AT_STRIPE}
    )


def _refunds_of(order: Document) -> Iterator[Refund]:
    """The refunds of an order; one that another program has spoilt is left out, as revenue leaves it out."""
    for refund in mappings_in(order.get("refunds")):
        with suppress(ValidationError):
            yield Refund.model_validate(refund)


def _happened(transaction: Document, orders: Mapping[str, Document]) -> datetime:
    """When the money moved: a sale or refund when it was made, even if it was booked a moment later.

    What is booked much later, as a debit is that the bank has accepted, counts when it is booked. A sale that
    its order dates between the two, or a moment before or after them, happened when the order says: with
    midnight there it would differ in two months. Of a payment that was authorized first and captured later,
    Stripe's charge has the instant of the one, its booking and our order that of the other.
    """
    source = transaction.get("source")
    happened = booked = datetime.fromtimestamp(transaction["created"], UTC)
    if not isinstance(source, Mapping) or not isinstance(source.get("created"), int):
        return happened
    made = datetime.fromtimestamp(source["created"], UTC)
    if timedelta() <= happened - made <= BOOKED_WITHIN:
        happened = made
    order = orders.get(str(source.get("payment_intent")))
    if order and transaction["reporting_category"] == "charge":
        paid = counts_at(order)
        return paid if happened - DATED_WITHIN <= paid <= booked + DATED_WITHIN else happened
    return happened
