"""The raw sums that revenue is made of, grouped by the store itself, and the orders that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo.database import Database

from lumira.storage.conditions import is_missing
from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import ORDERS
from lumira.storage.paging import BEGINNING, MILLISECOND

# What the figures of a day depend on. Whoever changes one of these also writes updatedAt.
_COUNTED: Final = (
    *("productId", "metadata.level", "currency", "amount", "status", "livemode", "failureCode"),
    *("fee", "feeCurrency", "createdAt", "completedAt", "updatedAt", "disputes.id"),
    *("refunds.id", "refunds.amount", "refunds.status", "refunds.createdAt"),
)
# Where the search for the first order begins in steps; what is older is found too, less exactly.
_FIRST_LIKELY: Final = datetime(2020, 1, 1, tzinfo=UTC)
_MONTH: Final = timedelta(days=30)
_EMAILS_AT_ONCE: Final = 200
_FREE: Final = {"$cond": [{"$gt": ["$amount", 0]}, 0, 1]}
_PAID: Final = {"$cond": [{"$gt": ["$amount", 0]}, 1, 0]}
_IS_DISPUTED: Final = {"$gt": [{"$size": {"$ifNull": ["$disputes", []]}}, 0]}
_SUMS: Final[Document] = {
    "amount": {"$sum": "$amount"},
    "orders": {"$sum": _PAID},
    "free": {"$sum": _FREE},
    "disputed": {"$sum": {"$cond": [_IS_DISPUTED, 1, 0]}},
    "fees": {"$sum": "$fee"},
    "fees_known": {"$sum": {"$cond": [is_missing("fee"), 0, 1]}},
}


# Nearly always that of the sale, or not known yet.
_FEE_CURRENCY: Final[Document] = {"fee_currency": {"$ifNull": ["$feeCurrency", "$currency"]}}


class RevenueRows:
    """Reads sums by day. Every method raises StoreUnavailable when the store can't be reached.

    In each pipeline the first stage asks for one range of one index alone: with a second condition beside it
    the embedded store reads the whole collection.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[ORDERS]

    def sales(self, start: datetime, end: datetime, timezone: str, *, livemode: bool) -> list[dict[str, Any]]:
        """Completed orders with start ≤ completedAt < end, by hour in `timezone`, product and currency.

        Rows: {hour "YYYY-MM-DDTHH", product, level, currency, amount (minor units), orders, free, disputed,
        fees (minor units of fee_currency), fees_known (of how many orders)}.
        """
        return self._rows(
            [
                {"$match": {"completedAt": {"$gt": start - MILLISECOND, "$lt": end}}},
                {"$match": {"status": "completed", "livemode": _livemode(livemode)}},
                {"$group": {"_id": _group("$completedAt", timezone) | _FEE_CURRENCY, **_SUMS}},
            ]
        )

    def undated(
        self, start: datetime, end: datetime, timezone: str, *, livemode: bool
    ) -> list[dict[str, Any]]:
        """Failed orders, and completed ones without a completedAt, with start ≤ createdAt < end.

        Rows as of `sales`, by the hour they were made, with status and code (of the failure, or None).
        """
        neither = [{"status": "failed"}, {"status": "completed", "completedAt": None}]
        group = _group("$createdAt", timezone) | _FEE_CURRENCY
        group |= {
            "status": "$status",
            "code": {"$ifNull": ["$failureCode", None]},
        }
        return self._rows(
            [
                {"$match": {"createdAt": {"$gt": start - MILLISECOND, "$lt": end}}},
                {"$match": {"$or": neither, "livemode": _livemode(livemode)}},
                {"$group": {"_id": group, **_SUMS}},
            ]
        )

    def refunds(
        self, start: datetime, end: datetime, timezone: str, *, livemode: bool
    ) -> list[dict[str, Any]]:
        """Refunds with start ≤ createdAt < end that did not fail, by hour in `timezone`, product, currency.

        Rows: {hour "YYYY-MM-DDTHH", product, level, currency, amount (minor units), refunded (a count)}.
        """
        return self._rows(
            [
                # An order refunded in the range has its last refund in it or after it.
                {"$match": {"lastRefundAt": {"$gt": start - MILLISECOND}}},
                # What was released of a payment never captured looks like a refund; no money had come.
                {"$match": {"status": "completed", "livemode": _livemode(livemode)}},
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
                        "refunded": {"$sum": 1},
                    }
                },
            ]
        )

    def free_customers(
        self, start: datetime, end: datetime, *, livemode: bool
    ) -> Iterator[tuple[str, datetime]]:
        """E-mail and completedAt of free orders with start ≤ completedAt < end."""
        pipeline: list[Document] = [
            {"$match": {"completedAt": {"$gt": start - MILLISECOND, "$lt": end}}},
            {"$match": {"amount": 0, "status": "completed", "livemode": _livemode(livemode)}},
            {"$project": {"customerEmail": 1, "completedAt": 1}},
        ]
        with store_errors():
            for row in self._collection.aggregate(pipeline):
                if row.get("customerEmail"):
                    yield row["customerEmail"], row["completedAt"]

    def bought(self, emails: Sequence[str], *, livemode: bool) -> list[tuple[str, Any, Any, datetime]]:
        """E-mail, productId, metadata.level and completedAt of these customers' paid orders, oldest first."""
        fields = dict.fromkeys(
            ("customerEmail", "productId", "metadata.level", "completedAt", "amount", "status", "livemode"), 1
        )
        found = []
        with store_errors():
            for first in range(0, len(emails), _EMAILS_AT_ONCE):
                asked = {"customerEmail": {"$in": list(emails[first : first + _EMAILS_AT_ONCE])}}
                found += [
                    (row["customerEmail"], row["productId"], (row.get("metadata") or {}).get("level"), paid)
                    for row in self._collection.find(asked, fields)
                    if row["status"] == "completed"
                    and row["amount"] > 0
                    and row.get("livemode") in (livemode, None)
                    and (paid := row.get("completedAt"))
                ]
        return sorted(found, key=lambda row: row[3])

    def money_of(self, start: datetime, end: datetime, *, livemode: bool) -> Iterator[dict[str, Any]]:
        """The orders behind the figures of start to end: paid then, or with a refund since.

        Documents with _id, paymentIntentId, productId, metadata.level, amount, currency, createdAt,
        completedAt and refunds; one that was paid then and refunded since comes twice.
        """
        fields = dict.fromkeys(
            (
                *("paymentIntentId", "productId", "metadata.level", "amount", "currency"),
                *("createdAt", "completedAt", "refunds"),
            ),
            1,
        )
        paid = {"status": "completed", "livemode": _livemode(livemode)}
        after, inside = {"$gt": start - MILLISECOND}, {"$gt": start - MILLISECOND, "$lt": end}
        with store_errors():
            for indexed, further in (
                ({"completedAt": inside}, paid),
                ({"createdAt": inside}, paid | {"completedAt": None}),
                ({"lastRefundAt": after}, paid),
            ):
                stages: list[Document] = [{"$match": indexed}, {"$match": further}, {"$project": fields}]
                yield from self._collection.aggregate(stages)

    def changed_since(self, instant: datetime) -> Iterator[dict[str, Any]]:
        """Every order with updatedAt after the instant, with the fields that revenue depends on."""
        with store_errors():
            yield from self._collection.find({"updatedAt": {"$gt": instant}}, dict.fromkeys(_COUNTED, 1))

    def first_instant(self, until: datetime) -> datetime | None:
        """An instant at most a month before the first order was made or paid, None when there is none.

        Looks month by month: the embedded store sorts the whole collection for the oldest order, and reads
        all of a range for one order in it. What lies after `until` is not looked for.
        """
        made = self._first_month("createdAt", until)
        # Nearly always nothing was paid before anything was made: one look at nothing.
        if made and not self._any("completedAt", BEGINNING, made):
            return made
        paid = self._first_month("completedAt", until)
        return min((first for first in (made, paid) if first), default=None)

    def _first_month(self, field: str, until: datetime) -> datetime | None:
        if self._any(field, BEGINNING, _FIRST_LIKELY):
            return BEGINNING
        start = _FIRST_LIKELY
        while not self._any(field, start, start + _MONTH):
            start += _MONTH
            if start > until:
                return None
        return start

    def _any(self, field: str, start: datetime, end: datetime) -> bool:
        inside = {field: {"$gt": start - MILLISECOND, "$lt": end}}
        with store_errors():
            return self._collection.find_one(inside, {"_id": 1}) is not None

    def _rows(self, pipeline: list[Document]) -> list[dict[str, Any]]:
        with store_errors():
            found = list(self._collection.aggregate(pipeline))
        return [row.pop("_id") | row for row in found]


def _livemode(livemode: bool) -> Document:
    # The program we replaced wrote no livemode: its orders belong to the desk that reads them.
    return {"$in": [livemode, None]}


def _group(instant: str, timezone: str) -> Document:
    return {
        "hour": {"$dateToString": {"date": instant, "format": "%Y-%m-%dT%H", "timezone": timezone}},
        "product": "$productId",
        "level": {"$ifNull": ["$metadata.level", None]},
        "currency": "$currency",
    }
