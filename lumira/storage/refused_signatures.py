"""When a delivery was last refused for its signature, `refused_signatures`: for every process to tell."""

from __future__ import annotations

from datetime import datetime

from pymongo.database import Database

from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import REFUSED_SIGNATURES


class RefusedSignatures:
    """One instant, live or test, however many are refused: anybody may send what is.

    Every method raises StoreUnavailable when the store can't be reached.
    """

    def __init__(self, database: Database[Document], *, livemode: bool) -> None:
        self._collection = database[REFUSED_SIGNATURES]
        self._key = "live" if livemode else "test"

    def note(self, at: datetime) -> None:
        """One was refused at this instant (UTC)."""
        with store_errors():
            self._collection.update_one({"_id": self._key}, {"$max": {"at": at}}, upsert=True)

    def last(self) -> datetime | None:
        """When the last one was refused (UTC); None when none was."""
        with store_errors():
            row = self._collection.find_one({"_id": self._key})
        return row["at"] if row else None
