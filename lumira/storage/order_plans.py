"""Where the store looks for the orders of a filter: each filter becomes one of two plans. No I/O.

What the embedded store does quickly is an equality and a range on one index; whatever else a filter asks for
is compared in a second stage. MongoDB runs the two stages as one and may choose an index of its own.

- Walk: windows of time along an index that ends in a date, until the page is full;
- Gather: everything that an equality finds, for those that find few orders, sorted by the store.

The first row that applies decides, and what the list is sorted by:

| the filter has | creation | another date | amount, deadline | index |
|---|---|---|---|---|
| the beginning of an order's id | gather | gather | gather | `_id`, keys_newest |
| words, disputed | walk | gather | gather | keys_newest |
| Stripe's status is not ours | gather | gather | gather | stripe_status_newest |
| statuses without completed | walk | dates | amounts | status_newest |
| Stripe's statuses without succeeded | walk | dates | amounts | stripe_status_newest, keys_newest |
| refunded, sources, levels | walk | dates | amounts | keys_newest |
| bounds that few amounts are within | walk | dates | amounts | amount_newest |
| nothing of these | walk | dates | amounts | createdAt_newest |

The index is that of "gather" and "walk". "dates" walks the index of that date, completedAt or lastRefundAt,
and status_newest for completed orders without completedAt; "amounts" is one walk of amount_newest for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from bson import ObjectId

from lumira.documents import BEGINNING
from lumira.order_filter import (
    DISPUTED_KEY,
    FREE_KEY,
    NEEDS_RESPONSE_KEY,
    NOT_AT_STRIPE,
    REFUNDED_KEY,
    UNKNOWN,
    DateField,
    Disputed,
    OrderFilter,
    disagreements,
    is_rare,
    level_key,
    order_id_prefix,
    search_key,
    source_key,
)
from lumira.orders import FREE_PREFIX, OrderStatus
from lumira.refunds import RETURNED
from lumira.storage.failures import Document
from lumira.storage.paging import MILLISECOND

END: Final = datetime(3000, 1, 2, tzinfo=UTC)
# Stripe shows the release of a payment that was never captured as a refund too: no money had come.
_PAID: Final[Document] = {"status": "completed"}
DEADLINE: Final = "listing.due"
# The least of what a list can be sorted by beside dates.
_LEAST: Final[Document] = {"amount": 0, DEADLINE: BEGINNING}
# The key of the orders that have such disputes.
_DISPUTES: Final[Mapping[Disputed | None, str]] = {
    Disputed.YES: DISPUTED_KEY,
    Disputed.NEEDS_RESPONSE: NEEDS_RESPONSE_KEY,
}
# Up to so many amounts are each walked along their own part of the index; more are compared on the way.
_FEW_AMOUNTS: Final = 12


@dataclass(frozen=True)
class Dating:
    """A field that dates orders: those that `equal`, which its index begins with, and `further` select."""

    name: str
    equal: Document = field(default_factory=dict)
    further: Document = field(default_factory=dict)

    def inside(self, start: datetime, end: datetime) -> Document:
        """The condition that this dates an order, with start ≤ date < end."""
        return {**self.equal, **self.further, self.name: {"$gte": start, "$lt": end}}


CREATION: Final = [Dating("createdAt")]
# An order has one date at most, by the first of these that fits.
DATINGS: Final = {
    DateField.CREATED: CREATION,
    # As revenue has it: the program we replaced may have written no completedAt.
    DateField.COMPLETED: [
        Dating("completedAt"),
        Dating("createdAt", equal={"status": "completed"}, further={"completedAt": None}),
    ],
    DateField.REFUNDED: [Dating("lastRefundAt")],
}


@dataclass(frozen=True)
class Cursor:
    """The last order of the page before: its date (UTC) and _id, and its amount or the deadline of its
    dispute (UTC) where that is sorted by.
    """

    at: datetime
    id: ObjectId | str
    amount: float | None = None
    due: datetime | None = None


@dataclass(frozen=True)
class Read:
    """One question to the store: `first` is what an index serves, `rest` is compared, then it is sorted."""

    first: Document
    rest: list[Document]
    sort: dict[str, int]


@dataclass(frozen=True)
class Walk:
    """Along the dates between `low` and `high`, both excluded, of what any of `prefixes` selects.

    A prefix is an equality that an index has before the date; where one amount is walked, it is of `amount`.
    What is `rare` may be read whole in one step.
    """

    prefixes: list[Document]
    conditions: list[Document]
    datings: list[Dating]
    descending: bool
    low: datetime
    high: datetime
    amount: float | None = None
    rare: bool = False

    def is_behind(self, after: Cursor) -> bool:
        """Whether this walk, of one amount, begins behind the cursor."""
        if self.amount is None or after.amount is None:
            return False
        return self.amount < after.amount if self.descending else self.amount > after.amount

    def reads(self, at: object, **beside: object) -> list[Read]:
        """What selects the orders dated `at`, an instant or a range, with conditions on fields beside it."""
        direction = -1 if self.descending else 1
        return [
            Read(
                {**prefix, **dating.equal, dating.name: at, **beside},
                [*self.conditions, dating.further] if dating.further else self.conditions,
                {dating.name: direction, "_id": direction},
            )
            for dating in self.datings
            for prefix in self.prefixes
        ]


@dataclass(frozen=True)
class Gather:
    """Everything that any of `prefixes` selects; sorted by the fields of `first`, then by date and `_id`."""

    prefixes: list[Document]
    conditions: list[Document]
    datings: list[Dating]
    descending: bool
    first: list[str]

    def reads(self, after: Cursor | None) -> list[Read]:
        """What selects the orders behind the cursor."""
        direction = -1 if self.descending else 1
        found = []
        # An order that lacks what is sorted by, spoilt or not listed yet, has no place in the list.
        placed = [{name: {"$gte": _LEAST[name]}} for name in self.first]
        for dating in self.datings:
            fields = [*self.first, dating.name, "_id"]
            rest = [*self.conditions, *placed, dating.inside(BEGINNING, END)]
            if after:
                rest.append(_behind(after, fields, "$lt" if self.descending else "$gt"))
            found += [Read(prefix, rest, dict.fromkeys(fields, direction)) for prefix in self.prefixes]
        return found


def plan(
    wanted: OrderFilter, zone: ZoneInfo, known_amounts: Callable[[], list[float]]
) -> Gather | list[Walk]:
    """The narrowest way in that an index serves; walks are to be made one after the other.

    `known_amounts` answers every amount that an order may have.
    """
    start, end = wanted.bounds(zone)
    low, high = BEGINNING - MILLISECOND if start is None else start - MILLISECOND, end or END
    conditions, period = _conditions(wanted), _period(wanted, start, end)
    descending, by_amount = wanted.sort.descending, wanted.sort.by_amount
    created = wanted.dated is DateField.CREATED
    datings = DATINGS[wanted.dated] if wanted.sort.by_date else CREATION

    few = _few(wanted)
    if few is not None:
        first: list[str] = []
        if not wanted.sort.by_date:
            first = ["amount"] if by_amount else [DEADLINE]
        return Gather(few, [*conditions, *period], datings, descending, first)
    if by_amount:
        if not created:
            # Those of one amount are sorted by creation, whatever date the period speaks of.
            conditions, low, high = [*conditions, *period], BEGINNING - MILLISECOND, END
        return [
            Walk([{"amount": amount}], conditions, datings, descending, low, high, amount)
            for amount in sorted(_within(wanted, known_amounts()), reverse=descending)
        ]
    if wanted.dated is DateField.REFUNDED:
        # An order refunded in the period was last refunded in it or after it.
        conditions, high = [*conditions, *period], END
    prefixes = _prefixes(wanted, known_amounts) if created else [{}]
    # The key that the prefixes are made of.
    rare = created and is_rare(_narrow_key(wanted) or "")
    return [Walk(prefixes, conditions, datings, descending, low, high, rare=rare)]


def _few(wanted: OrderFilter) -> list[Document] | None:
    """Equalities that find few orders, all those of the filter among them; None where it is better walked."""
    if prefix := order_id_prefix(wanted.words):
        # Eight hexadecimal digits may also begin a word.
        return [_id_range(prefix), {"listing.keys": prefix[:8]}]
    if key := _narrow_key(wanted):
        # Newest first it need not be read to its end.
        by_creation = wanted.dated is DateField.CREATED and wanted.sort.by_date
        return None if by_creation else [{"listing.keys": key}]
    if wanted.differs:
        return [
            {"stripeStatus": stripe_status, "status": str(status)}
            for stripe_status, status in disagreements()
            if not wanted.statuses or status in wanted.statuses
            if not wanted.stripe_statuses or wanted.stripe_statuses & {stripe_status, NOT_AT_STRIPE}
        ]
    return None


def _narrow_key(wanted: OrderFilter) -> str | None:
    return search_key(wanted.words) or _DISPUTES.get(wanted.disputed)


def _prefixes(wanted: OrderFilter, known_amounts: Callable[[], list[float]]) -> list[Document]:
    """Equalities that an index has before createdAt, and that together find every order of the filter."""
    if key := _narrow_key(wanted):
        return [{"listing.keys": key}]
    if wanted.statuses and OrderStatus.COMPLETED not in wanted.statuses:
        return [{"status": str(status)} for status in sorted(wanted.statuses)]
    if wanted.stripe_statuses and "succeeded" not in wanted.stripe_statuses:
        free: list[Document] = [{"listing.keys": FREE_KEY}] if NOT_AT_STRIPE in wanted.stripe_statuses else []
        said: list[Document] = [
            {"stripeStatus": stripe_status, "status": str(status)}
            for stripe_status in _stored(wanted.stripe_statuses - {NOT_AT_STRIPE})
            for status in sorted(wanted.statuses or OrderStatus)
        ]
        return free + said
    if wanted.refunded:
        return [{"listing.keys": REFUNDED_KEY}]
    if wanted.sources:
        return [{"listing.keys": source_key(name)} for name in sorted(wanted.sources)]
    if wanted.levels:
        return [{"listing.keys": level_key(name)} for name in sorted(wanted.levels)]
    if wanted.minimum is not None or wanted.maximum is not None:
        amounts = _within(wanted, known_amounts())
        if len(amounts) <= _FEW_AMOUNTS:
            return [{"amount": amount} for amount in amounts]
    return [{}]


def _within(wanted: OrderFilter, amounts: list[float]) -> list[float]:
    """Those amounts that are inside the filter's bounds."""
    low = 0 if wanted.minimum is None else wanted.minimum
    high = math.inf if wanted.maximum is None else wanted.maximum
    return [amount for amount in amounts if low <= round(amount) <= high]


