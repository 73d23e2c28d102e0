"""The ledger of webhook events, `processed_events`: each event is claimed, worked on, and settled once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from pymongo import ASCENDING
from pymongo.database import Database

from lumira.documents import BEGINNING, mapping_or_empty
from lumira.events import (
    EVERY_EVENT,
    OTHER_API_VERSION,
    TEST_DELIVERY,
    UNKNOWN_TYPE,
    EventFilter,
    EventState,
    RecordedEvent,
    payment_intent_of,
)
from lumira.redaction import without_secrets
from lumira.storage.conditions import is_value, only_if
from lumira.storage.failures import Document, insert_new, store_errors
from lumira.storage.indexes import AWAITING, EVENTS
from lumira.storage.paging import fitting_page, newest_page

# Longer than any handling takes; a worker that died gives its event back after this.
LEASE: Final = timedelta(seconds=60)
# What came of asking for an event: ours to handle, handled before, or in another worker's hands.
Claim = Literal["ours", "processed", "busy"]
# What an event that comes in another API version brings anew.
_DELIVERED: Final = ("apiVersion", "livemode", "data")
# An event that is older and still in hand is the business of reconciliation.
_LOOK_BACK: Final = timedelta(days=90)
# Rows are removed a day at a time, for those of years would take longer than the store's time-out; those that
# are older than this, of which there are few, in one step.
_PRUNED_BY_DAY: Final = timedelta(days=1_000)
# An event without its payload, and the ids of what it is about.
_LISTED: Final = dict.fromkeys(
    (
        *("eventId", "eventType", "state", "outcome", "error", "errorCode", "attempts", "apiVersion"),
        *("livemode", "createdAt", "processedAt", "data.object.id", "data.object.payment_intent"),
    ),
    1,
)


class Events:
    """The ledger. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[EVENTS]
        self._awaiting = database[AWAITING]

    def claim(self, event: Mapping[str, Any]) -> Claim:
        """Records the event and takes its lease, unless it is processed or another worker holds it.

        A row without a state was written by the program we replaced, which recorded only what it had
        processed. An event that was left alone for its API version is handled when it comes in another.
        """
        now = datetime.now(UTC)
        lease = {"state": "processing", "leaseUntil": now + LEASE, "updatedAt": now}
        recorded = _row(event, now) | lease
        if insert_new(self._collection, recorded):
            return "ours"
        with store_errors():
            row = self._collection.find_one(
                {"eventId": {"$eq": event["id"]}},
                {"state": 1, "leaseUntil": 1, "attempts": 1, "outcome": 1, "apiVersion": 1},
            )
            if row is None:
                return "busy"
            left_alone = row.get("outcome") == OTHER_API_VERSION
            news = left_alone and row.get("apiVersion") != recorded["apiVersion"]
            state = row.get("state") or "processed"
            if state == "processed" and not news:
                return "processed"
            if state == "processing" and (row.get("leaseUntil") or now) > now:
                return "busy"
            brought = {name: recorded[name] for name in _DELIVERED} if news else {}
            # The attempts counted above are the version: of two workers that saw the same row, one wins.
            same = {"$and": [is_value(name, row.get(name)) for name in ("state", "attempts")]}
            taken = self._collection.update_one(
                {"_id": row["_id"]}, only_if(same, {"$set": lease | brought, "$inc": {"attempts": 1}})
            )
        return "ours" if taken.modified_count else "busy"

    def record(self, event: Mapping[str, Any], outcome: str, received_at: datetime | None = None) -> bool:
        """Stores an event whose work is done; False when the ledger holds it already, in whatever state.

        It was received now, unless an instant (UTC) is given.
        """
        at = received_at or datetime.now(UTC)
        return insert_new(self._collection, _row(event, at) | _settled(outcome, at))

    def settle(self, event_id: str, outcome: str) -> None:
        """Marks the event as processed; `outcome` says in a word what came of it."""
        settled = _settled(outcome, datetime.now(UTC))
        self._update(
            event_id, {"$set": settled, "$unset": dict.fromkeys(("leaseUntil", "error", "errorCode"), "")}
        )

    def fail(self, event_id: str, error: str, code: str) -> None:
        """Gives the event back with the reason and its code, for Stripe's next delivery; what is processed
        stays so.
        """
        failed = {
            "$set": {"state": "failed", "error": error, "errorCode": code, "updatedAt": datetime.now(UTC)},
            "$unset": {"leaseUntil": ""},
        }
        # A worker that was slower than its lease must not undo what its successor has done.
        self._update(event_id, only_if({"$ne": ["$state", "processed"]}, failed))

    def replace_payload(self, event_id: str, data: Mapping[str, Any]) -> None:
        """Keeps `data` of the event in place of what was delivered."""
        self._update(event_id, {"$set": {"data": data}})

    def find(self, event_id: str) -> Document | None:
        """The row of this event as stored, or None."""
        with store_errors():
            return self._collection.find_one({"eventId": {"$eq": event_id}})

    def any_since(self, instant: datetime) -> bool:
        """Whether an event of Stripe's was recorded at or after this instant (UTC), an hour back at most."""
        recorded = {"createdAt": {"$gte": instant}, "eventType": {"$ne": TEST_DELIVERY}}
        with store_errors():
            return self._collection.find_one(recorded, {"_id": 1}) is not None

    def known(self, event_ids: Sequence[str]) -> set[str]:
        """Those of the ids that the ledger holds, in whatever state."""
        with store_errors():
            rows = self._collection.find({"eventId": {"$in": list(event_ids)}}, {"eventId": 1, "_id": 0})
            return {row["eventId"] for row in rows}

    def of_payment(self, payment_intent_id: str, since: datetime, limit: int) -> list[RecordedEvent]:
        """At most `limit` events about this PaymentIntent received since an instant (UTC), oldest first.

        Reads everything received since then: ask for minutes, not for days.
        """
        # By the instant alone: with a second condition the embedded store reads the whole collection.
        recent = {"createdAt": {"$gt": since, "$lt": datetime.now(UTC) + timedelta(days=1)}}
        with store_errors():
            rows = list(self._collection.find(recent, _LISTED))
        found = [
            row
            for row in rows
            if payment_intent_of(_type(row), mapping_or_empty(row.pop("data", None))) == payment_intent_id
        ]
        found.sort(key=lambda row: row["createdAt"])
        return [RecordedEvent.model_validate(row) for row in found[:limit]]

    def event(self, event_id: str) -> dict[str, Any] | None:
        """The event as it was delivered, as far as handling it needs; None when it was never recorded."""
        row = self.find(event_id)
        if row is None:
            return None
        created, received_at = row.get("eventCreated"), row.get("createdAt")
        if created is None and isinstance(received_at, datetime):
            # An old sender's happened as it arrived, not as it is handled again.
            created = int(received_at.timestamp())
        event = {
            "id": row["eventId"],
            "type": _type(row),
            # Rows of the program before ours need not hold any.
            "data": mapping_or_empty(row.get("data")),
            "created": created,
            "api_version": row.get("apiVersion"),
            "livemode": row.get("livemode"),
        }
        return {name: value for name, value in event.items() if value is not None}

    def await_order(self, event_id: str, payment_intent_id: str) -> None:
        """Notes that the event is to be applied once there is an order of this PaymentIntent."""
        with store_errors():
            self._awaiting.replace_one(
                {"_id": f"{payment_intent_id}:{event_id}"}, {"at": datetime.now(UTC)}, upsert=True
            )

    def await_no_more(self, event_id: str, payment_intent_id: str) -> None:
        """Forgets that the event waited for this order."""
        with store_errors():
            self._awaiting.delete_one({"_id": f"{payment_intent_id}:{event_id}"})

    def awaiting_order(self, payment_intent_id: str) -> list[dict[str, Any]]:
        """The events that await an order of this PaymentIntent, as `event` gives them, oldest first."""
        beginning = f"{payment_intent_id}:"
        with store_errors():
            # A semicolon comes right behind the colon.
            noted = list(self._awaiting.find({"_id": {"$gte": beginning, "$lt": f"{payment_intent_id};"}}))
        noted.sort(key=lambda note: note["at"])
        found = (self.event(note["_id"].removeprefix(beginning)) for note in noted)
        return [event for event in found if event]

    def page(
        self, size: int, cursor: str | None = None, selected: EventFilter = EVERY_EVENT
    ) -> tuple[list[RecordedEvent], str | None]:
        """At most `size` events of the filter, newest first, of their payload only the ids of what they are
        about, and the next cursor. Rows that another program left undated stand at the end of the last page,
        at most `size` of them.

        Reads along the index of the state that few events have, or of the type, and leaves out what does not
        fit.
        """
        query = _indexed(selected)

        def read(cursor: str | None) -> tuple[list[Document], str | None]:
            return newest_page(
                self._collection, query, 2 * size, cursor, since=selected.since, fields=_LISTED
            )

        def fitting(row: Document) -> RecordedEvent | None:
            event = RecordedEvent.model_validate(row)
            return event if selected.admits(event) else None

        shown, next_cursor = fitting_page(read, fitting, size, cursor)
        if next_cursor is None and selected.since is None:
            with store_errors():
                undated = list(self._collection.find({"createdAt": None}, _LISTED).limit(size))
            shown += filter(None, map(fitting, undated))
        # An id may stand there as the whole of what it names.
        return [event.without_payload() for event in shown], next_cursor

    def failed(self) -> list[str]:
        """The ids of the failed events, oldest first."""
        with store_errors():
            rows = self._collection.find({"state": "failed"}, {"eventId": 1, "createdAt": 1})
            found = [(row.get("createdAt") or BEGINNING, row["eventId"]) for row in rows]
        return [event_id for _, event_id in sorted(found)]

    def stuck(self, limit: int) -> list[str]:
        """The ids of events whose worker died, of the oldest `limit` in hand: their lease has run out."""
        in_hand = {"state": "processing", "createdAt": {"$gt": datetime.now(UTC) - _LOOK_BACK}}
        with store_errors():
            rows = self._collection.find(in_hand, {"eventId": 1, "leaseUntil": 1, "createdAt": 1})
            found = list(rows.sort("createdAt", ASCENDING).limit(limit))
        now = datetime.now(UTC)
        return [row["eventId"] for row in found if (row.get("leaseUntil") or now) <= now]

    def forget(self, event_id: str) -> None:
        """Removes the row of an event that was only a test."""
        with store_errors():
            self._collection.delete_one({"eventId": {"$eq": event_id}})

    def prune(self, before: datetime) -> int:
        """Removes what was processed and recorded before this instant (UTC); returns how many rows.

        With them the rows without a state: the program we replaced recorded only what it had processed.
        """
        with store_errors():
            self._awaiting.delete_many({"at": {"$lt": before}})
            undated = {"state": None, "createdAt": None, "processedAt": {"$lt": before}}
            removed = self._collection.delete_many(undated).deleted_count
            for state in ("processed", None):
                recorded = {"state": state, "createdAt": {"$lt": before}}
                oldest = self._collection.find_one(recorded, {"createdAt": True}, sort=[("createdAt", 1)])
                until = max(oldest["createdAt"], before - _PRUNED_BY_DAY) if oldest else before
                while until < before:
                    until = min(until + timedelta(days=1), before)
                    # One that failed at first may have been processed long after it was recorded.
                    old = {
                        "state": state,
                        "createdAt": {"$lt": until},
                        "processedAt": {"$not": {"$gte": before}},
                    }
                    removed += self._collection.delete_many(old).deleted_count
        return removed

    def _update(self, event_id: str, update: Document | list[Document]) -> None:
        with store_errors():
            self._collection.update_one({"eventId": {"$eq": event_id}}, update)


def _row(event: Mapping[str, Any], now: datetime) -> Document:
    return {
        "eventId": event["id"],
        "eventType": event["type"],
        "apiVersion": event.get("api_version"),
        "livemode": event.get("livemode"),
        "data": without_secrets(event["data"]),
        "eventCreated": event.get("created"),
        "attempts": 1,
        "createdAt": now,
    }


def _type(row: Document) -> str:
    return str(row.get("eventType") or UNKNOWN_TYPE)


def _settled(outcome: str, now: datetime) -> Document:
    return {"state": "processed", "outcome": outcome, "processedAt": now, "updatedAt": now}


def _indexed(selected: EventFilter) -> Document:
    if selected.state in {EventState.FAILED, EventState.PROCESSING}:
        return {"state": str(selected.state)}
    # A plain value: an $eq beside a range has the embedded store read the whole collection.
    return {"eventType": str(selected.type)} if selected.type else {}
