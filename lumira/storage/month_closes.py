"""The closed months, `month_closes`: written once, never changed."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from lumira.storage.failures import Document, insert_new, store_errors
from lumira.storage.indexes import MONTH_CLOSES


class MonthCloses:
    """Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document], *, livemode: bool) -> None:
        self._collection = database[MONTH_CLOSES]
        self._mode = "live" if livemode else "test"

    def find(self, month: str) -> dict[str, Any] | None:
        """What was stored of a month, `2026-10`, or None."""
        with store_errors():
            return self._collection.find_one({"_id": f"{self._mode}:{month}"}, {"_id": 0})

    def store(self, month: str, document: dict[str, Any]) -> bool:
        """Stores a month; False when it was stored before, which stays as it is."""
        return insert_new(self._collection, {"_id": f"{self._mode}:{month}", **document})
