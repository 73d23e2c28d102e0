"""The audit log, `audit_entries`: written once, never changed."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Final

from pymongo.database import Database

from lumira.audit import AuditEntry
from lumira.storage.failures import Document, insert_new, store_errors
from lumira.storage.indexes import AUDIT

logger: Final = logging.getLogger("lumira.audit")


class AuditLog:
    """Records and reads entries. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[AUDIT]

    def record(self, entry: AuditEntry) -> None:
        """Stores the entry, of one attempt only the first."""
        document = asdict(entry)
        if entry.attempt_id:
            document["_id"] = f"{entry.action}:{entry.order_id}:{entry.attempt_id}"
        if insert_new(self._collection, document):
            # Notes may hold what people wrote: they stay in the store.
            about = {"order_id": entry.order_id} if entry.order_id else {}
            logger.info("audit recorded", extra={**about, "action": entry.action, "actor": entry.actor})

    def of_order(self, order_id: str) -> list[AuditEntry]:
        """Everything people did to this order, oldest first."""
        with store_errors():
            found = self._collection.find({"order_id": {"$eq": order_id}}, {"_id": 0}).sort("at", 1)
            return [AuditEntry(**entry) for entry in found]
