"""How far the fees of Stripe's balance have been read."""

from __future__ import annotations

from datetime import datetime

from pymongo.database import Database

from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import REVENUE_STATE


class FeesRead:
    """One instant, live or test. Every method raises StoreUnavailable."""

    def __init__(self, database: Database[Document], *, livemode: bool) -> None:
        self._states = database[REVENUE_STATE]
        self._key = f"fees|{'live' if livemode else 'test'}"

    def until(self) -> datetime | None:
        """Every fee booked before this instant (UTC) was read; None when none was."""
        with store_errors():
            row = self._states.find_one({"_id": self._key})
        return row["until"] if row else None

    def advance(self, until: datetime) -> None:
        """Every fee booked before `until` (UTC) was read, by us or by another process that is further."""
        with store_errors():
            self._states.update_one({"_id": self._key}, {"$max": {"until": until}}, upsert=True)
