"""What the collections hold of one customer: found, and taken out of each.

A customer's orders are found by an index. Orders without an address of their own, and whatever else may name
the customer, are read through once: it happens when a customer asks, not while anybody waits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.database import Database

from lumira.batches import batched
from lumira.documents import BEGINNING, mappings_in
from lumira.events import APPLIED
from lumira.order_filter import local_part_key
from lumira.orders import address_of
from lumira.storage.conditions import is_value, only_if
from lumira.storage.events import LEASE, Events
from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import AUDIT, EVENTS, NOTES, ORDERS, VIEWS
from lumira.storage.paging import AHEAD, MILLISECOND, newest_page

# Payloads are a few kilobytes each.
_EVENTS_AT_ONCE: Final = 500
_ORDERS_AT_ONCE: Final = 200


class PersonalData:
    """Reads documents as they are stored, and changes them. Every method raises StoreUnavailable."""

    def __init__(self, database: Database[Document]) -> None:
        self._orders = database[ORDERS]
        self._notes = database[NOTES]
        self._audit = database[AUDIT]
        self._events = database[EVENTS]
        self._ledger = Events(database)
        self._views = database[VIEWS]

    def orders_of(self, email: str) -> list[Document]:
        """Every order of this e-mail address (lower case), oldest first.

        Another program may have written it in whatever case: such orders are found once they are listed. An
        order without one of its own is that of the address in its metadata.
        """
        with store_errors():
            found = list(self._orders.find({"customerEmail": {"$eq": email}}))
            listed = self._orders.find({"listing.keys": local_part_key(email)})
            # Others have the same name at another domain, and a listing may be older than its order.
            found += (order for order in listed if address_of(order) == email)
            without = self._orders.find({"customerEmail": {"$in": [None, ""]}}, {"metadata.customerEmail": 1})
            ids = [order["_id"] for order in without if address_of(order) == email]
            for batch in batched(ids, _ORDERS_AT_ONCE):
                found += self._orders.find({"_id": {"$in": batch}})
        return sorted(
            {order["_id"]: order for order in found}.values(), key=lambda order: _instant(order, "createdAt")
        )

    def mark_erased(self, order: Document, at: datetime) -> Document:
        """Notes that the customer of this order is being erased, once; the order as it stands then."""
        with store_errors():
            mark = only_if(is_value("erasedAt", None), {"$set": {"erasedAt": at}})
            marked = self._orders.find_one_and_update(
                {"_id": order["_id"]}, mark, return_document=ReturnDocument.AFTER
            )
        return marked or order

    def record_events_in_hand(self, order: Document) -> None:
        """Records, without what was delivered, the events that have moved this order in the last minute.

        The end of a payment moves its order first and is recorded then: a worker that is between the two
        finds the row there and leaves it.
        """
        current = self.find_order(order) or order
        if _instant(current, "updatedAt") < datetime.now(UTC) - LEASE:
            return
        subject = {"object": {"id": current.get("paymentIntentId")}}
        for entry in mappings_in(current.get("timeline")):
            # The move alone is named as its event is; another amount may stand beside it.
            if entry.get("eventId") and entry.get("to"):
                self._ledger.record({"id": entry["eventId"], "type": entry["kind"], "data": subject}, APPLIED)

    def clear_order(self, order: Document, kept: Mapping[str, Any], gone: Sequence[str]) -> bool:
        """Writes the fields that stay with other values and removes those that go.

        False when the order's timeline has grown meanwhile: nothing is written then.
        """
        update = {"$set": kept, "$unset": dict.fromkeys(gone, "")}
        with store_errors():
            cleared = self._orders.update_one(
                {"_id": order["_id"]}, only_if(is_value("timeline", order.get("timeline")), update)
            )
        return cleared.modified_count == 1

    def find_order(self, order: Document) -> Document | None:
        """The order as it is stored now."""
        with store_errors():
            return self._orders.find_one({"_id": order["_id"]})

    def notes_of(self, order_ids: Sequence[str]) -> list[Document]:
        """The notes of these orders, oldest first."""
        with store_errors():
            found = list(self._notes.find({"orderId": {"$in": list(order_ids)}}))
        return sorted(found, key=lambda note: note["at"])

    def delete_notes(self, order_ids: Sequence[str]) -> int:
        """Removes the notes of these orders; how many they were."""
        with store_errors():
            return self._notes.delete_many({"orderId": {"$in": list(order_ids)}}).deleted_count

    def audit_entries(self, order_ids: Sequence[str]) -> Iterator[Document]:
        """What was done to these orders, and everything that was done to no order."""
        for order_id in (*order_ids, None):
            with store_errors():
                yield from self._audit.find({"order_id": order_id}).sort("at", 1)

    def replace_audit_entry(self, entry: Document) -> None:
        """Writes the entry in place of the one it was made from."""
        with store_errors():
            self._audit.replace_one({"_id": entry["_id"]}, entry)

    def events(self) -> Iterator[Document]:
        """The whole ledger with its payloads, newest first; last, the rows that another program left undated,
        dated to where no page looks, or by a text or a number.
        """
        cursor, ahead = None, datetime.now(UTC) + AHEAD
        while True:
            rows, cursor = newest_page(self._events, {}, _EVENTS_AT_ONCE, cursor)
            yield from rows
            if cursor is None:
                break
        # One after the other, each of one type: an index serves them. With an empty text for a bound the
        # embedded store finds none.
        texts = "", {"$gt": " "}
        for dated in (None, *texts, {"$gt": -math.inf}, {"$lt": BEGINNING}, {"$gt": ahead - MILLISECOND}):
            with store_errors():
                yield from self._events.find({"createdAt": dated})

    def replace_event(self, event: Document, fields: Mapping[str, Any]) -> None:
        """Writes these fields of an event of the ledger."""
        with store_errors():
            self._events.update_one({"_id": event["_id"]}, {"$set": dict(fields)})

    def views(self) -> list[Document]:
        """Every saved view, everybody's."""
        with store_errors():
            return list(self._views.find())

    def delete_view(self, view: Document) -> None:
        """Removes a saved view."""
        with store_errors():
            self._views.delete_one({"_id": view["_id"]})


def _instant(document: Document, name: str) -> datetime:
    """The instant of this name; the beginning of time where another program wrote none."""
    instant = document.get(name)
    return instant if isinstance(instant, datetime) else BEGINNING
