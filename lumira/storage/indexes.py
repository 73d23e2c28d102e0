"""Every index, with the query it serves. Created when the desk opens; creating one that exists is free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pymongo
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

from lumira.storage.failures import INDEX_NOT_FOUND, Document, refusal_noted, store_errors

ORDERS: Final = "productorders"
EVENTS: Final = "processed_events"
# Which events came before their order: few, and read by _id alone. An index on them would cost every event.
AWAITING: Final = "events_awaiting_order"
AUDIT: Final = "audit_entries"
TOKENS: Final = "api_tokens"
RECONCILIATIONS: Final = "reconciliations"
AMOUNTS: Final = "order_amounts"
NOTES: Final = "order_notes"
VIEWS: Final = "saved_views"
REVENUE_DAILY: Final = "revenue_daily"
REVENUE_STATE: Final = "revenue_state"
# One document: until when every change is known to be listed.
LISTING_STATE: Final = "listing_state"
# Read by _id alone, and all of them: a house has dozens.
STAFF: Final = "staff"
SESSIONS: Final = "sessions"
# Empty but for the moment in which the doctor tries a write.
DOCTOR: Final = "doctor"
# Read by _id alone.
REFUSED_SIGNATURES: Final = "refused_signatures"
MONTH_CLOSES: Final = "month_closes"
# Where a restore under way says which file it is of, so that the same one may be begun again.
RESTORES: Final = "restores"

# Building an index over a large collection takes longer than any other operation may.
BUILD_SECONDS: Final = 600

INDEXES: Final[dict[str, list[IndexModel]]] = {
    ORDERS: [
        # The order of a PaymentIntent, from webhooks, API reads and search. Sparse, because an order has no
        # PaymentIntent until Stripe has answered, and a partial index is not used for look-ups everywhere.
        IndexModel([("paymentIntentId", ASCENDING)], name="paymentIntentId_unique", unique=True, sparse=True),
        # One order for one attempt: a double click and a retried request find the first.
        IndexModel([("attemptId", ASCENDING)], name="attemptId_unique", unique=True, sparse=True),
        # The list, newest first.
        IndexModel([("createdAt", DESCENDING), ("_id", DESCENDING)], name="createdAt_newest"),
        # Orders of one status, newest first: what reconciliation looks after.
        IndexModel(
            [("status", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="status_newest"
        ),
        # What an order is found by: words, its level, its source, refunded, disputed; newest first.
        IndexModel(
            [("listing.keys", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="keys_newest"
        ),
        # Orders that another program wrote and that are found by nothing yet.
        IndexModel([("listing.version", ASCENDING)], name="listing_version"),
        # What Stripe said and what we say: where they differ, and orders by what Stripe said, newest first.
        IndexModel(
            [
                ("stripeStatus", ASCENDING),
                ("status", ASCENDING),
                ("createdAt", DESCENDING),
                ("_id", DESCENDING),
            ],
            name="stripe_status_newest",
        ),
        # Orders by amount, those of one amount newest first.
        IndexModel(
            [("amount", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="amount_newest"
        ),
        # Revenue by the day the money came in.
        IndexModel([("completedAt", ASCENDING)], name="completedAt"),
        # What changed since revenue was last worked out.
        IndexModel([("updatedAt", ASCENDING)], name="updatedAt"),
        # Orders by the day of their last refund; only refunded orders stand in it.
        IndexModel([("lastRefundAt", ASCENDING)], name="lastRefundAt", sparse=True),
        # Revenue by the day a refund was made, each of an order's refunds.
        IndexModel([("refunds.createdAt", ASCENDING)], name="refunds_createdAt", sparse=True),
        # A customer's orders, newest first.
        IndexModel([("customerEmail", ASCENDING), ("createdAt", DESCENDING)], name="customer_orders"),
    ],
    EVENTS: [
        # One row for one event: the second delivery finds the first.
        IndexModel([("eventId", ASCENDING)], name="eventId_unique", unique=True),
        # The delivery log, newest first: all, of one state, of one type.
        IndexModel([("createdAt", DESCENDING), ("_id", DESCENDING)], name="createdAt_newest"),
        IndexModel(
            [("state", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="state_newest"
        ),
        IndexModel(
            [("eventType", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="type_newest"
        ),
    ],
    AUDIT: [
        # What was done to one order, in time.
        IndexModel([("order_id", ASCENDING), ("at", ASCENDING)], name="order_history"),
        # The log, newest first: all, of one actor, of one action, of people.
        IndexModel([("at", DESCENDING), ("_id", DESCENDING)], name="at_newest"),
        IndexModel([("actor", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="actor_newest"),
        IndexModel([("action", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="action_newest"),
        IndexModel([("by_person", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="people_newest"),
    ],
    NOTES: [
        # The notes of one order, newest first.
        IndexModel([("orderId", ASCENDING), ("at", DESCENDING)], name="order_notes"),
    ],
    REVENUE_DAILY: [
        # Days to be worked out anew; only those stand in it. The days themselves are read by their _id.
        IndexModel([("dirty", ASCENDING)], name="dirty", sparse=True),
    ],
    VIEWS: [
        # The views for everyone, and those of one person.
        IndexModel([("owner", ASCENDING)], name="owner"),
    ],
    SESSIONS: [
        # The sessions of one account: the list, and ending them all.
        IndexModel([("email", ASCENDING)], name="email"),
        # Those that have ended and can go.
        IndexModel([("expiresAt", ASCENDING)], name="expiresAt"),
    ],
    TOKENS: [
        # The token of a request, on each request.
        IndexModel([("hash", ASCENDING)], name="hash_unique", unique=True),
        # One token for one name.
        IndexModel([("name", ASCENDING)], name="name_unique", unique=True),
    ],
}


@dataclass
class Unmade:
    """What could not be made, as `collection.index` or `collection.validator`; false when all is there.

    `shared`: an index, and a value that documents share and must not. `refused`: what the user of MONGODB_URI
    has no right to make.
    """

    shared: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.shared or self.refused)


def create_indexes(database: Database[Document]) -> Unmade:
    """Creates whatever of INDEXES is missing and can be made.

    Raises StoreUnavailable when the store can't be reached.
    """
    unmade = Unmade()
    with store_errors():
        for name, models in INDEXES.items():
            collection = database[name]
            existing = list(collection.list_indexes())
            for model in models:
                in_its_place = indexes_in_place_of(model.document, existing)
                if in_its_place is None:
                    continue
                full_name = f"{name}.{model.document['name']}"
                try:
                    with refusal_noted(unmade.refused, full_name):
                        for index in in_its_place:
                            # The program we replaced kept the same keys with other options: a unique index
                            # that is not sparse would let only one order at a time have no PaymentIntent.
                            _drop(collection, index["name"])
                        if not _is_there(model.document, existing):
                            _create(collection, model)
                except DuplicateKeyError as error:
                    unmade.shared[full_name] = _shared_value(error)
    return unmade


def _shared_value(error: DuplicateKeyError) -> str:
    details = error.details or {}
    return str(details.get("keyValue") or str(details.get("errmsg")).partition("dup key: ")[2])


def _drop(collection: Collection[Document], name: str) -> None:
    """Of those that open the desk at once, or meet in that index, one is the first."""
    try:
        collection.drop_index(name)
    except OperationFailure as error:
        if error.code != INDEX_NOT_FOUND:
            raise


def _create(collection: Collection[Document], model: IndexModel) -> None:
    with pymongo.timeout(BUILD_SECONDS):
        try:
            collection.create_indexes([model])
        except DuplicateKeyError:
            # To a sparse index a null is a value, which one document alone may have.
            for name in model.document["key"]:
                collection.update_many({name: {"$type": "null"}}, {"$unset": {name: ""}})
            collection.create_indexes([model])


def index_keys(index: Mapping[str, Any]) -> list[tuple[str, int | str]]:
    """The fields of an index, in order, each with its direction, or its kind (`text`, `hashed`)."""
    return [
        (name, direction if isinstance(direction, str) else int(direction))
        for name, direction in index["key"].items()
    ]


def indexes_in_place_of(
    wanted: Mapping[str, Any], existing: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]] | None:
    """The indexes that have the keys of the one wanted and other options, else its name and other keys.

    None where the one wanted is there, under whatever name, and none beside it refuses what that one takes:
    another program makes its own anew whenever it starts, and MongoDB keeps both.
    https://www.mongodb.com/docs/manual/core/index-sparse/
    """
    existing = list(existing)
    others = [
        index
        for index in existing
        if index_keys(index) == index_keys(wanted) and _options(index) != _options(wanted)
    ]
    if _is_there(wanted, existing):
        return [index for index in others if index.get("unique")] or None
    return others or [index for index in existing if index["name"] == wanted["name"]]


def _is_there(wanted: Mapping[str, Any], existing: Iterable[Mapping[str, Any]]) -> bool:
    return any(
        index_keys(index) == index_keys(wanted) and _options(index) == _options(wanted) for index in existing
    )


def _options(index: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether an index is unique, and whether it is sparse."""
    return bool(index.get("unique")), bool(index.get("sparse"))