def _rounded_within(wanted: OrderFilter) -> Iterator[Document]:
    """The filter's bounds for stored amounts: half a minor unit is read as the even one beside it."""
    if (low := wanted.minimum) is not None:
        yield {"amount": {"$gt" if low % 2 else "$gte": low - 0.5}}
    if (high := wanted.maximum) is not None:
        yield {"amount": {"$lt" if high % 2 else "$lte": high + 0.5}}


def _conditions(wanted: OrderFilter) -> list[Document]:
    """Everything the filter asks for but its period."""
    found: list[Document] = []
    if wanted.levels:
        found.append({"listing.keys": {"$in": [level_key(name) for name in sorted(wanted.levels)]}})
    if wanted.sources:
        found.append({"listing.keys": {"$in": [source_key(name) for name in sorted(wanted.sources)]}})
    if wanted.statuses:
        found.append({"status": {"$in": sorted(map(str, wanted.statuses))}})
    if wanted.stripe_statuses:
        found.append(_at_stripe(wanted.stripe_statuses))
    if wanted.differs:
        found.append(
            {
                "$or": [
                    {"stripeStatus": stripe_status, "status": str(status)}
                    for stripe_status, status in disagreements()
                ]
            }
        )
    found += _rounded_within(wanted)
    if wanted.refunded:
        found += [{"listing.keys": REFUNDED_KEY}, _PAID]
    elif wanted.refunded is False:
        found.append({"$or": [{"listing.keys": {"$ne": REFUNDED_KEY}}, {"status": {"$ne": "completed"}}]})
    if wanted.disputed is not None:
        found.append({"listing.keys": _DISPUTES.get(wanted.disputed) or {"$ne": DISPUTED_KEY}})
    for word in wanted.words:
        where = {"$indexOfCP": [{"$ifNull": ["$listing.text", ""]}, {"$literal": f" {word}"}]}
        found.append({"$expr": {"$gte": [where, 0]}})
    return found


