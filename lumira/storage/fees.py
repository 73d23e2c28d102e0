"""How far the fees of Stripe's balance have been read."""

from __future__ import annotations

from datetime import datetime

from pymongo.database import Database

from lumira.storage.failures import Document, insert_new, store_errors
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

    def advance(self, start: datetime | None, until: datetime) -> bool:
        """Every fee booked before `until` (UTC) was read, by whoever found `start` with `until`.

        False, and nothing said, where it has changed since: another process has read on, or all is to be
        read anew.
        """
        if start is None:
            return insert_new(self._states, {"_id": self._key, "until": until})
        with store_errors():
            as_read = {"_id": self._key, "until": start}
            return self._states.update_one(as_read, {"$set": {"until": until}}).matched_count == 1

    def forget(self) -> None:
        """Nothing was read."""
        # To delete by _id from a collection that was never written to fails on the embedded store.
        if self.until() is not None:
            with store_errors():
                self._states.delete_one({"_id": self._key})
