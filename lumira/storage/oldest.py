"""Where a collection begins in time: looked for in steps, and remembered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from pymongo.collection import Collection

from lumira.documents import BEGINNING
from lumira.storage.failures import Document, store_errors
from lumira.storage.paging import FIRST_WINDOW, MILLISECOND

# Bounds are exclusive: this lies before the first instant there is.
BEFORE: Final = BEGINNING - MILLISECOND
# Where the steps begin; what is older is found too, less exactly.
_FIRST_LIKELY: Final = datetime(2020, 1, 1, tzinfo=UTC) - MILLISECOND
# Nothing in a step costs one short question, something in it the reading of all that is in it.
_STEP: Final = timedelta(days=30)


class Oldest:
    """The beginning of a collection by each of its dates, which must have an index of their own.

    In steps, because the embedded store sorts the whole collection for its oldest document, and reads all of
    a range for one document in it.
    """

    def __init__(self, collection: Collection[Document]) -> None:
        self._collection = collection
        self._known: dict[str, datetime] = {}

    def before(self, date: str) -> datetime:
        """An instant before every date of this name, an hour before the first of them at most.

        About now where there is none. Raises StoreUnavailable.
        """
        known = self._known.get(date)
        if known and not self._has(date, BEFORE, known + MILLISECOND):
            return known
        known = _FIRST_LIKELY
        if self._has(date, BEFORE, known + MILLISECOND):
            return BEFORE
        step = _STEP
        while known < datetime.now(UTC) and step >= FIRST_WINDOW:
            if self._has(date, known, known + step):
                step /= 2
            else:
                known += step - MILLISECOND
        self._known[date] = known
        return known

    def _has(self, date: str, low: datetime, high: datetime) -> bool:
        with store_errors():
            return self._collection.find_one({date: {"$gt": low, "$lt": high}}, {"_id": 1}) is not None
