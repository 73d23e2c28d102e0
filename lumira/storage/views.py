"""Saved views, `saved_views`: one row for each name of each owner."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final, TypeGuard

from pymongo.database import Database

from lumira.storage.failures import Document, store_errors
from lumira.storage.indexes import VIEWS
from lumira.views import View

logger: Final = logging.getLogger("lumira.store")


class SavedViews:
    """Reads and writes views. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[VIEWS]

    def of(self, owners: Sequence[str]) -> list[View]:
        """The views of these owners; a row that is none is left out, and the log names it."""
        with store_errors():
            rows = list(self._collection.find({"owner": {"$in": list(owners)}}))
        views = []
        for row in rows:
            name, query, layout = row.get("name"), row.get("query"), row.get("layout")
            # A part of its filter would show other orders than it was saved for.
            if isinstance(name, str) and _is_text(query):
                views.append(View(name, query, row["owner"], layout if _is_text(layout) else None))
            else:
                logger.warning("view unreadable", extra={"view": str(row["_id"])})
        return views

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


def _is_text(names: Any) -> TypeGuard[dict[str, str]]:
    """Whether it is an object of text by name, as an address holds it."""
    return isinstance(names, dict) and all(isinstance(value, str) for value in names.values())
