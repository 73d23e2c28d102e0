"""How far reconciliation has come, `reconciliations`: a run that was killed goes on where it was."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pymongo.database import Database

from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import RECONCILIATIONS


class Reconciliations:
    """One row for each kind of run. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[RECONCILIATIONS]

    def unfinished(self, key: str, since: datetime) -> dict[str, Any] | None:
        """The state an unfinished run of this kind left at or after `since` (UTC), or None."""
        with store_errors():
            row = self._collection.find_one({"_id": key})
        return row["state"] if row and row["updatedAt"] >= since else None

    def save(self, key: str, state: dict[str, Any], at: datetime) -> None:
        """Keeps the state of the run of this kind."""
        with store_errors():
            self._collection.replace_one({"_id": key}, {"state": state, "updatedAt": at}, upsert=True)

    def finish(self, key: str) -> None:
        """Forgets the state: the run is complete."""
        with store_errors():
            self._collection.delete_one({"_id": key})
