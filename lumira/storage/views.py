"""Saved views, `saved_views`: one row for each name of each owner."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.database import Database

from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import VIEWS
from lumira.views import View


class SavedViews:
    """Reads and writes views. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[VIEWS]

    def of(self, owners: Sequence[str]) -> list[View]:
        """The views of these owners."""
        with store_errors():
            rows = list(self._collection.find({"owner": {"$in": list(owners)}}))
        return [View(row["name"], row["query"], row["owner"], row.get("layout")) for row in rows]

    def save(self, view: View) -> None:
        """Stores the view, in place of one of the same name and owner."""
        row: Document = {"name": view.name, "query": dict(view.query), "owner": view.owner}
        if view.layout is not None:
            row["layout"] = dict(view.layout)
        with store_errors():
            self._collection.replace_one({"_id": {"$eq": view.id}}, row, upsert=True)

    def delete(self, view: View) -> bool:
        """Removes the view; False when it was gone already."""
        with store_errors():
            return self._collection.delete_one({"_id": {"$eq": view.id}}).deleted_count == 1
