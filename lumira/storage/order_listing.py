"""What orders are found by: kept with each order as `listing`, also with those that other programs wrote.

Our own writes take the listing away or keep it right. Other programs know nothing of it: an order of theirs
has none yet, and one that they change is recognized by its updatedAt, as revenue does.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from bson import ObjectId
from pydantic import ValidationError
from pymongo import UpdateOne
from pymongo.database import Database

from lumira.batches import batched
from lumira.order_filter import listing, local_part_key
from lumira.orders import Order, address_of
from lumira.revenue import OVERLAP
from lumira.storage.conditions import is_value, only_if
from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import AMOUNTS, LISTING_STATE, ORDERS
from lumira.storage.paging import FIRST_WINDOW, MILLISECOND, next_width

# Counts up when `listing` changes, so that every order is listed anew.
LISTING_VERSION: Final = 6
# A timeline is for the page of one order; what lists orders leaves it in the store.
WITHOUT_TIMELINE: Final = {"timeline": 0}
# On the embedded store an index of many keys takes some five milliseconds an order: of a thousand at once the
# write was given up before its answer, and others waited behind it.
_WRITTEN_AT_ONCE: Final = 100
# How far back a process looks at first, at least; further where the process before it had not come so far.
_LOOK_BACK: Final = timedelta(days=1)
_MARK_EVERY: Final = timedelta(minutes=1)
# Between two looks lie two seconds, or nine times as long as the last one took: at most a tenth of the time
# is spent on looking.
LOOK_SECONDS: Final = 2.0
REST: Final = 9
# How long one reader waits for another who is looking.
_PATIENCE: Final = 0.2
# Two writes within a millisecond have one updatedAt; the second has come by then.
_SETTLED: Final = timedelta(seconds=1)


class KnownAmounts:
    """Every amount an order ever had, which a list sorted by amount walks; a superset is fine.

    Minor units as they are stored: with a fraction where another program stored one, for orders are looked
    for by it.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[AMOUNTS]
        self._known: set[float] = set()

    def add(self, amounts: Iterable[float]) -> None:
        """Remembers these amounts, minor units; costs nothing for those known to this process."""
        new = set(amounts) - self._known
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

    def all(self) -> list[float]:
        """The amounts, lowest first."""
        with store_errors():
            return sorted(row["_id"] for row in self._collection.find())


@dataclass
class _Look:
    """One look at what changed, which may take several calls.

    Orders with updatedAt up to `reached` have been read, by their ids; those that `wait` are still to be
    compared with their listings.
    """

    began: datetime
    reached: datetime
    width: timedelta = FIRST_WINDOW
    all_read: bool = False
    waiting: list[ObjectId] = field(default_factory=list)
    seconds: float = 0.0


