"""The orders a filter selects, page by page, at a cost that follows the page and not the collection.

`order_plans` says where to look, `order_listing` keeps with each order what it is found by; here it is read.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

from pymongo.database import Database
from pymongo.errors import PyMongoError

from lumira.order_filter import OrderFilter, Sort
from lumira.orders import Order, Page
from lumira.storage.conditions import of_mode, stored_id
from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import ORDERS
from lumira.storage.oldest import Oldest
from lumira.storage.order_listing import KnownAmounts, OrderListing
from lumira.storage.order_plans import (
    CREATION,
    DATINGS,
    DEADLINE,
    END,
    Cursor,
    Gather,
    Read,
    Walk,
    plan,
)
from lumira.storage.orders import readable
from lumira.storage.paging import (
    FIRST_WINDOW,
    MILLISECOND,
    WIDEST,
    instant_at,
    milliseconds,
    next_width,
)

_BATCH: Final = 1_000
# A twentieth of a second of the embedded store's: nobody waits for one window.
IN_A_WINDOW: Final = 5_000
_COUNT_EVERY: Final = 3_600.0
# The embedded store counts one by one, a million in seconds: no page waits for longer than this.
_COUNT_AWAITED: Final = 0.2
# How soon again where it could not be counted, and how many are taken to be there until then.
_COUNT_SOON: Final = 60.0
_UNCOUNTED: Final = 1_000_000
# What stands between the parts of a cursor: in none of them, and in an address as it is.
_BETWEEN: Final = "~"


class OrderRows:
    """Reads what filters select, of live or of test orders: as with revenue the two are never mixed.

    Every method raises StoreUnavailable when the store can't be reached.
    """

    def __init__(self, database: Database[Document], zone: ZoneInfo, *, livemode: bool) -> None:
        self._collection = database[ORDERS]
        self._ours = of_mode(livemode)
        self._amounts = KnownAmounts(database)
        self._listing = OrderListing(database, self._amounts)
        self._zone = zone
        self._oldest = Oldest(self._collection)
        # None while they were never counted.
        self._count: int | None = None
        self._count_again = -math.inf

    def page(self, wanted: OrderFilter, size: int, cursor: str | None = None) -> Page:
        """At most `size` orders without their timelines; `cursor` is the `next_cursor` of the page before.

        A cursor that is none, or of another sort, shows the first page.
        """
        after = _parse_cursor(cursor, wanted) if cursor else None
        found = self._find(wanted, size + 1, after)
        orders = list(readable(found[:size]))
        return Page(orders, _cursor_after(found[size - 1], wanted) if len(found) > size else None)

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
        # By date, however the list is sorted: by amount, rare orders would be looked for along every amount.
        newest_first = replace(wanted, sort=Sort.NEWEST)
        return len(self._find(newest_first, limit, None, only_keys=True))

    def list_orders(self, limit: int = _BATCH) -> bool:
        """Makes orders that other programs wrote or changed ones that filters find, about `limit` at a time.

        Answers whether that was all.
        """
        return self._listing.complete(limit)

    def _find(
        self, wanted: OrderFilter, need: int, after: Cursor | None, *, only_keys: bool = False
    ) -> list[Document]:
        """The first `need` documents behind the cursor; of each only what sorts it where that is enough."""
        planned = plan(wanted, self._zone, self._amounts.all)
        if isinstance(planned, Gather):
            return self._first_rows(planned.reads(after), need, only_keys)
        found: list[Document] = []
        for walk in planned:
            if len(found) == need:
                break
            if after is None or walk.amount == after.amount:
                found += self._walk(walk, need - len(found), after, only_keys)
            elif walk.is_behind(after):
                found += self._walk(walk, need - len(found), None, only_keys)
        return found

    def _walk(self, walk: Walk, need: int, after: Cursor | None, only_keys: bool) -> list[Document]:
        """The first `need` documents along the date, window by window; bounds are exclusive throughout."""
        found: list[Document] = []
        low, high = walk.low, walk.high
        if after:
            if low < after.at < high:
                beyond = {"$lt" if walk.descending else "$gt": after.id}
                found = self._first_rows(walk.reads(after.at, _id=beyond), need, only_keys)
            if walk.descending:
                high = min(high, after.at)
            else:
                low = max(low, after.at)
        now, width = datetime.now(UTC), FIRST_WINDOW
        widest = WIDEST if walk.rare else self._widest()
        if widest < WIDEST or not walk.descending:
            low = max(low, min(self._oldest.before(dating.name) for dating in walk.datings))
        while len(found) < need and low < high:
            began = time.monotonic()
            if walk.descending:
                # The first window holds whatever is dated in the future too.
                edge = max(low, min(high, now) - width) if high - low > width else low
                window = {"$gt": max(low, edge - MILLISECOND), "$lt": high}
                high = edge
            else:
                # The last one likewise: an empty future is not walked through.
                edge = low + width if low < now and high - low > width else high
                window = {"$gt": low, "$lt": min(high, edge + MILLISECOND)}
                low = edge
            rows = self._first_rows(walk.reads(window), need - len(found), only_keys)
            found += rows
            width = min(widest, next_width(width, len(rows), need - len(found), time.monotonic() - began))
        return found

    def _widest(self) -> timedelta:
        """A window in which IN_A_WINDOW orders were created, as they come on average.

        After a long time without a row, what is read next may be full of them, and the embedded store reads
        all of it.
        """
        if time.monotonic() >= self._count_again:
            self._count_again = time.monotonic() + _COUNT_SOON
            counting = threading.Thread(target=self._count_orders, name="count", daemon=True)
            counting.start()
            counting.join(_COUNT_AWAITED)
        count = _UNCOUNTED if self._count is None else self._count
        if count <= IN_A_WINDOW:
            return WIDEST
        age = datetime.now(UTC) - self._oldest.before("createdAt")
        return max(FIRST_WINDOW, age * (IN_A_WINDOW / count))

    def _count_orders(self) -> None:
        """Where it fails pages go by what was known, and one of them asks again soon."""
        with suppress(PyMongoError):
            self._count = self._collection.estimated_document_count()
            # The average changes slowly.
            self._count_again = time.monotonic() + _COUNT_EVERY

    def _first_rows(self, reads: Sequence[Read], limit: int, only_keys: bool) -> list[Document]:
        """The first `limit` of what any of `reads` finds; what two of them find is there once."""
        found = {
            row["_id"]: ([_sortable(row, name) for name in read.sort], row)
            for read in reads
            for row in self._rows(read, limit, only_keys)
        }
        descending = any(read.sort["_id"] < 0 for read in reads)
        ordered = sorted(found.values(), key=itemgetter(0), reverse=descending)
        return [row for _, row in ordered[:limit]]

    def _rows(self, read: Read, limit: int, only_keys: bool) -> list[Document]:
        """The two stages: what the index serves, then the rest."""
        pipeline: list[Document] = [{"$match": read.first}] if read.first else []
        pipeline.append({"$match": {"$and": [*read.rest, self._ours]}})
        if only_keys:
            pipeline.append({"$project": dict.fromkeys(read.sort, 1)})
        pipeline += [{"$sort": read.sort}, {"$limit": limit}]
        if not only_keys:
            pipeline.append({"$project": {"timeline": 0, "listing.keys": 0, "listing.text": 0}})
        with store_errors():
            return list(self._collection.aggregate(pipeline))


def _cursor_after(document: Document, wanted: OrderFilter) -> str:
    """The cursor of the page that begins behind this document."""
    datings = DATINGS[wanted.dated] if wanted.sort.by_date else CREATION
    at = next(at for dating in datings if (at := document.get(dating.name)))
    sorted_by: Any = ""
    if wanted.sort.by_amount:
        sorted_by = document["amount"]
    elif wanted.sort is Sort.DUE:
        sorted_by = milliseconds(_value(document, DEADLINE))
    return _BETWEEN.join(map(str, (wanted.sort, sorted_by, milliseconds(at), document["_id"])))


def _value(document: Document, name: str) -> Any:
    """The value of a field, of one inside another by both names with a dot between them."""
    for part in name.split("."):
        document = document[part]
    return document


def _sortable(document: Document, name: str) -> Any:
    """The value of a field that is sorted by: the store has text before every ObjectId."""
    value = _value(document, name)
    return (not isinstance(value, str), value) if name == "_id" else value


def _parse_cursor(cursor: str, wanted: OrderFilter) -> Cursor | None:
    """What a cursor stands for; None for text that is none, or a cursor of another sort."""
    try:
        sort, sorted_by, dated, identifier = cursor.split(_BETWEEN, 3)
        at = instant_at(dated)
        amount = float(sorted_by) if wanted.sort.by_amount else None
        due = instant_at(sorted_by) if wanted.sort is Sort.DUE else None
        return Cursor(at, stored_id(identifier), amount, due) if sort == wanted.sort and at <= END else None
    except (ValueError, OverflowError):
        return None
