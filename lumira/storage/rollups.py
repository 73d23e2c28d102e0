"""Revenue by day, `revenue_daily`, and how far it follows the orders, `revenue_state`.

A day's document holds its rows, and a `version` that grows each time the day is found to have changed; it is
`dirty` from then until rows of that version are stored. Rows worked out for an older version are refused, so
processes that work on the same day can't overwrite newer figures by older ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from bson import ObjectId
from pymongo import InsertOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from lumira.storage.conditions import is_value, only_if
from lumira.storage.failures import DUPLICATE_KEY, Document, store_errors
from lumira.storage.indexes import REVENUE_DAILY, REVENUE_STATE

Rows = list[dict[str, Any]]
# What a day's document looks like; another form is another set of documents, built anew.
_LAYOUT: Final = 3
# The days that begin and end in every zone: the very first and last that Python knows don't.
_COUNTABLE: Final = (date(1, 1, 2), date(9999, 12, 30))


@dataclass(frozen=True)
class RollupState:
    """Every change before `watermark` (UTC) is in the days; `revision` is another when any day's rows change.

    The revision is unique to this store: what stands before its hyphen names the building of the days.
    """

    watermark: datetime
    revision: str


class Rollups:
    """The days of one time zone, live or test. Every method raises StoreUnavailable."""

    def __init__(self, database: Database[Document], timezone: str, *, livemode: bool) -> None:
        self._days = database[REVENUE_DAILY]
        self._states = database[REVENUE_STATE]
        self._key = f"{_LAYOUT}|{timezone}|{'live' if livemode else 'test'}|"

    def state(self) -> RollupState | None:
        """How far the days follow the orders; None when they were never built."""
        with store_errors():
            row = self._states.find_one({"_id": self._key})
        return RollupState(row["watermark"], f"{row['built']}-{row['revision']}") if row else None

    def advance(self, watermark: datetime) -> None:
        """The days now hold, or are marked for, every change before `watermark` (UTC)."""
        with store_errors():
            self._states.update_one({"_id": self._key}, {"$max": {"watermark": watermark}})

    def begin(self, watermark: datetime) -> None:
        """The days were built from nothing by a reading of the orders that began at `watermark` (UTC)."""
        update = {"$set": {"watermark": watermark, "built": ObjectId()}, "$inc": {"revision": 1}}
        with store_errors():
            self._states.update_one({"_id": self._key}, update, upsert=True)

    def read(self, first: date, last: date) -> dict[date, Rows]:
        """The rows of the days from `first` to `last`; days without any are absent."""
        with store_errors():
            found = list(self._days.find(self._between(first, last), {"rows": 1}))
        return {self._day(row): row["rows"] for row in found if row.get("rows")}

    def versions(self) -> dict[date, int]:
        """Every stored day with its version."""
        with store_errors():
            found = list(self._days.find(self._between(*_COUNTABLE), {"version": 1}))
        return {self._day(row): row["version"] for row in found}

    def dirty(self) -> dict[date, int]:
        """The days whose rows are not those of their version, with that version."""
        with store_errors():
            found = list(self._days.find({"dirty": self._key}, {"version": 1}))
        first, last = _COUNTABLE
        return {day: row["version"] for row in found if first <= (day := self._day(row)) <= last}

    def mark(self, days: Collection[date]) -> None:
        """Says of each day that its orders changed."""
        if not days:
            return
        update = {"$inc": {"version": 1}, "$set": {"dirty": self._key}}
        marks = [UpdateOne({"_id": self._id(day)}, update, upsert=True) for day in sorted(days)]
        self._write(marks)

    def store(self, days: Mapping[date, Rows], versions: Mapping[date, int], at: datetime) -> None:
        """Stores the rows of days that still have the version they were worked out for.

        A day without a version had no document; should one have come meanwhile, it is left as it is.
        """
        writes: list[InsertOne[Document] | UpdateOne] = []
        for day, rows in days.items():
            fields = {"rows": rows, "computedAt": at}
            if day in versions:
                same = is_value("version", versions[day])
                update = only_if(same, {"$set": fields, "$unset": {"dirty": ""}})
                writes.append(UpdateOne({"_id": self._id(day)}, update))
            elif rows:
                writes.append(InsertOne({"_id": self._id(day), "version": 0, **fields}))
        self._write(writes)
        with store_errors():
            # Where the days are being built there is no state yet, nor a page that reads them.
            self._states.update_one({"_id": self._key}, {"$inc": {"revision": 1}})

    def _write(self, writes: list[Any]) -> None:
        """Writes in bulk; where another process made the same document first, once more, or not at all."""
        while writes:
            with store_errors():
                try:
                    self._days.bulk_write(writes, ordered=False)
                    return
                except BulkWriteError as error:
                    problems = error.details["writeErrors"]
                    if any(problem["code"] != DUPLICATE_KEY for problem in problems):
                        raise
                    again = (writes[problem["index"]] for problem in problems)
                    writes = [write for write in again if isinstance(write, UpdateOne)]

    def _between(self, first: date, last: date) -> Document:
        before, after = first - timedelta(days=1), last + timedelta(days=1)
        return {"_id": {"$gt": self._id(before), "$lt": self._id(after)}}

    def _id(self, day: date) -> str:
        return f"{self._key}{day.isoformat()}"

    def _day(self, row: Document) -> date:
        return date.fromisoformat(row["_id"].removeprefix(self._key))
