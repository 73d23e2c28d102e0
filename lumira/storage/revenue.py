"""The raw sums that revenue is made of, grouped by the store itself, and the orders that changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from pymongo.database import Database

from lumira.batches import batched
from lumira.documents import BEGINNING, mapping_or_empty
from lumira.money import AMOUNT_LIMIT
from lumira.order_filter import local_part_key
from lumira.orders import address_of, counts_at
from lumira.refunds import RETURNED
from lumira.storage.conditions import AMOUNT, list_of, of_mode
from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import ORDERS
from lumira.storage.oldest import Oldest
from lumira.storage.paging import MILLISECOND

# What the figures of a day depend on. Whoever changes one of these also writes updatedAt.
_COUNTED: Final = (
    *("productId", "metadata.level", "currency", "amount", "status", "livemode", "failureCode"),
    *("fee", "feeCurrency", "createdAt", "completedAt", "updatedAt", "disputes.id"),
    *("refunds.id", "refunds.amount", "refunds.status", "refunds.createdAt"),
)
# Values asked for in one query.
_AT_ONCE: Final = 200
_FREE: Final = {"$cond": [{"$gt": [AMOUNT, 0]}, 0, 1]}
_PAID: Final = {"$cond": [{"$gt": [AMOUNT, 0]}, 1, 0]}
_IS_DISPUTED: Final = {"$gt": [{"$size": list_of("disputes")}, 0]}
# Another program may call something else by that name.
_HAS_FEE: Final[Document] = {
    "$and": [
        {"$in": [{"$type": "$fee"}, ["int", "long", "double"]]},
        {"$gt": ["$fee", -AMOUNT_LIMIT]},
        {"$lt": ["$fee", AMOUNT_LIMIT]},
    ]
}
# When an order counts.
_DATES: Final = ("completedAt", "createdAt")
# When a refund of it does.
_REFUNDED_AT: Final = "refunds.createdAt"
# Where the customer's e-mail address may stand.
_ADDRESS: Final = ("customerEmail", "metadata.customerEmail")
_SUMS: Final[Document] = {
    "amount": {"$sum": AMOUNT},
    "orders": {"$sum": _PAID},
    "free": {"$sum": _FREE},
    "disputed": {"$sum": {"$cond": [_IS_DISPUTED, 1, 0]}},
    "fees": {"$sum": {"$cond": [_HAS_FEE, "$fee", 0]}},
    "fees_known": {"$sum": {"$cond": [_HAS_FEE, 1, 0]}},
}

# As an order is read that does not say it.
_CURRENCY: Final[Document] = {"$ifNull": ["$currency", "eur"]}
# Nearly always that of the sale, or not known yet.
_FEE_CURRENCY: Final[Document] = {"fee_currency": {"$ifNull": ["$feeCurrency", _CURRENCY]}}
# What lists can't read as an order is none here either: one that another program spoilt stops no figure.
_READABLE: Final[Document] = {
    "productId": {"$type": "string"},
    "amount": {
        "$type": ["int", "long", "double"],
        # A list of numbers is of their type too.
        "$not": {"$type": "array"},
        "$gt": -AMOUNT_LIMIT,
        "$lt": AMOUNT_LIMIT,
    },
}


class RevenueRows:
    """Reads sums by day. Every method raises StoreUnavailable when the store can't be reached.

    In each pipeline the first stage asks for one range of one index alone: with a second condition beside it
    the embedded store reads the whole collection.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[ORDERS]
        self._oldest = Oldest(self._collection)

    def sales(self, start: datetime, end: datetime, timezone: str, *, livemode: bool) -> list[dict[str, Any]]:
        """Completed orders with start ≤ completedAt < end, by hour in `timezone`, product and currency.

        Rows: {hour "YYYY-MM-DDTHH", product, level, currency, amount (minor units), orders, free, disputed,
        fees (minor units of fee_currency), fees_known (of how many orders)}.
        """
        return self._rows(
            [
                {"$match": {"completedAt": {"$gt": start - MILLISECOND, "$lt": end}}},
                {"$match": {"status": "completed", **_ours(livemode)}},
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
                {"$match": {"$or": neither, **_ours(livemode)}},
                {"$group": {"_id": group, **_SUMS}},
            ]
        )

    def refunds(
        self, start: datetime, end: datetime, timezone: str, *, livemode: bool
    ) -> list[dict[str, Any]]:
        """Refunds with start ≤ createdAt < end that did not fail, by hour in `timezone`, product, currency.

        Rows: {hour "YYYY-MM-DDTHH", product, level, currency, amount (minor units), refunded (a count)}.
        """
        inside = {"$gt": start - MILLISECOND, "$lt": end}
        return self._rows(
            [
                {"$match": {_REFUNDED_AT: inside}},
                # The release of a payment that was never captured looks like a refund: no money had come.
                {"$match": {"status": "completed", **_ours(livemode)}},
                {"$unwind": "$refunds"},
                {
                    "$match": {
                        _REFUNDED_AT: inside,
                        "refunds.status": {"$nin": sorted(RETURNED)},
                    }
                },
                {
                    "$group": {
                        "_id": _group(f"${_REFUNDED_AT}", timezone),
                        "amount": {"$sum": "$refunds.amount"},
                        "refunded": {"$sum": 1},
                    }
                },
            ]
        )

    def free_customers(
        self, start: datetime, end: datetime, *, livemode: bool
    ) -> Iterator[tuple[str, datetime]]:
        """E-mail (lower case) and instant of free orders that count from start to before end."""
        free = {**_ours(livemode), "amount": 0, "status": "completed"}
        fields = dict.fromkeys((*_ADDRESS, *_DATES), 1)
        with store_errors():
            for indexed, further in _counting({"$gt": start - MILLISECOND, "$lt": end}):
                stages: list[Document] = [{"$match": indexed}, {"$match": free | further}]
                for row in self._collection.aggregate([*stages, {"$project": fields}]):
                    if address := address_of(row):
                        yield address, counts_at(row)

    def bought(self, emails: Sequence[str], *, livemode: bool) -> list[tuple[str, Any, Any, datetime]]:
        """E-mail, productId, metadata.level and instant of these customers' paid orders, oldest first.

        The e-mails in lower case. Orders that another program wrote otherwise are found once they are listed.
        """
        fields = (*_ADDRESS, "productId", "metadata.level", *_DATES)
        paid = {"$match": {"status": "completed", **_ours(livemode)}}, {"$match": {"amount": {"$gt": 0}}}
        ways = ("customerEmail", emails), ("listing.keys", sorted(set(map(local_part_key, emails))))
        # Others have the same name at another domain.
        asked = set(emails)
        found = {
            row["_id"]: (
                address,
                row["productId"],
                mapping_or_empty(row.get("metadata")).get("level"),
                counts_at(row),
            )
            for field, values in ways
            for row in self._with(field, values, fields, paid)
            if (address := address_of(row)) in asked
        }
        return sorted(found.values(), key=lambda row: row[3])

    def instants(self, payment_intent_ids: Sequence[str]) -> set[datetime]:
        """When the orders of these PaymentIntents count (UTC)."""
        return set(map(counts_at, self._with("paymentIntentId", payment_intent_ids, _DATES)))

    def money_of(self, start: datetime, end: datetime, *, livemode: bool) -> Iterator[dict[str, Any]]:
        """The orders behind the figures of start to end: paid then, or with a refund made then.

        Documents with _id, paymentIntentId, productId, metadata.level, amount, currency, createdAt,
        completedAt and refunds; one that was both paid and refunded then comes twice.
        """
        fields = dict.fromkeys(
            ("paymentIntentId", "productId", "metadata.level", "amount", "refunds", *_DATES), 1
        )
        paid = {"status": "completed", **_ours(livemode)}
        inside = {"$gt": start - MILLISECOND, "$lt": end}
        with store_errors():
            for indexed, further in (*_counting(inside), ({_REFUNDED_AT: inside}, {})):
                stages: list[Document] = [{"$match": indexed}, {"$match": paid | further}]
                yield from self._collection.aggregate(
                    [*stages, {"$project": {**fields, "currency": _CURRENCY}}]
                )

    def of_payment_intents(self, payment_intent_ids: Sequence[str]) -> dict[str, Document]:
        """The orders of these PaymentIntents by the PaymentIntent's id, with _id, status and refunds."""
        return {
            row["paymentIntentId"]: row
            for row in self._with("paymentIntentId", payment_intent_ids, ["status", "refunds"])
        }

    def changed_since(self, instant: datetime) -> Iterator[dict[str, Any]]:
        """Every order with updatedAt after the instant, with the fields that revenue depends on."""
        with store_errors():
            yield from self._collection.find({"updatedAt": {"$gt": instant}}, dict.fromkeys(_COUNTED, 1))

    def first_instant(self) -> datetime:
        """An instant at most an hour before any order was made, paid or refunded; about now without any."""
        return max(BEGINNING, min(self._oldest.before(date) for date in (*_DATES, _REFUNDED_AT)))

    def _with(
        self, field: str, values: Sequence[str], fields: Iterable[str], further: Iterable[Document] = ()
    ) -> Iterator[Document]:
        with store_errors():
            for batch in batched(values, _AT_ONCE):
                asked: Document = {field: {"$in": batch}}
                project: Document = dict.fromkeys((field, *fields), 1)
                yield from self._collection.aggregate([{"$match": asked}, *further, {"$project": project}])

    def _rows(self, pipeline: list[Document]) -> list[dict[str, Any]]:
        with store_errors():
            found = list(self._collection.aggregate(pipeline))
        return [row.pop("_id") | row for row in found]


def _counting(inside: Document) -> tuple[tuple[Document, Document], ...]:
    """The orders that count at such an instant: a range of an index, and what more must hold."""
    # The program we replaced did not always say when it was paid.
    return ({"completedAt": inside}, {}), ({"createdAt": inside}, {"completedAt": None})


def _ours(livemode: bool) -> Document:
    return of_mode(livemode) | _READABLE


def _group(instant: str, timezone: str) -> Document:
    return {
        "hour": {"$dateToString": {"date": instant, "format": "%Y-%m-%dT%H", "timezone": timezone}},
        "product": "$productId",
        "level": {"$ifNull": ["$metadata.level", None]},
        "currency": _CURRENCY,
    }
