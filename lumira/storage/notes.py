"""Notes on orders, `order_notes`: written once, never changed."""

from __future__ import annotations

from typing import Final

from pymongo.database import Database

from lumira.notes import Note
from lumira.storage.failures import Document, insert_new, store_errors
from lumira.storage.indexes import NOTES

# More than a page can show; the newest are read.
_READ_AT_MOST: Final = 200


class OrderNotes:
    """Stores and reads notes. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[NOTES]

    def insert(self, note: Note) -> None:
        """Stores the note, of one attempt only the first."""
        document = {
            "_id": f"{note.order_id}:{note.id}",
            "orderId": note.order_id,
            "at": note.at,
            "by": note.by,
            "text": note.text,
        }
        insert_new(self._collection, document)

    def of_order(self, order_id: str) -> list[Note]:
        """The newest notes of the order, newest first."""
        with store_errors():
            found = self._collection.find({"orderId": {"$eq": order_id}}).sort("at", -1).limit(_READ_AT_MOST)
            return [
                Note(
                    id=row["_id"].partition(":")[2],
                    order_id=row["orderId"],
                    at=row["at"],
                    by=row["by"],
                    text=row["text"],
                )
                for row in found
            ]