def _at_stripe(names: frozenset[str]) -> Document:
    """What Stripe said last; a free order never went there, whatever its document says."""
    free = {"paymentIntentId": {"$gte": FREE_PREFIX, "$lt": FREE_PREFIX[:-1] + "`"}}
    said = {"$and": [{"$nor": [free]}, {"stripeStatus": {"$in": _stored(names - {NOT_AT_STRIPE})}}]}
    return {"$or": [free, said]} if NOT_AT_STRIPE in names else said


def _stored(names: frozenset[str]) -> list[str | None]:
    """Stripe statuses as they are stored: nothing where what Stripe says is unknown."""
    plain = sorted(names - {UNKNOWN})
    return [*plain, None] if UNKNOWN in names else list(plain)


def _period(wanted: OrderFilter, start: datetime | None, end: datetime | None) -> list[Document]:
    """The period as a condition; an order without the date is never in it."""
    low, high = start or BEGINNING, end or END
    if wanted.dated is not DateField.REFUNDED:
        return [{"$or": [dating.inside(low, high) for dating in DATINGS[wanted.dated]]}]
    made: list[Document] = [_PAID, {"lastRefundAt": {"$gte": low}}]
    if start is None and end is None:
        return made
    inside = {"createdAt": {"$gte": low, "$lt": high}, "status": {"$nin": sorted(RETURNED)}}
    return [*made, {"refunds": {"$elemMatch": inside}}]


def _id_range(prefix: str) -> Document:
    """The `_id`s that begin with these hexadecimal digits; an exclusive bound lies one beyond each end."""
    first, last = int(prefix.ljust(24, "0"), 16), int(prefix.ljust(24, "f"), 16)
    if first == last:
        return {"_id": ObjectId(prefix)}
    bounds = {}
    if first > 0:
        bounds["$gt"] = ObjectId(f"{first - 1:024x}")
    if last < 16**24 - 1:
        bounds["$lt"] = ObjectId(f"{last + 1:024x}")
    return {"_id": bounds}


def _behind(after: Cursor, fields: list[str], operator: str) -> Document:
    """The condition that a document comes after the cursor."""
    values: dict[str, Any] = {"amount": after.amount, DEADLINE: after.due, "_id": after.id}
    return {
        "$or": [
            {
                **{before: values.get(before, after.at) for before in fields[:position]},
                name: {operator: values.get(name, after.at)},
            }
            for position, name in enumerate(fields)
        ]
    }