class OrderListing:
    """Writes the listings of orders. Every method raises StoreUnavailable."""

    def __init__(self, database: Database[Document], amounts: KnownAmounts) -> None:
        self._collection = database[ORDERS]
        self._state = database[LISTING_STATE]
        self._amounts = amounts
        self._looking = threading.Lock()
        # Under the lock from here on.
        self._look: _Look | None = None
        self._next_look = 0.0
        self._seen: datetime | None = None
        self._marked: datetime | None = None
        # The updatedAt of orders whose listing is known to be right: those that the overlap shows once more.
        self._compared: dict[ObjectId, datetime] = {}

    def complete(self, limit: int) -> bool:
        """Writes listings where they are missing, or wrong because another program changed the order.

        Looks at about `limit` orders of each kind at most and answers whether that was all. An order that
        changes meanwhile is left for the next time.
        """
        with store_errors():
            # One equality after the other, which is what the embedded store does quickly.
            missing = [
                document
                for version in (None, *range(1, LISTING_VERSION))
                for document in self._collection.find({"listing.version": version}, WITHOUT_TIMELINE).limit(
                    limit
                )
            ]
            self._amounts.add(_amounts_of(missing))
            self._write([(document, _listed(document)) for document in missing])
            return self._follow_changes(limit) and len(missing) < limit

    def _follow_changes(self, limit: int) -> bool:
        """Goes on with the look at what changed, or begins the next one; whether none is unfinished."""
        if not self._looking.acquire(timeout=_PATIENCE):
            return self._look is None
        try:
            if self._look is None:
                if time.monotonic() < self._next_look:
                    return True
                self._look = _Look(datetime.now(UTC), (self._seen or self._first_seen()) - OVERLAP)
            look = self._look
            while len(look.waiting) < limit and not look.all_read:
                self._read_window(look, limit)
            self._compare(look.waiting[:limit])
            del look.waiting[:limit]
            if look.waiting or not look.all_read:
                return False
            self._finish(look)
            return True
        finally:
            self._looking.release()

    def _read_window(self, look: _Look, limit: int) -> None:
        """Reads which orders changed in the next window of time; of those of one instant, however many.

        Only ids and dates: the embedded store reads a whole range whatever the limit, and a page of those
        that have one updatedAt would read all of them again.
        """
        began = time.monotonic()
        end = look.reached + look.width
        bounds = {"$gt": look.reached}
        if end < look.began:
            bounds["$lt"] = end
        # The last window holds whatever is dated in the future too.
        found = [
            row["_id"]
            for row in self._collection.find({"updatedAt": bounds}, {"updatedAt": 1})
            if self._compared.get(row["_id"]) != row["updatedAt"]
        ]
        look.waiting += found
        look.all_read = "$lt" not in bounds
        look.reached = end - MILLISECOND
        seconds = time.monotonic() - began
        look.seconds += seconds
        look.width = next_width(look.width, len(found), max(1, limit - len(look.waiting)), seconds)

    def _compare(self, ids: list[ObjectId]) -> None:
        """Writes the listings of these orders where they are wrong."""
        if not ids:
            return
        changed = list(self._collection.find({"_id": {"$in": ids}}, WITHOUT_TIMELINE))
        # The amount is no part of the listing, but may be what the other program changed.
        self._amounts.add(_amounts_of(changed))
        listed = [(document, _listed(document)) for document in changed]
        self._write([(document, right) for document, right in listed if document.get("listing") != right])
        settled = datetime.now(UTC) - _SETTLED
        self._compared |= {
            document["_id"]: at
            for document in changed
            if isinstance(at := document["updatedAt"], datetime) and at < settled
        }

    def _first_seen(self) -> datetime:
        """Where a process that has just begun goes on: changes of while none ran are seen too."""
        recent = datetime.now(UTC) - _LOOK_BACK
        state = self._state.find_one({"_id": ORDERS})
        return min(state["seen"], recent) if state else recent

    def _finish(self, look: _Look) -> None:
        self._look = None
        self._seen = look.began
        if self._marked is None or look.began > self._marked + _MARK_EVERY:
            # $max: each of several processes has seen everything up to its own instant.
            self._state.update_one({"_id": ORDERS}, {"$max": {"seen": look.began}}, upsert=True)
            self._marked = look.began
        self._next_look = time.monotonic() + max(LOOK_SECONDS, REST * look.seconds)
        self._compared = {key: at for key, at in self._compared.items() if at > look.began - OVERLAP}

    def _write(self, listed: list[tuple[Document, Document]]) -> None:
        """Writes these listings with their orders, unless those have changed meanwhile."""
        writes = [
            UpdateOne(
                {"_id": document["_id"]},
                only_if(is_value("updatedAt", document.get("updatedAt")), {"$set": {"listing": right}}),
            )
            for document, right in listed
        ]
        for batch in batched(writes, _WRITTEN_AT_ONCE):
            self._collection.bulk_write(batch, ordered=False)


def listing_document(order: Order) -> Document:
    """The stored form of what this order is found by."""
    made = listing(order)
    document: Document = {"version": LISTING_VERSION, "keys": list(made.keys), "text": made.text}
    return document | ({"due": made.due} if made.due else {})


def _listed(document: Document) -> Document:
    try:
        return listing_document(Order.model_validate(document))
    except ValidationError:
        # Not an order: it must not keep the others from being listed. It is found by its customer alone, who
        # may ask for it or have it erased.
        address = address_of(document)
        keys = [local_part_key(address)] if address else []
        return {"version": LISTING_VERSION, "keys": keys, "text": ""}


def _amounts_of(documents: list[Document]) -> set[float]:
    amounts = [document.get("amount") for document in documents]
    return {amount for amount in amounts if isinstance(amount, int | float) and math.isfinite(amount)}
