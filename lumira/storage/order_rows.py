"""The orders a filter selects, page by page, at a cost that follows the page and not the collection.

What the embedded store does quickly is an equality and a range on one index; whatever else a filter asks for
is compared in a second stage. So each filter becomes one of two plans:

- walk: windows of time along an index that ends in the date, from the page's beginning until it is full;
- gather: everything one narrow key finds (a word, an open dispute…), sorted by the store.

MongoDB runs the two stages as one and may choose an index of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from bson import ObjectId
from bson.errors import InvalidId
from pymongo import UpdateOne
from pymongo.database import Database

from lumira.order_filter import (
    DISPUTED_KEY,
    FREE_KEY,
    NOT_AT_STRIPE,
    REFUNDED_KEY,
    UNKNOWN,
    DateField,
    OrderFilter,
    disagreements,
    level_key,
    listing,
    order_id_prefix,
    search_key,
    source_key,
)
from lumira.orders import FREE_PREFIX, Order, OrderStatus, Page
from lumira.storage.conditions import is_value, only_if
from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import AMOUNTS, ORDERS
from lumira.storage.paging import BEGINNING, FIRST_WINDOW, MILLISECOND, next_width

# Counts up when `listing` changes, so that every order is listed anew.
LISTING_VERSION: Final = 2
FIELDS: Final = {
    DateField.CREATED: "createdAt",
    DateField.COMPLETED: "completedAt",
    DateField.REFUNDED: "lastRefundAt",
}
_END: Final = datetime(3000, 1, 2, tzinfo=UTC)
# Steps to the oldest document: each costs little where there is nothing.
_STEP: Final = timedelta(days=30)
_MILLENNIUM: Final = datetime(2000, 1, 1, tzinfo=UTC)
# As many amounts as it takes are walked one by one; more are compared on the way.
_FEW_AMOUNTS: Final = 12
_BATCH: Final = 1_000
# How often changes by other programs are looked for, and how far back at first.
_LOOK_SECONDS: Final = 2.0
_LOOK_BACK: Final = timedelta(days=1)
_OVERLAP: Final = timedelta(seconds=60)
_REFUND_DOES_NOT_COUNT: Final = ["failed", "canceled"]


class KnownAmounts:
    """Every amount an order ever had, which a list sorted by amount walks; a superset is fine."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[AMOUNTS]
        self._known: set[int] = set()

    def add(self, amounts: set[int]) -> None:
        """Remembers these amounts, minor units; costs nothing for those known to this process."""
        new = amounts - self._known
        if not new:
            return
        with store_errors():
            self._collection.bulk_write(
                [
                    UpdateOne({"_id": amount}, {"$setOnInsert": {"_id": amount}}, upsert=True)
                    for amount in sorted(new)
                ],
                ordered=False,
            )
        self._known |= new

    def all(self) -> list[int]:
        """The amounts, lowest first."""
        with store_errors():
            return sorted(int(row["_id"]) for row in self._collection.find())


@dataclass(frozen=True)
class _Plan:
    """Where to look: each of `prefixes` is an equality that an index begins with.

    A walkable prefix is followed by createdAt and _id in its index; a narrow one finds few enough to gather.
    """

    prefixes: list[Document]
    walkable: bool = True
    narrow: bool = False


@dataclass(frozen=True)
class _Cursor:
    """The last order of the page before: its date (UTC) and _id, and its amount where that is sorted by."""

    at: datetime
    id: ObjectId
    amount: int | None = None


