"""The database of the program before ours: read, and copied from. Nothing is ever written to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import pymongo
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError, PyMongoError

from lumira.batches import batched
from lumira.errors import SettingsError
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
    return _copy(database, ORDERS, (_without_null(document, "paymentIntentId") for document in documents))


def copy_events(database: Database[Document], documents: Iterable[Mapping[str, Any]]) -> int:
    """Stores events that are not there yet; how many were new."""
    return _copy(database, EVENTS, documents)


def _copy(database: Database[Document], collection: str, documents: Iterable[Mapping[str, Any]]) -> int:
    return sum(_insert(database, collection, batch) for batch in batched(map(dict, documents), BATCH))


def _insert(database: Database[Document], collection: str, batch: list[Document]) -> int:
    with store_errors(), pymongo.timeout(60):
        try:
            return len(database[collection].insert_many(batch, ordered=False).inserted_ids)
        except BulkWriteError as error:
            # What is there already, or is refused by a rule, stays where it is.
            return int(error.details["nInserted"])


def _without_null(document: Mapping[str, Any], field: str) -> Document:
    return {name: value for name, value in document.items() if name != field or value is not None}
