"""The raw sums that revenue is made of, grouped by the store itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pymongo.database import Database

from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import ORDERS
from lumira.storage.paging import MILLISECOND


class RevenueRows:
    """Reads sums by day. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[ORDERS]

    def sales(self, start: datetime, end: datetime, timezone: str, *, livemode: bool) -> list[dict[str, Any]]:
        """Completed orders with start ≤ completedAt < end, by day in `timezone`, product and currency.

        Rows: {day "YYYY-MM-DD", product, level, currency, amount (minor units), orders, free}.
        """
        match: Document = {
            "completedAt": {"$gt": start - MILLISECOND, "$lt": end},
            "status": "completed",
            "livemode": _livemode(livemode),
        }
        group: Document = {
            "_id": _group("$completedAt", timezone),
            "amount": {"$sum": "$amount"},
            "orders": {"$sum": {"$cond": [{"$gt": ["$amount", 0]}, 1, 0]}},
            "free": {"$sum": {"$cond": [{"$gt": ["$amount", 0]}, 0, 1]}},
        }
        return self._rows([{"$match": match}, {"$group": group}])

    def refunds(
        self, start: datetime, end: datetime, timezone: str, *, livemode: bool
    ) -> list[dict[str, Any]]:
        """Refunds with start ≤ createdAt < end that did not fail, by day in `timezone`, product, currency.

        Rows: {day "YYYY-MM-DD", product, level, currency, amount (minor units)}.
        """
        pipeline: list[Document] = [
            # An order refunded in the range has its last refund in it or after it.
            {"$match": {"lastRefundAt": {"$gt": start - MILLISECOND}, "livemode": _livemode(livemode)}},
            {"$unwind": "$refunds"},
            {
                "$match": {
                    "refunds.createdAt": {"$gt": start - MILLISECOND, "$lt": end},
                    "refunds.status": {"$nin": ["failed", "canceled"]},
                }
            },
            {
                "$group": {
                    "_id": _group("$refunds.createdAt", timezone),
                    "amount": {"$sum": "$refunds.amount"},
                }
            },
        ]
        return self._rows(pipeline)

    def _rows(self, pipeline: list[Document]) -> list[dict[str, Any]]:
        with store_errors():
            found = list(self._collection.aggregate(pipeline))
        return [row.pop("_id") | row for row in found]


def _livemode(livemode: bool) -> Document:
    # The program we replaced wrote no livemode: its orders belong to the desk that reads them.
    return {"$in": [livemode, None]}


def _group(instant: str, timezone: str) -> Document:
    return {
        "day": {"$dateToString": {"date": instant, "format": "%Y-%m-%d", "timezone": timezone}},
        "product": "$productId",
        "level": {"$ifNull": ["$metadata.level", None]},
        "currency": "$currency",
    }