class OrderRows:
    """Reads what filters select. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document], zone: ZoneInfo) -> None:
        self._collection = database[ORDERS]
        self._amounts = KnownAmounts(database)
        self._zone = zone
        self._oldest: dict[str, datetime] = {}
        self._looking = threading.Lock()
        self._looked_at = 0.0
        self._seen = datetime.now(UTC) - _LOOK_BACK

    def page(self, wanted: OrderFilter, size: int, cursor: str | None = None) -> Page:
        """At most `size` orders without their timelines; `cursor` is the `next_cursor` of the page before.

        A cursor that is none, or of another sort, shows the first page.
        """
        after = _parse(cursor, wanted) if cursor else None
        found = self._find(wanted, size + 1, after)
        orders = [Order.model_validate(document) for document in found[:size]]
        return Page(orders, _write(found[size - 1], wanted) if len(found) > size else None)

    def every(self, wanted: OrderFilter) -> Iterator[Order]:
        """Every order selected, in order, read in batches."""
        cursor = None
        while True:
            page = self.page(wanted, _BATCH, cursor)
            yield from page.orders
            cursor = page.next_cursor
            if cursor is None:
                return

    def count(self, wanted: OrderFilter, limit: int) -> int:
        """How many orders are selected, counted up to `limit`."""
        return len(self._find(wanted, limit, None, only_keys=True))

    def list_orders(self, limit: int = _BATCH) -> bool:
        """Writes what orders are found by where it is missing or another program changed the order.

        Looks at no more than `limit` orders of each and answers whether that was all. An order that changes
        meanwhile is left for the next time.
        """
        with store_errors():
            # One equality after the other, which is what the embedded store does quickly.
            missing = [
                document
                for version in (None, *range(1, LISTING_VERSION))
                for document in self._collection.find({"listing.version": version}, {"timeline": 0}).limit(
                    limit
                )
            ]
            self._list(missing)
            return self._list_changed(limit) and len(missing) < limit

    def _list_changed(self, limit: int) -> bool:
        """The same for orders whose updatedAt says that somebody wrote them since the last look."""
        if not self._looking.acquire(blocking=False):
            return True
        try:
            if time.monotonic() < self._looked_at + _LOOK_SECONDS:
                return True
            now = datetime.now(UTC)
            recent = self._collection.find({"updatedAt": {"$gt": self._seen - _OVERLAP}}, {"timeline": 0})
            changed = list(recent.sort("updatedAt", 1).limit(limit))
            self._list([document for document in changed if document.get("listing") != _listed(document)])
            if len(changed) == limit and changed[-1]["updatedAt"] > self._seen:
                self._seen = changed[-1]["updatedAt"] + _OVERLAP
                return False
            self._seen, self._looked_at = now, time.monotonic()
            return True
        finally:
            self._looking.release()

    def _list(self, documents: list[Document]) -> None:
        if not documents:
            return
        self._amounts.add({int(document["amount"]) for document in documents})
        writes = [
            UpdateOne(
                {"_id": document["_id"]},
                only_if(
                    is_value("updatedAt", document.get("updatedAt")),
                    {"$set": {"listing": _listed(document)}},
                ),
            )
            for document in documents
        ]
        self._collection.bulk_write(writes, ordered=False)

    def _find(
        self, wanted: OrderFilter, need: int, after: _Cursor | None, *, only_keys: bool = False
    ) -> list[Document]:
        """The first `need` documents after the cursor."""
        plan = self._plan(wanted)
        field = FIELDS[wanted.dated]
        start, end = wanted.bounds(self._zone)
        rest = _conditions(wanted)
        if plan.narrow and (wanted.sort.by_amount or not plan.walkable or field != "createdAt"):
            inside = _period(wanted, start, end)
            return self._gather(plan.prefixes, [*rest, *inside], wanted, need, after, only_keys)
        if wanted.sort.by_amount:
            if field == "createdAt":
                return self._walk_amounts(wanted, rest, (start, end), need, after, only_keys)
            return self._walk_amounts(
                wanted, [*rest, *_period(wanted, start, end)], (None, None), need, after, only_keys
            )
        if field != "createdAt":
            plan = _Plan([{}])
        if wanted.dated is DateField.REFUNDED:
            # An order refunded in the period was last refunded in it or after it.
            rest, end = [*rest, *_period(wanted, start, end)], None
        walk = _Walk(field, descending=wanted.sort.descending, only_keys=only_keys)
        return self._walk(walk, plan.prefixes, rest, (start, end), need, after)

    def _plan(self, wanted: OrderFilter) -> _Plan:
        """The narrowest way in that an index serves."""
        words = wanted.words
        if prefix := order_id_prefix(words):
            # Eight hexadecimal digits may also begin a word.
            return _Plan([_id_range(prefix), {"listing.keys": prefix[:8]}], walkable=False, narrow=True)
        if key := search_key(words):
            return _Plan([{"listing.keys": key}], narrow=True)
        if wanted.disputed:
            return _Plan([{"listing.keys": DISPUTED_KEY}], narrow=True)
        if wanted.differs:
            pairs: list[Document] = [
                {"stripeStatus": stripe_status, "status": str(status)}
                for stripe_status, status in disagreements()
                if not wanted.statuses or status in wanted.statuses
                if not wanted.stripe_statuses or wanted.stripe_statuses & {stripe_status, NOT_AT_STRIPE}
            ]
            return _Plan(pairs, walkable=False, narrow=True)
        if wanted.statuses and OrderStatus.COMPLETED not in wanted.statuses:
            return _Plan([{"status": str(status)} for status in sorted(wanted.statuses)])
        if wanted.stripe_statuses and "succeeded" not in wanted.stripe_statuses:
            free: list[Document] = (
                [{"listing.keys": FREE_KEY}] if NOT_AT_STRIPE in wanted.stripe_statuses else []
            )
            said: list[Document] = [
                {"stripeStatus": stripe_status, "status": str(status)}
                for stripe_status in _stored(wanted.stripe_statuses - {NOT_AT_STRIPE})
                for status in sorted(wanted.statuses or OrderStatus)
            ]
            return _Plan(free + said)
        if wanted.refunded:
            return _Plan([{"listing.keys": REFUNDED_KEY}])
        if wanted.sources:
            return _Plan([{"listing.keys": source_key(name)} for name in sorted(wanted.sources)])
        if wanted.levels:
            return _Plan([{"listing.keys": level_key(name)} for name in sorted(wanted.levels)])
        if not wanted.sort.by_amount and (wanted.minimum is not None or wanted.maximum is not None):
            amounts = self._amounts_of(wanted)
            if len(amounts) <= _FEW_AMOUNTS:
                return _Plan([{"amount": amount} for amount in amounts])
        return _Plan([{}])

    def _amounts_of(self, wanted: OrderFilter) -> list[int]:
        """The known amounts inside the filter's bounds, lowest first."""
        low = 0 if wanted.minimum is None else wanted.minimum
        return [
            amount
            for amount in self._amounts.all()
            if low <= amount and (wanted.maximum is None or amount <= wanted.maximum)
        ]

    def _walk_amounts(
        self,
        wanted: OrderFilter,
        rest: list[Document],
        period: tuple[datetime | None, datetime | None],
        need: int,
        after: _Cursor | None,
        only_keys: bool,
    ) -> list[Document]:
        """One amount after the other, each by createdAt in the same direction."""
        down = wanted.sort.descending
        walk = _Walk("createdAt", descending=down, only_keys=only_keys)
        found: list[Document] = []
        for amount in sorted(self._amounts_of(wanted), reverse=down):
            reached = None
            if after and after.amount is not None:
                if (amount > after.amount) if down else (amount < after.amount):
                    continue
                reached = after if amount == after.amount else None
            if len(found) == need:
                break
            found += self._walk(walk, [{"amount": amount}], rest, period, need - len(found), reached)
        return found

    def _walk(
        self,
        walk: _Walk,
        prefixes: list[Document],
        rest: list[Document],
        period: tuple[datetime | None, datetime | None],
        need: int,
        after: _Cursor | None,
    ) -> list[Document]:
        """The first `need` documents along the date, window by window; bounds are exclusive throughout."""
        start, end = period
        found: list[Document] = []

        def read(bounds: Document) -> None:
            bounded = [{**prefix, **bounds} for prefix in prefixes]
            found.extend(self._first_rows(bounded, rest, walk.sort, need - len(found), walk.projection))

        low = BEGINNING if start is None else start - MILLISECOND
        high = _END if end is None else end
        if after:
            beyond = {"$lt": after.id} if walk.descending else {"$gt": after.id}
            if low < after.at < high:
                read({walk.field: after.at, "_id": beyond})
            if walk.descending:
                high = min(high, after.at)
            else:
                low = max(low, after.at)
        if not walk.descending:
            low = max(low, self._before_the_oldest(walk.field))
        now, width = datetime.now(UTC), FIRST_WINDOW
        while len(found) < need and low < high:
            before, began = len(found), time.monotonic()
            if walk.descending:
                # The first window holds whatever is dated in the future too.
                edge = max(low, min(high, now) - width) if high - low > width else low
                read({walk.field: {"$gt": max(low, edge - MILLISECOND), "$lt": high}})
                high = edge
            else:
                edge = low + width if high - low > width else high
                read({walk.field: {"$gt": low, "$lt": min(high, edge + MILLISECOND)}})
                low = edge
            width = next_width(width, len(found) - before, need - len(found), time.monotonic() - began)
        return found

    def _gather(
        self,
        prefixes: list[Document],
        rest: list[Document],
        wanted: OrderFilter,
        need: int,
        after: _Cursor | None,
        only_keys: bool,
    ) -> list[Document]:
        """Everything the narrow prefixes find, sorted, behind the cursor."""
        fields = ["amount", "createdAt", "_id"] if wanted.sort.by_amount else [FIELDS[wanted.dated], "_id"]
        direction = -1 if wanted.sort.descending else 1
        if after:
            rest = [*rest, _behind(after, fields, "$lt" if direction < 0 else "$gt")]
        projection = dict.fromkeys(fields, 1) if only_keys else None
        return self._first_rows(prefixes, rest, dict.fromkeys(fields, direction), need, projection)

    def _first_rows(
        self,
        firsts: Sequence[Document],
        rest: Sequence[Document],
        sort: dict[str, int],
        limit: int,
        projection: Document | None,
    ) -> list[Document]:
        """The first `limit` of what any of `firsts` finds; what two of them find is there once."""
        found = {
            row["_id"]: row for first in firsts for row in self._rows(first, rest, sort, limit, projection)
        }
        descending = -1 in sort.values()
        rows = sorted(found.values(), key=lambda row: [row[field] for field in sort], reverse=descending)
        return rows[:limit]

    def _rows(
        self,
        first: Document,
        rest: Sequence[Document],
        sort: dict[str, int],
        limit: int,
        projection: Document | None,
    ) -> list[Document]:
        """The two stages: what the index serves, then the rest."""
        pipeline: list[Document] = [{"$match": first}] if first else []
        if rest:
            pipeline.append({"$match": {"$and": list(rest)}})
        if projection:
            pipeline.append({"$project": projection})
        pipeline += [{"$sort": sort}, {"$limit": limit}]
        if not projection:
            pipeline.append({"$project": {"timeline": 0, "listing": 0}})
        with store_errors():
            return list(self._collection.aggregate(pipeline))

    def _before_the_oldest(self, field: str) -> datetime:
        """An instant before every date of this field, an hour before the first of them at most."""
        known = self._oldest.get(field)
        if known and not self._has(field, BEGINNING, known):
            return known
        known = _MILLENNIUM
        if self._has(field, BEGINNING, known):
            return BEGINNING
        step = _STEP
        while known < datetime.now(UTC) and step >= FIRST_WINDOW:
            if self._has(field, known, known + step):
                step /= 2
            else:
                known += step - MILLISECOND
        self._oldest[field] = known
        return known

    def _has(self, field: str, low: datetime, high: datetime) -> bool:
        with store_errors():
            return self._collection.find_one({field: {"$gt": low, "$lt": high}}, {"_id": 1}) is not None


