"""The orders of `productorders`: found, listed and changed, each write one conditional update.

What a write says stands in `order_updates`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from bson import ObjectId
from pydantic import ValidationError
from pymongo import ReturnDocument, UpdateOne
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from lumira.batches import batched
from lumira.errors import OrderNotFound, OrderUnreadable
from lumira.metrics import MOVES
from lumira.order_filter import local_part_key
from lumira.orders import NAME_METADATA, TRANSITIONS, Observation, Order, OrderStatus, TimelineEntry
from lumira.refunds import Dispute, Refund, merge_disputes, merge_refunds, refunded, without_unknown
from lumira.storage.conditions import AMOUNT, is_value, only_if, stored_id
from lumira.storage.failures import Document, insert_all_new, insert_new, store_errors
from lumira.storage.indexes import ORDERS, create_indexes
from lumira.storage.order_listing import WITHOUT_TIMELINE, KnownAmounts, listing_document
from lumira.storage.order_updates import (
    append_to_timeline,
    dispute_entries,
    has_timeline_of,
    moved,
    observed_again,
    refund_entries,
    unknown_entries,
    with_disputes,
    with_refunds,
)
from lumira.storage.paging import MILLISECOND

logger: Final = logging.getLogger("lumira.orders")

# A write that changes what an order is found by takes the listing away; whoever lists orders writes it anew.
UNLISTED: Final = {"listing": ""}
# Found and written in one go.
_AT_ONCE: Final = 200

# An update of an order, and what its timeline tells of it.
_Change = tuple[Document, list[TimelineEntry]]


class Orders:
    """Reads and writes orders. Every method raises StoreUnavailable when the store can't be reached.

    Those that read one order raise OrderUnreadable where another program has spoilt it; those that read many
    leave it out.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[ORDERS]
        self._amounts = KnownAmounts(database)

    @staticmethod
    def new_id() -> str:
        """A fresh `_id`, known before the order is stored."""
        return str(ObjectId())

    def insert(self, order: Order) -> bool:
        """Stores a new order; False when its attemptId or paymentIntentId is already taken.

        And where an index refuses it that we have no right to drop.
        """
        self._amounts.add({order.amount})
        document = to_document(order)
        if insert_new(self._collection, document):
            return True
        if order.payment_intent_id or order.attempt_id is None or self.find_by_attempt(order.attempt_id):
            return False
        # Nothing of it is taken: the program we replaced has started again beside us, and by an index of its
        # own only one order may wait for its PaymentIntent. Until that one has it, nobody else could order.
        logger.warning("order refused: indexes are made anew", extra={"order_id": order.id})
        create_indexes(self._collection.database)
        return insert_new(self._collection, document)

    def insert_many(self, orders: Iterable[Order]) -> int:
        """Stores orders in bulk, leaves those already there, and returns how many were new; for seeding."""
        documents = [to_document(order) for order in orders]
        self._amounts.add({document["amount"] for document in documents})
        return insert_all_new(self._collection, documents)

    def is_empty(self) -> bool:
        """Whether no order was ever stored."""
        with store_errors():
            return self._collection.find_one({}, {"_id": 1}) is None

    def find(self, order_id: str) -> Order | None:
        """The order of this `_id`, or None; any text is safe to ask for."""
        return self._find_one({"_id": {"$eq": stored_id(order_id)}})

    def get(self, order_id: str) -> Order:
        """The order of this `_id`. Raises OrderNotFound."""
        order = self.find(order_id)
        if order is None:
            raise OrderNotFound(f"There is no order {order_id}.", orderId=order_id)
        return order

    def find_many(self, order_ids: Sequence[str]) -> dict[str, Order]:
        """The orders of these `_id`s, by `_id`; those that are not there, or can't be read, are absent."""
        ids = [stored_id(order_id) for order_id in set(order_ids)]
        with store_errors():
            return {order.id: order for order in readable(self._collection.find({"_id": {"$in": ids}}))}

    def find_by_payment_intent(self, payment_intent_id: str) -> Order | None:
        """The order of this PaymentIntent (or `free_…`) id, or None; any text is safe to ask for."""
        # As text: of None, every order would be that has no PaymentIntent.
        return self._find_one({"paymentIntentId": {"$eq": str(payment_intent_id)}})

    def find_by_attempt(self, attempt_id: str) -> Order | None:
        """The order this idempotency key created, or None."""
        return self._find_one({"attemptId": {"$eq": str(attempt_id)}})

    def find_by_payment_intents(self, payment_intent_ids: Sequence[str]) -> dict[str, Order]:
        """The orders of these PaymentIntents, by PaymentIntent id; those without an order are absent."""
        with store_errors():
            found = self._collection.find({"paymentIntentId": {"$in": list(payment_intent_ids)}})
            return {str(order.payment_intent_id): order for order in readable(found)}

    def created_between(self, start: datetime, end: datetime) -> Iterator[Order]:
        """Every order with start ≤ createdAt < end, newest first, without its timeline."""
        inside = {"createdAt": {"$gt": start - MILLISECOND, "$lt": end}}
        yield from readable(self._newest(inside))

    def open_between(self, start: datetime, end: datetime, limit: int) -> list[Order]:
        """At most `limit` orders of each status that is not final, start ≤ createdAt < end, newest first.

        With their timelines.
        """
        found: list[Order] = []
        for status in OrderStatus:
            if not status.is_final:
                inside = {"createdAt": {"$gt": start - MILLISECOND, "$lt": end}}
                query = {"status": str(status), **inside}
                # A caller takes fewer than `limit` for all there are: unreadable ones must not count.
                found += islice(readable(self._newest(query, fields=None)), limit)
        return found

    def of_customer(self, email: str, size: int, *, livemode: bool) -> list[Order]:
        """At most `size` orders of this e-mail address (lower case) and this mode, newest first, without
        timelines.

        Those that another program wrote with capitals are among them once they are listed.
        """

        def theirs(order: Order) -> bool:
            # Others have the same name at another domain, and a listing may be older than its order.
            return order.address == email and order.livemode in {None, livemode}

        # One after the other, and compared here: with a second condition the embedded store reads the whole
        # collection.
        ways = ({"customerEmail": {"$eq": email}}, {"listing.keys": local_part_key(email)})
        found = {
            order.id: order
            for way in ways
            for order in islice(filter(theirs, readable(self._newest(way))), size)
        }
        newest = sorted(found.values(), key=lambda order: (order.created_at, order.id), reverse=True)
        return newest[:size]

    def set_payment_intent(
        self, order: Order, payment_intent_id: str, stripe_status: str, *, livemode: bool, at: datetime
    ) -> Order | None:
        """Ties the order to the PaymentIntent Stripe made for it, once; the order as it stands then.

        None when the order has another PaymentIntent, or the PaymentIntent another order.
        """
        by_id = {"_id": stored_id(order.id)}
        tied = {
            "paymentIntentId": payment_intent_id,
            "stripeStatus": stripe_status,
            "livemode": livemode,
            "updatedAt": at,
        }
        update = {"$set": tied, "$unset": UNLISTED}
        waits = is_value("paymentIntentId", None)
        with store_errors():
            try:
                # Nearly always the order is as it was read: to read it back would take twice as long.
                unchanged = [is_value("updatedAt", order.updated_at), is_value("erasedAt", order.erased_at)]
                as_read = {"$and": [waits, *unchanged, has_timeline_of(order)]}
                if self._collection.update_one(by_id, only_if(as_read, update)).modified_count:
                    known = {"payment_intent_id": payment_intent_id, "stripe_status": stripe_status}
                    return order.model_copy(update=known | {"livemode": livemode, "updated_at": at})
                document = self._collection.find_one_and_update(
                    by_id, only_if(waits, update), return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:
                return None
        found = from_document(document) if document else None
        return found if found and found.payment_intent_id == payment_intent_id else None

    def move(
        self,
        order: Order,
        observation: Observation,
        *,
        by: str,
        event_id: str | None = None,
        attempt_id: str | None = None,
    ) -> bool:
        """Moves the order to what Stripe says, if the transition table allows, with its timeline entry.

        One conditional update: of two that race, one makes the move and the other sees it made. A success or
        a cancellation applies whenever it arrives; the states that may still change apply only when they are
        newer than what the order already knows. An order that is not completed yet takes over the amount that
        Stripe will charge, where it was changed there. `attempt_id` is the idempotency key of the request by
        which `by` caused it, None where `by` only looked. Returns whether this call changed the status.
        """
        self._know_amount(observation)
        while observation.status in TRANSITIONS[order.status]:
            if self._apply(order, observation, moved(observation, by, event_id, attempt_id)):
                return True
            current = self.find(order.id)
            if current is None or current.status is order.status:
                return False
            order = current
        if order.status is observation.status:
            self._apply(order, observation, observed_again(order, observation, by, event_id, attempt_id))
        return False

    def move_unread(
        self, payment_intent_id: str, observation: Observation, *, by: str, event_id: str | None = None
    ) -> bool:
        """`move` of the order of this PaymentIntent without reading it first, for what Stripe never undoes.

        False when nothing was moved: there is no such order, the table allows no move from where it is, or
        its customer was erased, so that what arrived must be read more carefully.
        """
        self._know_amount(observation)
        before = [str(status) for status, moves in TRANSITIONS.items() if observation.status in moves]
        as_expected = {"$and": [{"$in": ["$status", before]}, is_value("erasedAt", None)]}
        with store_errors():
            result = self._collection.update_one(
                {"paymentIntentId": {"$eq": payment_intent_id}},
                only_if(as_expected, moved(observation, by, event_id)),
            )
        if result.modified_count:
            _note_move(observation, payment_intent_id)
        return result.modified_count == 1

    def add_refunds(
        self,
        order: Order,
        news: Sequence[Refund] | Callable[[Sequence[Refund]], Sequence[Refund]],
        *,
        by: str,
        event_id: str | None = None,
        note: str | None = None,
        complete: bool = False,
        as_of: datetime | None = None,
    ) -> bool:
        """Merges what was heard of refunds into the order; returns whether anything was new.

        `news` may be a function of the refunds the order knows; `complete` news are all refunds there are.
        `as_of` (UTC) is when they were heard of, now by default. The sums on the order follow from its
        refunds. Each new state of a refund becomes a timeline entry, by whoever asked for the refund here,
        else `by`; none where an entry told of the sum that stood in for the refund.
        """
        as_of = as_of or datetime.now(UTC)

        def merged(order: Order) -> _Change | None:
            heard = news(order.refunds) if callable(news) else news
            refunds = merge_refunds(order.refunds, heard, complete=complete)
            if refunds == order.refunds and order.amount_refunded == refunded(refunds):
                return None
            entries = refund_entries(order, refunds, by=by, event_id=event_id, note=note, as_of=as_of)
            return with_refunds(refunds), entries

        return self._merge(order, merged)

    def mark_refunds_unknown(self, order: Order, unknown: Collection[str], *, by: str, at: datetime) -> bool:
        """Lets refunds of these ids, of which Stripe knows nothing, stand in sight and count no more.

        Each is one timeline entry at `at` (UTC). Returns whether any counted.
        """

        def merged(order: Order) -> _Change | None:
            refunds = without_unknown(order.refunds, unknown)
            if refunds == order.refunds:
                return None
            return with_refunds(refunds), unknown_entries(order, refunds, by=by, at=at)

        return self._merge(order, merged)

    def add_dispute(self, order: Order, news: Dispute, *, event_id: str | None = None) -> bool:
        """Merges what was heard of a dispute into the order; returns whether it was new."""

        def merged(order: Order) -> _Change | None:
            disputes = merge_disputes(order.disputes, news)
            if disputes == order.disputes:
                return None
            return with_disputes(disputes), dispute_entries(order, news, event_id)

        return self._merge(order, merged)

    def _merge(self, order: Order, merged: Callable[[Order], _Change | None]) -> bool:
        """Makes the change that follows from the order, onto the very state it follows from.

        False when nothing follows, also from what others have written meanwhile, or the order is gone.
        """
        current: Order | None = order
        while current and (change := merged(current)):
            update, entries = change
            update["$set"]["updatedAt"] = datetime.now(UTC)
            update["$unset"] = update.get("$unset", {}) | UNLISTED
            if entries:
                update |= append_to_timeline(*entries)
            if self._change(current, update):
                return True
            current = self.find(order.id)
        return False

    def append_if_unchanged(self, order: Order, entry: TimelineEntry) -> bool:
        """Adds one entry to the timeline as a change of the order's money, onto the very state that was read.

        False, and nothing added, when its refunds, its disputes or another such entry came in between.
        """
        return self._change(order, append_to_timeline(entry))

    def _change(self, order: Order, update: Document) -> bool:
        """Makes the update and counts the revision up, where that is still the one read."""
        as_read = {"$eq": [{"$ifNull": ["$revision", 0]}, order.revision]}
        counted = update | {"$inc": {"revision": 1}}
        with store_errors():
            changed = self._collection.update_one({"_id": stored_id(order.id)}, only_if(as_read, counted))
        return changed.modified_count == 1

    def edit_customer(self, order: Order, metadata: Mapping[str, str], entry: TimelineEntry) -> bool:
        """Writes the given metadata fields, and the customer's address and name among them on the order too.

        False when the customer was erased, who does not come back, and when the names among the fields are no
        longer those that were read: somebody else has corrected them meanwhile.
        """
        fields: Document = {f"metadata.{name}": value for name, value in metadata.items()}
        fields |= {name: metadata[name] for name in ("customerEmail", "customerName") if name in metadata}
        fields["updatedAt"] = entry.at
        by_id = {"_id": stored_id(order.id)}
        with store_errors():
            # Into null, or whatever another program has put there, nothing can be written through a path.
            no_object = {"$ne": [{"$type": "$metadata"}, "object"]}
            self._collection.update_one(by_id, only_if(no_object, {"$set": {"metadata": {}}}))
            edited = {"$set": fields, "$unset": UNLISTED, **append_to_timeline(entry)}
            names_as_read = [
                is_value(f"metadata.{name}", order.metadata.get(name))
                for name in NAME_METADATA & metadata.keys()
            ]
            condition = {"$and": [is_value("erasedAt", None), *names_as_read]}
            result = self._collection.update_one(by_id, only_if(condition, edited))
        return result.modified_count == 1

    def note_fees(self, fees: Mapping[str, tuple[int, str]]) -> None:
        """Keeps with each paid order what Stripe took of it: by PaymentIntent, minor units and currency.

        Their updatedAt stays: nothing else about them has changed, and there may be very many.
        """
        known = dict.fromkeys(("paymentIntentId", "fee", "feeCurrency"), 1)
        writes = []
        with store_errors():
            for ids in batched(fees, _AT_ONCE):
                for order in self._collection.find({"paymentIntentId": {"$in": ids}}, known):
                    fee, currency = fees[order["paymentIntentId"]]
                    if (order.get("fee"), order.get("feeCurrency")) != (fee, currency):
                        noted = {"$set": {"fee": fee, "feeCurrency": currency}}
                        writes.append(UpdateOne({"_id": order["_id"]}, noted))
            for batch in batched(writes, _AT_ONCE):
                self._collection.bulk_write(batch, ordered=False)

    def is_erased(self, payment_intent_id: str) -> bool:
        """Whether the customer of this PaymentIntent's order was erased, or is being erased."""
        with store_errors():
            found = self._collection.find_one(
                {"paymentIntentId": {"$eq": payment_intent_id}}, {"erasedAt": 1}
            )
        return bool(found and found.get("erasedAt"))

    def correct_amount(self, order: Order, amount: int, currency: str, entry: TimelineEntry) -> bool:
        """Replaces the amount we stored by the one Stripe charges, unless it changed meanwhile."""
        self._amounts.add({amount})
        with store_errors():
            as_read = {"$eq": [AMOUNT, order.amount]}
            same = {"$and": [as_read, is_value("currency", order.currency)]}
            corrected = {"amount": amount, "currency": currency, "updatedAt": entry.at}
            result = self._collection.update_one(
                {"_id": stored_id(order.id)},
                only_if(same, {"$set": corrected, **append_to_timeline(entry)}),
            )
        return result.modified_count == 1

    def renew_payment_link(self, order: Order, entry: TimelineEntry) -> None:
        """Notes that the order's payment link is a new one from the entry's instant on."""
        renewed = {"$set": {"paymentLinkAt": entry.at}, **append_to_timeline(entry)}
        with store_errors():
            self._collection.update_one({"_id": stored_id(order.id)}, renewed)

    def append(self, order: Order, entry: TimelineEntry) -> None:
        """Adds one entry to the order's timeline."""
        with store_errors():
            self._collection.update_one({"_id": stored_id(order.id)}, append_to_timeline(entry))

    def _know_amount(self, observation: Observation) -> None:
        """The order may take over the amount: lists are to look for it from now on."""
        if observation.amount is not None:
            self._amounts.add({observation.amount})

    def _apply(self, order: Order, observation: Observation, update: Document) -> bool:
        conditions: list[Document] = [is_value("status", str(order.status))]
        if not observation.status.is_final:
            never, before = is_value("stripeSyncedAt", None), {"$lt": ["$stripeSyncedAt", observation.at]}
            conditions.append({"$or": [never, before]})
        with store_errors():
            applied = self._collection.update_one(
                {"_id": stored_id(order.id)}, only_if({"$and": conditions}, update)
            )
        if applied.modified_count and observation.status is not order.status:
            _note_move(observation, order.payment_intent_id, order.id)
        return applied.modified_count == 1

    def _find_one(self, query: Mapping[str, Any]) -> Order | None:
        with store_errors():
            document = self._collection.find_one(query)
        return from_document(document) if document else None

    def _newest(
        self, query: Mapping[str, Any], fields: Mapping[str, Any] | None = WITHOUT_TIMELINE
    ) -> Iterator[Document]:
        with store_errors():
            yield from self._collection.find(query, fields).sort([("createdAt", -1), ("_id", -1)])


def to_document(order: Order) -> Document:
    """The stored form of an order. A field without a value is absent, as the sparse indexes need.

    An order that still waits for its PaymentIntent is listed when it has one.
    """
    document = order.model_dump(by_alias=True, exclude_none=True)
    document |= {"_id": stored_id(order.id), "status": str(order.status)}
    return document | {"listing": listing_document(order)} if order.payment_intent_id else document


def from_document(document: Mapping[str, Any]) -> Order:
    """Reads a stored order, ours or the other program's. Raises OrderUnreadable for what is none."""
    try:
        return Order.model_validate(document)
    except ValidationError as error:
        order_id = str(document["_id"])
        fields = sorted({str(problem["loc"][0]) for problem in error.errors()})
        raise OrderUnreadable(
            f"The order {order_id} can't be read: look at its {', '.join(fields)} in the store.",
            orderId=order_id,
            fields=fields,
        ) from error


def readable(documents: Iterable[Mapping[str, Any]]) -> Iterator[Order]:
    """The orders of these documents; one that is none is left out, and the log names it.

    What another program has spoilt must not hide all others.
    """
    for document in documents:
        try:
            yield from_document(document)
        except OrderUnreadable as error:
            spoilt = {"order_id": error.extra["orderId"], "fields": error.extra["fields"]}
            logger.warning("order unreadable", extra=spoilt)


def _note_move(observation: Observation, payment_intent_id: str | None, order_id: str | None = None) -> None:
    """Counts and logs that an order has moved; of one moved unread only the PaymentIntent is known."""
    MOVES.labels(str(observation.status)).inc()
    known = {"order_id": order_id} if order_id else {}
    logger.info(
        "order moved", extra={**known, "payment_intent_id": payment_intent_id, "to": str(observation.status)}
    )
