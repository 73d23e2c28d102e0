"""Pages of documents, newest first, whatever the size of the collection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bson import ObjectId
from bson.errors import InvalidId
from pymongo.collection import Collection

from lumira.storage.failures import Document, store_errors

# MongoDB resolves dates to the millisecond. Bounds are kept exclusive and shifted by one: an inclusive bound
# on an index of several fields loses the documents equal to it on the embedded store.
MILLISECOND: Final = timedelta(milliseconds=1)
# A page looks this far back first, then further, until it is full: a bounded range is served by the index
# alone, and a sort without one reads the whole collection on the embedded store.
WINDOWS: Final = (
    *(timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=60), timedelta(days=730)),
)
# Another's clock may be ahead of ours.
AHEAD: Final = timedelta(days=1)
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


def newest_page(
    collection: Collection[Document],
    query: Mapping[str, Any],
    size: int,
    cursor: str | None = None,
    *,
    since: datetime | None = None,
    without: Mapping[str, int] | None = None,
) -> tuple[list[Document], str | None]:
    """At most `size` documents of `query` by createdAt and _id, newest first, and the next page's cursor.

    `query` holds equalities of fields that stand before createdAt in an index, `since` is the earliest
    createdAt (UTC), `without` are fields left out.
    Documents of the same instant are kept apart by their _id, so none is skipped or shown twice. A cursor
    that is none shows the first page. Raises StoreUnavailable.
    """
    found: list[Document] = []
    beginning = max(since, BEGINNING) if since else BEGINNING
    bound = datetime.now(UTC) + AHEAD
    ahead = AHEAD

    def read(more: Mapping[str, Any]) -> None:
        with store_errors():
            rows = collection.find({**query, **more}, without)
            found.extend(rows.sort([("createdAt", -1), ("_id", -1)]).limit(size + 1 - len(found)))

    if cursor and (after := _parse(cursor)):
        bound, last_id = after
        ahead = timedelta()
        if bound >= beginning:
            read({"createdAt": bound, "_id": {"$lt": last_id}})
    for window in WINDOWS:
        if len(found) > size or bound <= beginning:
            break
        floor = max(bound - ahead - window, beginning)
        ahead = timedelta()
        read({"createdAt": {"$gt": floor - MILLISECOND, "$lt": bound}})
        bound = floor
    if len(found) <= size and bound > beginning:
        read({"createdAt": {"$gt": beginning - MILLISECOND, "$lt": bound}})
    page = found[:size]
    return page, cursor_after(page[-1]) if len(found) > size else None


def cursor_after(document: Document) -> str:
    """The cursor of the page that begins behind this document."""
    return f"{int(document['createdAt'].timestamp() * 1000)}-{document['_id']}"


def _parse(cursor: str) -> tuple[datetime, ObjectId] | None:
    """The instant and _id a cursor stands for; None for text that is no cursor."""
    milliseconds, _, identifier = cursor.partition("-")
    try:
        return BEGINNING + timedelta(milliseconds=int(milliseconds)), ObjectId(identifier)
    except (ValueError, OverflowError, InvalidId):
        return None