@dataclass(frozen=True)
class _Walk:
    """Along which date, in which direction, and whether only what sorts is wanted."""

    field: str
    descending: bool
    only_keys: bool

    @property
    def sort(self) -> dict[str, int]:
        direction = -1 if self.descending else 1
        return {self.field: direction, "_id": direction}

    @property
    def projection(self) -> Document | None:
        return {self.field: 1} if self.only_keys else None


def listing_document(order: Order) -> Document:
    """The stored form of what this order is found by."""
    made = listing(order)
    return {"version": LISTING_VERSION, "keys": list(made.keys), "text": made.text}


def _listed(document: Document) -> Document:
    return listing_document(Order.model_validate(document))


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
    if wanted.minimum is not None:
        found.append({"amount": {"$gte": wanted.minimum}})
    if wanted.maximum is not None:
        found.append({"amount": {"$lte": wanted.maximum}})
    for answer, key in ((wanted.refunded, REFUNDED_KEY), (wanted.disputed, DISPUTED_KEY)):
        if answer is not None:
            found.append({"listing.keys": key if answer else {"$ne": key}})
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
    low, high = start or BEGINNING, end or _END
    if wanted.dated is not DateField.REFUNDED:
        return [{FIELDS[wanted.dated]: {"$gte": low, "$lt": high}}]
    if start is None and end is None:
        return [{"lastRefundAt": {"$gte": low}}]
    inside = {"createdAt": {"$gte": low, "$lt": high}, "status": {"$nin": _REFUND_DOES_NOT_COUNT}}
    return [{"lastRefundAt": {"$gte": low}}, {"refunds": {"$elemMatch": inside}}]


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


