"""What the desk looks like this morning: what came in, and which orders need a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from lumira.access import Actor
from lumira.order_filter import UNKNOWN, Disputed, OrderFilter
from lumira.orders import Order, OrderStatus

if TYPE_CHECKING:
    from lumira.order_list import OrderList

# A payment that failed longer ago will not be tried again today.
_FAILED_WITHIN: Final = timedelta(days=6)
# Not those that Stripe refused to make, which nobody can pay, nor those of which Stripe says otherwise: they
# are a need of their own.
_TO_TRY_AGAIN: Final = frozenset({"requires_payment_method", UNKNOWN})
_SHOWN: Final = 3
# More than a person can see to today; counting further takes longer the more orders there are.
COUNTED: Final = 99


class Need(StrEnum):
    """Why an order needs a person, the most urgent first."""

    DIFFERS = "differs"
    DISPUTED = "disputed"
    FAILED = "failed"


@dataclass(frozen=True)
class Needed:
    """The orders of one need: which filter lists them, how many there are, and the first few of that list.

    `count` is at most one more than COUNTED, which means more than that.
    """

    need: Need
    wanted: OrderFilter
    count: int
    first: list[Order]


@dataclass(frozen=True)
class Sold:
    """What came in over some days in one currency, minor units, and how many orders were paid in any."""

    gross: int
    orders: int


def needed(order_list: OrderList, today: date, *, actor: Actor) -> list[Needed]:
    """The orders that need a person, by need; a need that no order has is left out.

    `today` is a day of the business time zone. Raises Forbidden and StoreUnavailable.
    """

    def listed(need: Need, wanted: OrderFilter) -> Needed:
        first = order_list.page(wanted, _SHOWN, actor=actor).orders
        # Fewer than fill the lines are all there are.
        count = len(first) if len(first) < _SHOWN else order_list.count(wanted, actor=actor, at_most=COUNTED)
        return Needed(need, wanted, count, first)

    disputed = OrderFilter().with_disputes(Disputed.NEEDS_RESPONSE)
    failed = OrderFilter(
        statuses=frozenset({OrderStatus.FAILED}),
        stripe_statuses=_TO_TRY_AGAIN,
        first=today - _FAILED_WITHIN,
        last=today,
    )
    found = [
        listed(Need.DIFFERS, OrderFilter(differs=True)),
        listed(Need.DISPUTED, disputed),
        listed(Need.FAILED, failed),
    ]
    return [one for one in found if one.count]


def sold(
    rows: Iterable[Mapping[str, Any]], first: date, last: date, currency: str, *, until_hour: int = 24
) -> Sold:
    """What the rows of `Revenue.days` say of the days from `first` to `last`, money in one currency.

    Of the last day counts what came in up to `until_hour` of the business time zone, exclusive.
    """
    gross = orders = 0
    for row in rows:
        if first <= row["day"] <= last:
            hours = until_hour if row["day"] == last else 24
            gross += sum(row["gross_hours"][:hours]) if row["currency"] == currency else 0
            orders += sum(row["hours"][:hours])
    return Sold(gross, orders)


def growing(rows: Sequence[Mapping[str, Any]], day: date, currency: str, until_hour: int) -> list[Sold]:
    """What had come in on a day by the end of each of its hours, up to `until_hour`, exclusive."""
    return [sold(rows, day, day, currency, until_hour=hour + 1) for hour in range(until_hour)]


def monday(day: date) -> date:
    """The Monday of the week a day is in."""
    return day - timedelta(days=day.weekday())
