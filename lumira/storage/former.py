"""The database of the program before ours: read, and copied from. Nothing is ever written to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import pymongo
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError, PyMongoError

from lumira.batches import batched
from lumira.documents import mapping_or_empty
from lumira.errors import SettingsError
from lumira.events import order_named_by, payment_intent_of
from lumira.person import without_person
from lumira.settings import DEFAULT_DATABASE
from lumira.storage.database import READING
from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import EVENTS, ORDERS

BATCH: Final = 500
# Reading a large database takes longer than any page may.
SECONDS: Final = 3_600
SELECTION_MS: Final = 5_000


class FormerDatabase:
    """Reads orders and the ledger of webhooks. `uri` names the server, and may name the database.

    Raises SettingsError for a URI that is none, and StoreUnavailable when the server can't be reached.
    """

    def __init__(self, uri: str, name: str | None = None) -> None:
        try:
            self._client: MongoClient[Document] = MongoClient(
                uri, appname="lumira import", serverSelectionTimeoutMS=SELECTION_MS
            )
            self.name = name or self._client.get_default_database(DEFAULT_DATABASE).name
        except (PyMongoError, ValueError) as error:
            raise SettingsError(f"--from is no MongoDB URI: {error}") from error
        try:
            with store_errors():
                self._client.admin.command("ping")
        except Exception:
            self.close()
            raise
        self._database = self._client.get_database(self.name, codec_options=READING)

    def orders(self) -> Iterator[Document]:
        """Every order, in the order they were written."""
        yield from self._all(ORDERS)

    def events(self) -> Iterator[Document]:
        """Every event of the ledger."""
        yield from self._all(EVENTS)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _all(self, collection: str) -> Iterator[Document]:
        with store_errors(), pymongo.timeout(SECONDS):
            yield from self._database[collection].find()


def copy_orders(database: Database[Document], documents: Iterable[Mapping[str, Any]]) -> int:
    """Stores orders that are not there yet; how many were new. What is there already stays as it is."""
    # An index that leaves out what is absent holds what is null: only one order could have none.
    kept = (_without_null(document, "paymentIntentId") for document in documents)
    return sum(_insert(database, ORDERS, batch) for batch in batched(kept, BATCH))


def copy_events(database: Database[Document], documents: Iterable[Mapping[str, Any]]) -> int:
    """Stores events that are not there yet; how many were new.

    Those of orders whose customer was erased here are kept without the person, whom the other program has.
    """
    copied = 0
    for batch in batched(map(dict, documents), BATCH):
        copied += _insert(database, EVENTS, batch)
        # Once they are stored: whoever erases marks the order before reading the ledger.
        _forget_erased(database, batch)
    return copied


def _forget_erased(database: Database[Document], events: list[Document]) -> None:
    payments, orders = {}, {}
    for event in events:
        data = mapping_or_empty(event.get("data"))
        if payment := payment_intent_of(str(event.get("eventType")), data):
            payments[event["eventId"]] = payment
        if (order := order_named_by(data)) and ObjectId.is_valid(order):
            orders[event["eventId"]] = ObjectId(order)
    erased: set[Any] = set()
    with store_errors():
        for field, named in (("paymentIntentId", payments), ("_id", orders)):
            found = database[ORDERS].find({field: {"$in": list(named.values())}}, {field: 1, "erasedAt": 1})
            erased |= {order[field] for order in found if order.get("erasedAt")}
        about = [event for known in (payments, orders) for event, named in known.items() if named in erased]
        for row in database[EVENTS].find({"eventId": {"$in": about}}, {"data": 1}):
            kept = without_person(mapping_or_empty(row.get("data")))
            database[EVENTS].update_one({"_id": row["_id"]}, {"$set": {"data": kept}})


def _insert(database: Database[Document], collection: str, batch: list[Document]) -> int:
    with store_errors(), pymongo.timeout(60):
        try:
            return len(database[collection].insert_many(batch, ordered=False).inserted_ids)
        except BulkWriteError as error:
            # What is there already, or is refused by a rule, stays where it is.
            return int(error.details["nInserted"])


def _without_null(document: Mapping[str, Any], field: str) -> Document:
    return {name: value for name, value in document.items() if name != field or value is not None}