def _behind(after: _Cursor, fields: list[str], operator: str) -> Document:
    """The condition that a document comes after the cursor."""
    values: dict[str, Any] = {"amount": after.amount, "_id": after.id}
    return {
        "$or": [
            {
                **{before: values.get(before, after.at) for before in fields[:position]},
                field: {operator: values.get(field, after.at)},
            }
            for position, field in enumerate(fields)
        ]
    }


def _write(document: Document, wanted: OrderFilter) -> str:
    at = document["createdAt" if wanted.sort.by_amount else FIELDS[wanted.dated]]
    cursor = f"{round((at - BEGINNING) / MILLISECOND)}-{document['_id']}"
    return f"{int(document['amount'])}-{cursor}" if wanted.sort.by_amount else cursor


def _parse(cursor: str, wanted: OrderFilter) -> _Cursor | None:
    """What a cursor stands for; None for text that is none, or a cursor of another sort."""
    try:
        *before, milliseconds, identifier = cursor.split("-")[-3:]
        at = BEGINNING + timedelta(milliseconds=int(milliseconds))
        amount = int(before[0]) if before else None
        if (amount is not None) is not wanted.sort.by_amount or at > _END:
            return None
        return _Cursor(at, ObjectId(identifier), amount)
    except (ValueError, OverflowError, InvalidId):
        return None
