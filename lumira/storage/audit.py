"""The audit log, `audit_entries`: written once; what was told of an entry is never changed."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any, Final

from bson import ObjectId
from pymongo.database import Database

from lumira.audit import EVERY_ENTRY, AuditEntry, AuditFilter
from lumira.storage.failures import Document, insert_all_new, insert_new, store_errors
from lumira.storage.indexes import AUDIT
from lumira.storage.paging import fitting_page, newest_page

logger: Final = logging.getLogger("lumira.audit")

# How many entries of an earlier version are completed at a time.
_BATCH: Final = 500
_FIELDS: Final = {field.name for field in fields(AuditEntry)}


class AuditLog:
    """Records and reads entries. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[AUDIT]

    def record(self, entry: AuditEntry) -> None:
        """Stores the entry, of one attempt only the first."""
        if insert_new(self._collection, to_document(entry)):
            # Notes may hold what people wrote: they stay in the store.
            about = {"order_id": entry.order_id} if entry.order_id else {}
            logger.info("audit recorded", extra={**about, "action": entry.action, "actor": entry.actor})

    def record_past(self, entries: Iterable[AuditEntry]) -> None:
        """Stores entries in bulk, each of an attempt, and leaves those already there; for seeding."""
        insert_all_new(self._collection, [to_document(entry) for entry in entries])

    def complete(self, seconds: float = math.inf) -> None:
        """Notes of entries whether a person did them, where a version wrote them that did not, for so long.

        Until then the list of what people did leaves them out.
        """
        end = time.monotonic() + seconds
        with store_errors():
            while entries := list(self._collection.find({"by_person": None}, limit=_BATCH)):
                for by_person in (True, False):
                    ids = [entry["_id"] for entry in entries if _entry(entry).is_of_a_person is by_person]
                    self._collection.update_many({"_id": {"$in": ids}}, {"$set": {"by_person": by_person}})
                if time.monotonic() >= end:
                    break

    def of_order(self, order_id: str) -> list[AuditEntry]:
        """Everything people did to this order, oldest first."""
        with store_errors():
            found = self._collection.find({"order_id": {"$eq": order_id}}).sort("at", 1)
            return [_entry(document) for document in found]

    def page(
        self, size: int, cursor: str | None = None, selected: AuditFilter = EVERY_ENTRY
    ) -> tuple[list[AuditEntry], str | None]:
        """At most `size` entries of the filter, newest first, and the next cursor.

        Reads along the index of the actor, of the action, or of people, and leaves out what does not fit.
        """
        query = _indexed(selected)

        def read(cursor: str | None) -> tuple[list[Document], str | None]:
            return newest_page(self._collection, query, 2 * size, cursor, since=selected.since, dated="at")

        def fitting(document: Document) -> AuditEntry | None:
            entry = _entry(document)
            return entry if selected.admits(entry) else None

        return fitting_page(read, fitting, size, cursor, dated="at")


def to_document(entry: AuditEntry) -> Document:
    """The entry as it is stored: of one attempt under one _id, and with whether a person did it."""
    document = asdict(entry) | {"by_person": entry.is_of_a_person}
    return document | {"_id": _id_of_attempt(entry)} if entry.attempt_id else document


def _id_of_attempt(entry: AuditEntry) -> ObjectId:
    """The same for whoever repeats it; an ObjectId, as the others are, for pages go by its order."""
    attempt = f"{entry.action}:{entry.order_id}:{entry.attempt_id}"
    return ObjectId(hashlib.sha256(attempt.encode("utf-8", "surrogatepass")).digest()[:12])


def _entry(document: Document) -> AuditEntry:
    # A later version may have kept more.
    known: dict[str, Any] = {name: document[name] for name in _FIELDS & document.keys()}
    return AuditEntry(**known)


def _indexed(selected: AuditFilter) -> Document:
    if selected.actor:
        return {"actor": selected.actor}
    if selected.action:
        return {"action": selected.action}
    return {"by_person": True} if selected.people else {}
